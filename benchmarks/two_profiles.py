"""One policy taught under two profiles: do the two end where each profile points? `python -m benchmarks.two_profiles A B`.

A and B are finished runs that started from the same policy and ask the same queries of the same index, each under its own
profile's rewards and rules (examples/platforms/us-browse.toml and us-exact.toml). Both policies, and the one they started
from under either profile, answer every test query greedily, served as the profile's rules let it. For every measure and
habit: the means, and A minus B, query by query, with a 95 % bootstrap interval, wins, ties and losses. Habits:
  expansions      expansions served for a query
  foreign_brand   1 where an expansion is served that names a brand of the shop which the query does not name
And of the completions sampled in the first and the last file of rollouts: how many name a foreign brand, how many of those
a rule stopped.

Writes docs/evidence/two-profiles.json and docs/two-profiles.svg.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.condensed import write
from benchmarks.evidence import ROOT, commit, machine, versions
from leser.cli.console import replace_what_cannot_be_shown
from leser.errors import LeserError
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import Paired, paired
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, Expansion
from leser.report.scale import ticks
from leser.task import Query

HABITS = ("expansions", "foreign_brand")
_WORD = re.compile(r"\w+")
Values = dict[str, dict[str, float]]
"""A measure's or habit's name to its value by query id."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run's policy answered on test: its profile's name, its rewards, and every query's values.

    `begun` is the policy that the run started from, `brands` those of the shop's documents that were found.
    """

    profile: str
    rewards: tuple[str, ...]
    begun: str
    brands: set[str]
    queries: tuple[str, ...]
    values: Values


def ask(path: Path, start: bool = False) -> Asked:
    """Ask the policy that a run keeps, or the one it started from, about the run's test queries."""
    from leser.inspect.opening import configured, open_folder, open_sampler
    from leser.policy.loading import load_policy
    from leser.run.final_evaluation import DEPTH, policy_run
    from leser.session import open_session

    folder = open_folder(path)
    config, registry = configured(folder)
    with open_session(config, registry) as session:
        test = session.task.test
        sampler = open_sampler(folder, session)
        if start:
            sampler.policy = load_policy(config.policy)
        run = policy_run("policy", sampler.answer(test, depth=DEPTH))
        found = session.client.fetch(
            [id for hits in run.rankings.values() for id in getattr(hits, "ids", ())], ["brand"]
        )
        brands = {document.fields["brand"].casefold() for document in found.values() if document.fields.get("brand")}
        measured = Measurer(test, config.evaluation.measures, registry.all("reward"))(run)
    habits = habits_of(run, test.queries, brands)
    return Asked(
        profile=config.platform.name or path.name,
        rewards=config.rewards.weights,
        begun=config.policy.name,
        brands=brands,
        queries=tuple(q.id for q in test.queries),
        values=measured | habits,
    )


def habits_of(run: SystemRun, queries: Sequence[Query], brands: set[str]) -> Values:
    """How many expansions were served for each query, and whether one names a brand that the query does not."""
    return {
        "expansions": {q.id: float(len(run.expansions[q.id])) for q in queries},
        "foreign_brand": {q.id: float(names_foreign(q.text, run.expansions[q.id], brands)) for q in queries},
    }


def names_foreign(query: str, expansions: Sequence[Expansion], brands: set[str]) -> bool:
    """Whether an expansion holds a brand, as a word of its own, that the query does not hold."""
    asked = set(_WORD.findall(query.casefold()))
    said = {word for expansion in expansions for word in _WORD.findall(expansion.text.casefold())}
    return bool((said & brands) - asked)


def brands_in_training(path: Path, brands: set[str]) -> list[dict[str, int]]:
    """Of the first and the last file of a run's rollouts: completions, those with a foreign brand, those a rule stopped."""
    files = sorted((path / "rollouts").glob("*.parquet"))
    found = []
    for file in (files[0], files[-1]):
        rows = pq.read_table(file, columns=["step", "query", "completion", "code"]).to_pylist()
        foreign = [row for row in rows if names_foreign(row["query"], [Expansion(row["completion"])], brands)]
        found.append(
            {
                "last_update": max(row["step"] for row in rows),
                "completions": len(rows),
                "foreign_brand": len(foreign),
                "of_these_stopped": sum(row["code"] == Code.RULE_VIOLATION.value for row in foreign),
            }
        )
    return found


