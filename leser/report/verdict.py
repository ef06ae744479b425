"""One sentence of what was learned, honest also when nothing was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leser.evaluation.evaluate import IDEAL, ORIGINAL, POLICY
from leser.report.holes import disagreement, judge_next
from leser.report.numbers import signed


def verdict(evaluation: Mapping[str, Any], measure: str, policy: str = POLICY, original: str = ORIGINAL) -> str:
    """What the policy gained on the evaluated split in `measure`, against the original query and against everyone else.

    "Better" and "worse" are said only where the 95 % interval leaves 0 out. Where that depends on how documents without a
    judgment are counted, a second sentence says so, and where nothing is judged.
    """
    said = (_gained(evaluation, measure, policy, original), _unjudged(evaluation, measure), disagreement(evaluation))
    return " ".join(filter(None, said))


def _unjudged(evaluation: Mapping[str, Any], measure: str) -> str:
    """Where nothing is judged: whose word the measure is."""
    if evaluation.get("judged_queries") != 0:
        return ""
    return f"None of these queries is judged: {measure} is a judge’s word, and people may say otherwise.{judge_next(evaluation)}"


def _gained(evaluation: Mapping[str, Any], measure: str, policy: str, original: str) -> str:
    systems = evaluation.get("systems", {})
    where = f"{evaluation.get('queries', 0)} {evaluation.get('split', '')} queries"
    if policy not in systems:
        return f"No learned policy was evaluated: the {where} compare baselines only."
    compared = {
        row["baseline"]: row
        for row in evaluation.get("comparisons", [])
        if row["system"] == policy and row["measure"] == measure
    }
    against = compared.get(original)
    if against is None:
        return f"On {where} the policy reaches {measure} {systems[policy].get(measure, float('nan')):.3f}."
    low, high = against["ci95"]
    if against.get("wins") == against.get("losses") == 0:
        value = systems[policy][measure]
        return f"Nothing was learned that shows: on {where} the policy changes no query’s {measure}, which stays {value:.3f}."
    change = (
        f"{measure} {systems[original][measure]:.3f} → {systems[policy][measure]:.3f}"
        f" ({signed(against['delta'])}, 95 % interval {signed(low)} to {signed(high)})"
    )
    others = {name: row for name, row in compared.items() if name not in (original, IDEAL)}
    if IDEAL in systems and measure in systems[IDEAL]:
        change += f", where ideal expansions reach {systems[IDEAL][measure]:.3f}"
    if low > 0:
        return f"The policy learned to expand: on {where} it beats the original queries, {change}{_beside(others)}."
    if high < 0:
        return f"The policy does harm: on {where} it is worse than the original queries, {change}{_beside(others)}."
    return f"Nothing was learned that shows: on {where} the interval holds 0, {change}{_beside(others)}."


def _beside(others: Mapping[str, Mapping[str, Any]]) -> str:
    groups = {
        "better than": [name for name, row in others.items() if row["ci95"][0] > 0],
        "not distinguishable from": [name for name, row in others.items() if row["ci95"][0] <= 0 <= row["ci95"][1]],
        "worse than": [name for name, row in others.items() if row["ci95"][1] < 0],
    }
    said = [f"{words} {_listed(names)}" for words, names in groups.items() if names]
    return f"; it is {', '.join(said)}" if said else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
