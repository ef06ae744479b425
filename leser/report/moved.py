"""Two rankings of one query side by side: which documents stayed, moved, came and left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from leser.report.answers import ShownHit

ROW = 26
"""Height of a row in pixels; the lines between the lists are drawn to it."""


@dataclass(frozen=True, slots=True)
class MovedHit:
    """A line of a list: `kind` is "up", "down", "same", "new" or "gone", `moved` what stands beside it."""

    rank: int
    title: str
    id: str
    grade: int | None
    kind: str
    moved: str
    said: str

    @property
    def mark(self) -> str:
        """The grade as dots: one each up to three, a number above; a ring where judged not relevant."""
        if self.grade is None:
            return ""
        return "○" if self.grade <= 0 else "●" * self.grade if self.grade <= 3 else f"●{self.grade}"

    @property
    def relevant(self) -> bool:
        """Whether the document is judged relevant."""
        return self.grade is not None and self.grade > 0


def rows_of(hits: Sequence[ShownHit], *, gone: bool) -> list[MovedHit]:
    """A list with where each document went (`gone`: the list before) or where it came from (the list after)."""
    return [_row(rank, hit, hit.other, gone=gone) for rank, hit in enumerate(hits, start=1)]


def links(before: Sequence[MovedHit], after: Sequence[MovedHit]) -> Markup:
    """Lines from each document's place before to its place after, those of relevant documents strong."""
    places = {row.id: row.rank for row in after}
    height = ROW * max(len(before), len(after), 1)
    lines = "".join(
        f'<line class="link{" relevant" if row.relevant else ""}" x1="2" x2="38"'
        f' y1="{ROW * (row.rank - 0.5):g}" y2="{ROW * (places[row.id] - 0.5):g}"/>'
        for row in sorted(before, key=lambda row: row.relevant)
        if row.id in places
    )
    return Markup(  # noqa: S704 - nothing but our own numbers
        f'<svg class="links" viewBox="0 0 40 {height}" width="40" height="{height}" aria-hidden="true">{lines}</svg>'
    )


def _row(rank: int, hit: ShownHit, other: int | None, *, gone: bool) -> MovedHit:
    old, new = (rank, other) if gone else (other, rank)
    if old is None:
        kind, moved, said = "new", "new", "not found before"
    elif new is None:
        kind, moved, said = "gone", "gone", "not found after"
    elif new < old:
        kind, moved, said = "up", f"▲ {old - new}", f"up from {old} to {new}"
    elif new > old:
        kind, moved, said = "down", f"▼ {new - old}", f"down from {old} to {new}"
    else:
        kind, moved, said = "same", "=", f"stays at {old}"
    return MovedHit(rank, hit.title or hit.id, hit.id, hit.grade, kind, moved, said)