def compare(first: Values, second: Values, queries: Sequence[str], seed: int = 0) -> dict[str, Paired]:
    """First minus second in everything both know, over the queries that it applies to."""
    rows = {}
    for name in first:
        kept = [id for id in queries if id in first[name] and id in second[name]]
        column = np.array([[first[name][id] - second[name][id]] for id in kept])
        rows[name] = paired(column, seed=seed)[0]
    return rows


def row_of(name: str, result: Paired, means: Mapping[str, float]) -> dict[str, Any]:
    """A row of the table."""
    return {
        "what": name,
        **{who: round(value, 4) for who, value in means.items()},
        "difference": round(result.delta, 4),
        "ci95": [round(value, 4) for value in result.ci95],
        "p": round(result.p, 5),
        "wins": result.wins,
        "ties": result.ties,
        "losses": result.losses,
    }


def measure(first: Path, second: Path) -> dict[str, Any]:
    """Both runs and their start, as JSON; raises LeserError where the runs did not start and ask alike."""
    a, b = ask(first), ask(second)
    if a.queries != b.queries or a.begun != b.begun:
        raise LeserError(f"{first} and {second} did not start from one policy, or were asked different test queries.")
    starts = {a.profile: ask(first, start=True), b.profile: ask(second, start=True)}
    columns = {f"start under {name}": start for name, start in starts.items()} | {a.profile: a, b.profile: b}
    means = {
        name: {who: float(np.mean(list(asked.values[name].values()))) for who, asked in columns.items()}
        for name in a.values
    }
    rows = [row_of(name, result, means[name]) for name, result in compare(a.values, b.values, a.queries).items()]
    return {
        "name": "two-profiles",
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "profiles": {asked.profile: list(asked.rewards) for asked in (a, b)},
        "queries": len(a.queries),
        "difference": f"{a.profile} minus {b.profile}",
        "rows": rows,
        "each_over_start": {
            asked.profile: [
                row_of(name, result, {})
                for name, result in compare(asked.values, starts[asked.profile].values, a.queries).items()
            ]
            for asked in (a, b)
        },
        "brands_in_training": {
            asked.profile: brands_in_training(path, asked.brands) for asked, path in ((a, first), (b, second))
        },
    }


def drawing(found: Mapping[str, Any]) -> str:
    """The differences of all shares (counts left out) with their intervals, as an SVG that is readable on light and dark."""
    a, b = found["profiles"]
    rows = [row for row in found["rows"] if row["what"] != "expansions"]
    marks = ticks(min(0.0, *(row["ci95"][0] for row in rows)), max(0.0, *(row["ci95"][1] for row in rows)))
    width, left, step, top = 640, 150, 30, 46
    height = top + step * len(rows) + 30

    def x(value: float) -> float:
        return left + (value - marks[0]) / (marks[-1] - marks[0]) * (width - left - 30)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        "<style>text{fill:#24292f}.g{stroke:#d0d7de}.z{stroke:#57606a}.i{stroke:#0a6c5b}.d{fill:#0a6c5b}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}.z{stroke:#8b949e}.i{stroke:#4fc3a1}"
        ".d{fill:#4fc3a1}}</style>",
        f"<title>One policy taught under two profiles: {escape(a)} minus {escape(b)}</title>",
        f'<text x="{x(0) - 8:.0f}" y="18" text-anchor="end">more with {escape(b)}</text>',
        f'<text x="{x(0) + 8:.0f}" y="18">more with {escape(a)}</text>',
    ]
    for mark in marks:
        signed = f"{mark:+.2g}".replace("-", "−") if mark else "0"
        parts.append(
            f'<line class="{"z" if mark == 0 else "g"}" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="28" y2="{height - 26}"/>'
        )
        parts.append(f'<text x="{x(mark):.1f}" y="{height - 8}" text-anchor="middle">{signed}</text>')
    for number, row in enumerate(rows):
        y = top + step * number
        low, high = row["ci95"]
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(row["what"].replace("_", " "))}</text>'
        )
        parts.append(f'<line class="i" stroke-width="3" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="d" cx="{x(row["difference"]):.1f}" cy="{y}" r="5"/>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Measure, write both files, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    given = parser.parse_args()
    found = measure(given.first, given.second)
    write(ROOT / "docs" / "evidence", found)
    (ROOT / "docs" / "two-profiles.svg").write_text(drawing(found), encoding="utf-8")
    for row in found["rows"]:
        print(row)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
