"""Judges of pairs: a score for a query and a document's text, kept on disk by model, query and text, and never asked twice.

The scores of a model lie in one SQLite file, which several processes may use at once. It is bounded: beyond `most` pairs the
oldest are dropped. What fails has no score and is not kept.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import platformdirs
from pydantic import BeforeValidator, Field

from leser.backend import Document
from leser.errors import LeserError
from leser.options import Options
from leser.reward import Outcome, Reward
from leser.similarity import discounted_mean
from leser_judges.documents import text_of
from leser_judges.options import one_or_more

log = logging.getLogger(__name__)
Pair = tuple[str, str]
"""A query and a document's text."""
_DIGITS = 6
"""Decimals of a score that are kept: what a model computes differs in the last ones with the batch it is computed in."""
_ASKED_AT_ONCE = 500
_MOST_SEEN = 1_000_000


class PairOptions(Options):
    """What a judge of pairs reads of a document, and where its scores are kept."""

    fields: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        ("title",), min_length=1, description="document fields that are read, joined in this order"
    )
    cache: Path | None = Field(None, description="folder for scores; none: `leser/judges` in the user's cache")
    cache_pairs: int = Field(5_000_000, ge=1, description="pairs kept at most for a model; the oldest are dropped")


class PairScores:
    """Scores of one model on disk, 0 to 1 each."""

    def __init__(self, path: Path, most: int) -> None:
        self.path, self.most = path, most
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as base, base:  # closed, and one transaction
                base.execute("PRAGMA journal_mode=WAL")
                base.execute("CREATE TABLE IF NOT EXISTS scores (pair BLOB UNIQUE, score REAL)")
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    @classmethod
    def of(cls, options: PairOptions, name: str, fingerprint: str) -> PairScores:
        """The scores of the model with this fingerprint, in the folder that options name."""
        base = options.cache.expanduser() if options.cache else platformdirs.user_cache_path("leser") / "judges"
        return cls(base / f"{name}-{fingerprint[:16]}.sqlite", options.cache_pairs)

    def read(self, pairs: Sequence[Pair]) -> dict[Pair, float]:
        """The scores there are."""
        keys = {_key(pair): pair for pair in pairs}
        found: dict[Pair, float] = {}
        try:
            with self._open() as base:
                for part in _parts(list(keys)):
                    marks = ",".join("?" * len(part))
                    rows = base.execute(f"SELECT pair, score FROM scores WHERE pair IN ({marks})", part)  # noqa: S608
                    found |= {keys[key]: score for key, score in rows}
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def add(self, scores: dict[Pair, float]) -> None:
        """Keep scores; those that another process has kept meanwhile stay as they are."""
        try:
            with self._open() as base, base:
                rows = [(_key(pair), score) for pair, score in scores.items()]
                base.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)
                base.execute("DELETE FROM scores WHERE rowid <= (SELECT MAX(rowid) FROM scores) - ?", (self.most,))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, timeout=60))

    def _unusable(self, error: Exception) -> LeserError:
        return LeserError(
            f"A judge's scores cannot be kept in {self.path}: {error}. Name a folder with space that can be written, in the "
            "reward's option `cache`, or delete the file."
        )


class PairJudge(Reward):
    """What judges of pairs share: each document of the top k judged by itself, under DCG's discount."""

    Options = PairOptions
    options: PairOptions

    @cached_property
    @abstractmethod
    def scores(self) -> PairScores:
        """Where this judge's scores are kept; raises LeserError where the judge cannot be used."""

    @abstractmethod
    def judge(self, pairs: Sequence[Pair]) -> Iterable[dict[Pair, float]]:
        """Scores from 0 to 1 of these pairs, some at a time, so that they can be kept; a pair that fails is absent."""

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The discounted mean of each ranking's scores; None for all of a group in which a pair has none."""
        if not outcomes:
            return []
        wanted = [self._pairs(outcome) for outcome in outcomes]
        known = self._known([pair for row in wanted for pair in row if pair is not None])
        failed = {
            _group(o)
            for o, row in zip(outcomes, wanted, strict=True)
            if any(p is not None and p not in known for p in row)
        }
        values = np.zeros((len(outcomes), self.depth))
        for number, row in enumerate(wanted):
            values[number, : len(row)] = [0.0 if pair is None else known.get(pair, 0.0) for pair in row]
        means = discounted_mean(values, self.depth).tolist()
        return [None if _group(o) in failed else min(value, 1.0) for o, value in zip(outcomes, means, strict=True)]

    def text(self, document: Document) -> str:
        """What the judge reads of a document; empty where there is nothing to read."""
        return text_of(document, self.fields)

    def _pairs(self, outcome: Outcome) -> list[Pair | None]:
        """The query with each of the top k documents; None for one without text."""
        top = outcome.expanded.top(self.depth) if outcome.expanded else ()
        documents = [outcome.documents.get(id) for id in top]
        texts = [self.text(document) if document else "" for document in documents]
        return [(outcome.query.text, text) if text else None for text in texts]

    def _known(self, pairs: Sequence[Pair]) -> dict[Pair, float]:
        """Scores of these pairs: those seen or on disk, and the judge's answers for the others."""
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._seen]
        if new:
            self._seen |= self.scores.read(new)
        missing = [pair for pair in new if pair not in self._seen]
        for part in self.judge(missing) if missing else ():
            rounded = {pair: round(score, _DIGITS) for pair, score in part.items()}
            self.scores.add(rounded)
            self._seen |= rounded
        lost = [pair for pair in missing if pair not in self._seen]
        if lost:
            said = (self.name, len(lost), len(missing), lost[0][0][:80])
            log.warning("%s has no score for %d of %d new pairs, e.g. of the query '%s'.", *said)
        return self._seen

    @cached_property
    def _seen(self) -> dict[Pair, float]:
        return {}


def _parts(keys: list[bytes]) -> Iterable[list[bytes]]:
    return (keys[start : start + _ASKED_AT_ONCE] for start in range(0, len(keys), _ASKED_AT_ONCE))


def _key(pair: Pair) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for text in pair:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.digest()


def _group(outcome: Outcome) -> tuple[str, int]:
    return outcome.query.id, outcome.group
