"""The journal of a job: whole blocks of answers, each on disk before the next begins, so that a kill loses one block at most.

line 1       the settings; a resume must find them unchanged
then         one line per query; the last of a block says so, and lines after the last whole block are cut off
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.files import write_atomically
from leser.verified.journal import Journal

ENDING = ".precompute.jsonl"
QUERIES = "queries"
"""The setting that holds a digest of the list of queries."""
_NO_NAME = re.compile(r"[^\w.]+")


def journal_of(address: str, place: str) -> Path:
    """A job's journal: beside a store that is a file; in this folder, under the store's address, for one elsewhere."""
    if "://" in place:
        return Path(_NO_NAME.sub("-", address) + ENDING)
    return Path(place).with_name(Path(place).name + ENDING)


class BlockJournal:
    """Rows by query key. `begin` reads what an earlier job wrote, or starts anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal = Journal(path)

    def begin(self, settings: Mapping[str, Any], *, resume: bool) -> list[dict[str, Any]]:
        """The rows of whole blocks. Raises LeserError for a journal that is not to be resumed, or of another job.

        A list of queries that has changed meanwhile is no other job: what was found for a query holds beside any others.
        """
        wanted = json.loads(json.dumps(settings))
        if self.path.exists() and not resume:
            raise LeserError(
                f"A job that was not finished has left {self.path}. Continue it with --resume, or delete the file to begin anew."
            )
        rows = self._journal.rows()
        if not rows:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._journal.append([{"settings": wanted}])
            return []
        before = rows[0].get("settings", {})
        changed = sorted(name for name in before.keys() | wanted.keys() if before.get(name) != wanted.get(name))
        if changed and changed != [QUERIES]:
            raise LeserError(
                f"{self.path} is of a job with other settings: {', '.join(changed)} differ. Run that job to its end with the "
                "same settings, or delete the file to begin anew."
            )
        whole = max((number for number, row in enumerate(rows) if row.get("end")), default=0) + 1
        if whole < len(rows) or changed:
            kept = [{"settings": wanted}, *rows[1:whole]]
            write_atomically(self.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        return rows[1:whole]

    def append(self, block: Sequence[Mapping[str, Any]]) -> None:
        """One whole block, on disk when this returns."""
        self._journal.append([*block[:-1], {**block[-1], "end": True}])

    def done(self) -> None:
        """The job's answers are in the store: the journal goes."""
        self.path.unlink(missing_ok=True)
