"""A sequence-classification model of transformers, run on pairs of texts; weights from safetensors only, no code of a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from leser.errors import LeserError
from leser.policy.loading import quiet
from leser_judges.blocks import MOST_FAILURES_IN_A_ROW
from leser_judges.pairs import Pair
from leser_judges.sentence_model import device_of

log = logging.getLogger(__name__)


class SequenceModel:
    """Pairs of texts to scores from 0 to 1; loaded once. Raises LeserError for files that are missing or of another form."""

    def __init__(self, folder: Path, *, max_length: int, device: str, label: int | None) -> None:
        quiet()
        self.folder = folder
        self.device = device_of(device)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
            raise LeserError(
                f"The cross-encoder in {folder} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        if missing := sorted(report["missing_keys"]):  # they would be drawn at random
            raise LeserError(
                f"The cross-encoder in {folder} cannot be used: its weights lack {', '.join(missing[:3])}. Name a model that "
                "was trained to classify pairs."
            )
        self.label = _label(model.config.num_labels, label, folder)
        own = getattr(model.config, "max_position_embeddings", None)
        self.length = min(max_length, own or max_length)
        self._model: Any = model.to(self.device).eval()

    def scores(self, pairs: Sequence[Pair], batch_size: int) -> dict[Pair, float]:
        """The scores of pairs; one on which the model fails, or whose score is not finite, is absent."""
        found: dict[Pair, float] = {}
        failures_in_a_row = 0
        # pairs of like length share a batch, so that little is computed for padding
        order = sorted(pairs, key=lambda pair: len(pair[0]) + len(pair[1]))
        waiting = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        while waiting and failures_in_a_row < MOST_FAILURES_IN_A_ROW:
            part = waiting.pop()
            try:
                values = self._forward(part)
            except (RuntimeError, MemoryError, ValueError, IndexError) as error:
                failures_in_a_row += 1
                if len(part) > 1:  # until the pairs that are to blame stand alone
                    waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
                else:
                    log.warning("The cross-encoder in %s failed: %s: %s", self.folder, type(error).__name__, error)
                continue
            failures_in_a_row = 0
            found |= {pair: value for pair, value in zip(part, values, strict=True) if np.isfinite(value)}
        return found

    @torch.inference_mode()
    def _forward(self, pairs: Sequence[Pair]) -> list[float]:
        read = self._tokenizer(
            [query for query, _ in pairs],
            [document for _, document in pairs],
            padding=True,
            truncation="longest_first",
            max_length=self.length,
            return_tensors="pt",
        )
        logits = self._model(**read.to(self.device)).logits.float()
        chances = logits[:, 0].sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=-1)[:, self.label]
        values: list[float] = chances.cpu().tolist()
        return values


def _label(labels: int, given: int | None, folder: Path) -> int:
    """The label that means relevant; raises LeserError where it is not there, or where nobody says which one it is."""
    if given is None and labels > 2:
        raise LeserError(
            f"The cross-encoder in {folder} has {labels} labels. Say which one means relevant, counted from 0: label=N."
        )
    label = (0 if labels == 1 else 1) if given is None else given
    if label >= labels:
        raise LeserError(f"The cross-encoder in {folder} has {labels} labels, so label={label} is not valid.")
    return label
