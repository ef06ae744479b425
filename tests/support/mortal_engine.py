"""The memory backend, which is dead for as long as a file is there: the one that the environment variable MORTAL names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from leser_memory import MemoryBackend

from leser.backend import Document, ExpandedQuery, Ranking, SearchError, Transient
from leser.hooks import hookimpl


class Mortal(MemoryBackend):
    """Refuses connections while it is dead."""

    name = "mortal"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        if _dead():
            return [SearchError("connection refused", kind="transient") for _ in queries]
        return super().search(queries, k, total=total)

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        if _dead():
            raise Transient("connection refused")
        return super().fetch(ids, fields)

    def check(self) -> dict[str, object]:
        if _dead():
            raise Transient("connection refused")
        return super().check()


def _dead() -> bool:
    return Path(os.environ["MORTAL"]).exists()


@hookimpl
def leser_backends() -> list[type[MemoryBackend]]:
    return [Mortal]
