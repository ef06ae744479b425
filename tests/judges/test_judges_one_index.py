"""One index of an encoder's vectors per catalogue in a process: prompts, verified search and baselines use the same."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from leser_judges import EncoderAlone, EncoderFeedback, EncoderSimilarity
from leser_judges.documents import DocumentIndex
from leser_memory import MemoryBackend

from leser.backend import Document
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.environment import Environment
from leser.expansion import ExpansionOptions
from leser.precompute import sources_of
from leser.prompt import PromptOptions
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task
from leser.verified.options import VerifiedOptions
from leser.verified.sources import nearest_in

STOCK = [Document(f"d{n}", {"title": title}) for n, title in enumerate(("red settee", "floor lamp", "laptop", ""))]
SPLIT = Split("dev", (Query("q", "red couch"),), {"q": {"d0": 1}})


def similarity(folder: Path, more: str = "") -> EncoderSimilarity:
    return EncoderSimilarity(parse_spec(f"encoder(cache={str(folder)!r}{more})@10"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[DocumentIndex]:
    """Every index that is built from a catalogue, in order."""
    built: list[DocumentIndex] = []
    build: Callable[..., None] = DocumentIndex.__init__

    def noting(self: DocumentIndex, *arguments: object) -> None:
        built.append(self)
        build(self, *arguments)

    monkeypatch.setattr(DocumentIndex, "__init__", noting)
    return built


def test_prompts_verified_search_and_baselines_share_it(tmp_path: Path, made: list[DocumentIndex]) -> None:
    task = Task("shop", SPLIT, SPLIT, SPLIT, documents=lambda: [Document(d.id, dict(d.fields)) for d in STOCK])
    rewards = RewardSet([similarity(tmp_path)], [1.0])
    with SearchClient(MemoryBackend.of(STOCK)) as client:
        environment = Environment(client, rewards, ExpansionOptions(), documents=task.documents)
        environment.prepare(PromptOptions(nearest=2))
        sources = sources_of(environment, VerifiedOptions(), task)
        alone, fed = EncoderAlone(), EncoderFeedback(EncoderFeedback.Options(terms=(1,), weights=(0.5,)))
        for baseline in (alone, fed):
            baseline.fit(BaselineContext(client, task, rewards, k=10))
        assert len(made) == 1
        assert nearest_in(sources) is alone.documents is fed.documents is made[0]


def test_another_catalogue_other_fields_or_another_encoder_have_their_own(
    tmp_path: Path, made: list[DocumentIndex]
) -> None:
    first = similarity(tmp_path)
    kept = [first.nearest_documents(STOCK), first.nearest_documents(list(STOCK))]
    kept.append(similarity(tmp_path).nearest_documents(STOCK))  # the same options: the same vectors
    assert len(made) == 1
    changed = [*STOCK[1:], Document("d0", {"title": "red sofa"})]
    assert first.nearest_documents(changed).nearest("sofa", 1).ids == ("d0",)
    kept.append(similarity(tmp_path, ", fields=['title', 'text']").nearest_documents(STOCK))
    kept.append(similarity(tmp_path / "other").nearest_documents(STOCK))
    assert len(made) == 4


def test_it_goes_when_nobody_uses_it(tmp_path: Path) -> None:
    reward = similarity(tmp_path)
    gone = weakref.ref(reward.nearest_documents(STOCK))
    gc.collect()
    assert gone() is None
    assert reward.nearest_documents(STOCK).nearest("settee", 1).ids == ("d0",)


def test_documents_on_which_the_encoder_failed_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reward = similarity(tmp_path)
    rows = reward.vectors.rows
    fails = [True]

    def sometimes(texts: list[str], **options: bool) -> np.ndarray:  # type: ignore[type-arg]
        found = rows(texts, **options)
        return np.where(np.array([fails[0] and text == "laptop" for text in texts], dtype=bool), -1, found)

    monkeypatch.setattr(reward.vectors, "rows", sometimes)
    broken = reward.nearest_documents(STOCK)
    assert len(broken) == 2
    fails[0] = False
    assert len(reward.nearest_documents(STOCK)) == 3
