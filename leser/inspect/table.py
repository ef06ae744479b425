"""EvaluationTable: systems by measures, as a mapping, as text, as HTML and as pandas' data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.evaluation.evaluate import POLICY
from leser.report.systems import measures_of

if TYPE_CHECKING:
    import pandas


class EvaluationTable(Mapping[str, Mapping[str, float]]):
    """What evaluation.json holds: `table["leser"]["nDCG@10"]`; shown with the policy's gain over each system.

    `content` is all of it, comparisons and kinds of queries included.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.measures: tuple[str, ...] = tuple(measures_of(content))

    def __getitem__(self, system: str) -> Mapping[str, float]:
        figures: Mapping[str, float] = self.content["systems"][system]
        return figures

    def __iter__(self) -> Iterator[str]:
        return iter(self.content["systems"])

    def __len__(self) -> int:
        return len(self.content["systems"])

    def gain(self, system: str, measure: str | None = None) -> tuple[float, float, float] | None:
        """The policy's gain over a system and its 95 % interval: (difference, low, high); None where none was measured."""
        wanted = (POLICY, system, measure or self.measures[0])
        for row in self.content["comparisons"]:
            if (row["system"], row["baseline"], row["measure"]) == wanted:
                return (row["delta"], *row["ci95"])
        return None

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame: a row per system, a column per measure, then the gain in the first measure with its interval."""
        try:
            import pandas
        except ImportError as error:
            raise LeserError("A data frame needs pandas. Install it with: pip install pandas") from error
        rows = []
        for system in self:
            gain = dict(zip(("gain", "low", "high"), self.gain(system) or (), strict=False))
            rows.append({"system": system, **{m: self[system].get(m) for m in self.measures}, **gain})
        return pandas.DataFrame(rows).set_index("system")

    def _rows(self) -> Iterator[list[str]]:
        """The table as text: the head first."""
        yield [
            "system",
            *self.measures,
            f"leser's gain in {self.measures[0]}" if self.measures else "",
            "95 % interval",
        ]
        for system in self:
            figures = [f"{self[system][m]:.3f}" if m in self[system] else "" for m in self.measures]
            gain = self.gain(system) if self.measures else None
            compared = [f"{gain[0]:+.3f}", f"[{gain[1]:+.3f}, {gain[2]:+.3f}]"] if gain else ["", ""]
            yield [system, *figures, *compared]

    def __repr__(self) -> str:
        rows = list(self._rows())
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _repr_html_(self) -> str:
        head, *body = ([escape(cell) for cell in row] for row in self._rows())
        lines = ["<table><thead><tr>", *(f"<th>{cell}</th>" for cell in head), "</tr></thead><tbody>"]
        lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in body]
        return "".join([*lines, "</tbody></table>"])
