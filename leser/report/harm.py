"""What a report says of harm: whom each system hurt, what an oracle gate would reach, and where the policy abstains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from leser.report.numbers import fixed, percent

WIDTH, HEIGHT = 120, 12
ABSTAINING = "leser-sure"


@dataclass(frozen=True, slots=True)
class HarmRow:
    """A system: its figures as leser.evaluation.harm has them, its value in the measure, and its shares as one bar."""

    system: str
    figures: Mapping[str, Any]
    value: float | None
    bar: Markup

    @property
    def missed(self) -> float | None:
        """What it would gain if it expanded only where that helps."""
        return None if self.value is None else float(self.figures["oracle_gate"]) - self.value


def harm_measure(evaluation: Mapping[str, Any]) -> str:
    """The measure that says who is hurt; empty where an evaluation holds nothing of it."""
    return str(evaluation.get("harm", {}).get("measure", ""))


def harm_rows(evaluation: Mapping[str, Any]) -> list[HarmRow]:
    """Every system that is measured beside the original."""
    measure = harm_measure(evaluation)
    systems = evaluation.get("systems", {})
    return [
        HarmRow(name, figures, systems.get(name, {}).get(measure), _shares(figures))
        for name, figures in evaluation.get("harm", {}).get("systems", {}).items()
    ]


def hurt_by_run(evaluations: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any] | None]]]:
    """Each system's figures of harm in each run, for the systems that some run has."""
    tables = [evaluation.get("harm", {}).get("systems", {}) for evaluation in evaluations]
    names = dict.fromkeys(name for table in tables for name in table)
    return [(name, [table.get(name) for table in tables]) for name in names]


def abstaining_said(evaluation: Mapping[str, Any]) -> str:
    """In words, where the abstaining policy expands, what was asked of it on dev, and what came of it on test; else empty."""
    given, hurt = evaluation.get("abstain"), evaluation.get("harm", {}).get("systems", {}).get(ABSTAINING)
    if not given:
        return ""
    asked = f"at most {percent(given['bound'])} of the {given['queries']} dev queries may earn less than the original"
    if given["least"] is None:
        return f"{ABSTAINING} expands no query: {asked}, and no threshold on the policy’s certainty keeps to that with a gain."
    said = (
        f"{ABSTAINING} expands a query where the mean log-probability of the answer’s tokens is {fixed(given['least'])} or more. "
        f"This threshold earned most on dev where {asked}: it expands {percent(given['share_expanded'])} of them and hurts "
        f"{percent(given['share_hurt'])}."
    )
    return said + (_on_test(evaluation, hurt, float(given["bound"])) if hurt else "")


def _on_test(evaluation: Mapping[str, Any], hurt: Mapping[str, Any], bound: float) -> str:
    """Dev's bound is on the reward and promises nothing of other queries, so what it was worth is said."""
    share = float(hurt["share_hurt"])
    kept = "within the bound" if share <= bound else "more than the bound"
    return f" On {evaluation.get('split', 'test')} it hurts {percent(share)}: {kept}."


def _shares(figures: Mapping[str, Any]) -> Markup:
    """Hurt, unchanged and helped as parts of one bar."""
    hurt, helped = float(figures["share_hurt"]), float(figures["share_helped"])
    parts = (("bad", 0.0, hurt), ("good", 1 - helped, helped))
    drawn = "".join(
        f'<rect class="bar {kind}" x="{start * WIDTH:.1f}" y="0" width="{share * WIDTH:.1f}" height="{HEIGHT}"/>'
        for kind, start, share in parts
        if share > 0
    )
    return Markup(  # noqa: S704 - nothing but our own numbers
        f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
        f'<rect class="rest" width="{WIDTH}" height="{HEIGHT}"/>{drawn}</svg>'
    )
