"""A shop on the memory engine that a sentence encoder judges, for baselines that compare documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from leser_judges import EncoderSimilarity
from leser_memory import MemoryBackend

from leser.backend import Document
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Task


def encoder_context(task: Task, documents: Sequence[Document], cache: Path) -> Iterator[BaselineContext]:
    """What a baseline is fitted with, its engine open until the test ends; vectors are kept in `cache`."""
    reward = EncoderSimilarity(parse_spec(f"encoder(cache={str(cache)!r})@10"))
    with SearchClient(MemoryBackend.of(documents)) as client:
        yield BaselineContext(client, task, RewardSet([reward], [1.0]), k=10)
