"""cross_encoder@k: a reranker that reads query and document together, as the judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from leser.errors import LeserError
from leser.policy.options import offline
from leser.reward import RewardSpec
from leser_judges.encoder import digest_of
from leser_judges.options import WEIGHT_FILES, is_hub_id
from leser_judges.pairs import Pair, PairJudge, PairOptions, PairScores

if TYPE_CHECKING:
    from leser_judges.sequence_model import SequenceModel

_KEPT_AT_ONCE = 1024
"""Pairs after which scores are written: what a killed process loses at most."""


class CrossEncoderOptions(PairOptions):
    """Which model judges pairs."""

    model: str = Field("", min_length=1, description="folder or hub id of a sequence-classification model (a reranker)")
    revision: str | None = Field(None, description="branch, tag or commit of a hub id")
    label: int | None = Field(
        None, ge=0, description="the label that means relevant; none: the only one, or the second of two"
    )
    max_length: int = Field(256, ge=8, description="tokens of query and document that are read, at most")
    batch_size: int = Field(32, ge=1, description="pairs that are judged at once")
    device: str = Field("auto", description="cpu, cuda, cuda:N; auto: a GPU where there is one")


class CrossEncoder(PairJudge):
    """Discounted mean of a reranker's scores of the top k (cross_encoder(model='cross-encoder/ms-marco-MiniLM-L6-v2')@k).

    A score is the sigmoid of a model's only logit, or the softmax of the label that means relevant: 0 to 1. DCG's discount,
    divided by the sum of all k discounts; a rank without a document, or whose document has no text in `fields`, counts 0.
    Each pair is judged once and kept on disk. Where the model fails on a pair, all of the query's completions get None.

    Use when: encoder@k is too coarse (it orders too few judged pairs rightly) and there is a GPU, or few queries.
    Beware of: it costs a pass of the model for each new pair of query and document, hundreds of times an encoder's price; it
    was trained on other people's queries, and what it overrates the policy will find.
    """

    name = "cross_encoder"
    Options = CrossEncoderOptions
    options: CrossEncoderOptions

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.fields = self.options.fields
        if not is_hub_id(self.options.model):
            _checked(Path(self.options.model).expanduser(), self.options.model)

    @cached_property
    def scores(self) -> PairScores:
        """The scores of this model at this length."""
        fingerprint = digest_of(reranker_folder(self.options), [self.options.max_length, self.options.label])
        return PairScores.of(self.options, Path(self.options.model).name, fingerprint)

    def judge(self, pairs: Sequence[Pair]) -> Iterator[dict[Pair, float]]:
        """Scores of these pairs; those on which the model fails are absent, and the log says why."""
        model = open_reranker(self.options)
        for start in range(0, len(pairs), _KEPT_AT_ONCE):
            yield model.scores(pairs[start : start + _KEPT_AT_ONCE], self.options.batch_size)


@lru_cache(maxsize=4)
def open_reranker(options: CrossEncoderOptions) -> SequenceModel:
    """The model under these options, one for all who use it in this process."""
    from leser_judges.sequence_model import SequenceModel

    folder = reranker_folder(options)
    return SequenceModel(folder, max_length=options.max_length, device=options.device, label=options.label)


def reranker_folder(options: CrossEncoderOptions) -> Path:
    """The folder with the model's files, downloaded where it is a hub id; raises LeserError saying what to do."""
    if not is_hub_id(options.model):
        return _checked(Path(options.model).expanduser(), options.model)
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            options.model, revision=options.revision, allow_patterns=list(WEIGHT_FILES), local_files_only=offline()
        )
    except Exception as error:  # the hub client raises its own, requests' and httpx' errors alike
        why = "the hub is switched off and it is not in the local cache" if offline() else type(error).__name__
        raise LeserError(
            f"Cross-encoder '{options.model}' cannot be had from the hub: {why}. Check the name and the network, or name a "
            "folder."
        ) from error
    return _checked(Path(found), options.model)


def _checked(folder: Path, name: str) -> Path:
    if not (folder / "config.json").is_file():
        raise LeserError(
            f"Cross-encoder '{name}' is not a hub id (owner/name), and not a folder with config.json. Name a model that "
            "save_pretrained wrote, e.g. cross_encoder(model='models/reranker')@10."
        )
    return folder
