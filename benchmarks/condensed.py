"""Evidence as docs/evidence keeps it: one summary per file, read on a few screens in place of thousands of lines.

    python -m benchmarks.condensed docs/evidence/demo-1.json

condenses a file in place; a file that is condensed already stays as it is. Of a run's evaluation it keeps each system's means
of the measures and habits (COLUMNS), what the learned policy gains over every system in the first measure and over HURDLES in
the others, with interval and counts of wins, ties and losses, and per kind of query the means and the gains over HURDLES in
the first measure; of any other evidence, everything but lists of examples. A file with several runs or audited
profiles becomes one file for each.
`full_sha256` is the digest of what was condensed, as canonical JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leser.cli.console import replace_what_cannot_be_shown

WIDTH = 128
LEARNED = "leser"
HURDLES = ("original", "rm3", "warmup", "warmup+")
COLUMNS = ("errors", "zero_results", "parse_errors", "rule_violations", "left_alone", "expansions", "distinct_terms")
"""What is kept of a system beside the measures (docs/evaluation.md says what each is)."""
GAIN = ("delta", "ci95_low", "ci95_high", "wins", "ties", "losses")
"""What the numbers of a gain are, in order."""
EXAMPLES = ("refused_examples", "examples")
PARTS = ("runs", "profiles")


def condensed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of evidence about one run or none; evidence that is a summary already comes back as it is."""
    if "full_sha256" in content:
        return dict(content)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    short = {name: value for name, value in content.items() if name != "runs"}
    short = {**without_examples(short), "full_sha256": digest}
    runs: Mapping[str, Any] = content.get("runs", {})
    if runs:
        short |= {"gain": list(GAIN), "runs": {name: run_summary(run) for name, run in runs.items()}}
    return short


def by_part(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Evidence by file name: itself, or one file per run (or audited profile) where it has several."""
    name = content["name"]
    for kind in PARTS:
        parts = content.get(kind, {})
        if len(parts) > 1 and all(isinstance(part, Mapping) for part in parts.values()):
            named = {part if part.startswith(name) else f"{name}-{part}": part for part in parts}
            return {own: {**content, "name": own, **_only(content, part)} for own, part in named.items()}
    return {name: content}


def _only(content: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Of what evidence has by part, one part's."""
    tables = {kind: content[kind] for kind in (*PARTS, "queries") if isinstance(content.get(kind), Mapping)}
    return {kind: {part: table[part]} for kind, table in tables.items()}


def run_summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings, facts and evaluation."""
    evaluation = run["evaluation"]
    facts = {name: value for name, value in run.items() if name not in ("config", "evaluation")}
    kept = {
        name: value for name, value in evaluation.items() if name not in ("systems", "comparisons", "kinds", "holes")
    }
    measures = list(dict.fromkeys(row["measure"] for row in evaluation["comparisons"]))
    gains = {measure: gained(evaluation["comparisons"], measure, measure == measures[0]) for measure in measures}
    return rounded(
        {
            "config": run["config"],
            **facts,
            **kept,
            **systems_table(evaluation["systems"], measures),
            "leser over": gains,
            "kinds": {name: kind_summary(kind, measures[0]) for name, kind in evaluation.get("kinds", {}).items()},
        }
    )


def systems_table(systems: Mapping[str, Mapping[str, float]], measures: list[str]) -> dict[str, Any]:
    """The means of all systems as a table: its columns, and a row for each system with null where it has no value."""
    columns = [*measures, *COLUMNS]
    return {"columns": columns, "systems": {name: [row.get(c) for c in columns] for name, row in systems.items()}}


def gained(comparisons: list[Mapping[str, Any]], measure: str, everyone: bool) -> dict[str, list[float]]:
    """What the learned policy gains over every system, or over HURDLES, in one measure: numbers in the order of GAIN."""
    return {
        row["baseline"]: [row["delta"], *row["ci95"], row["wins"], row["ties"], row["losses"]]
        for row in comparisons
        if row["system"] == LEARNED and row["measure"] == measure and (everyone or row["baseline"] in HURDLES)
    }


def kind_summary(kind: Mapping[str, Any], measure: str) -> dict[str, Any]:
    """One kind of query: how many, the first measure's mean of each system in the table's order, and the gains."""
    means = [values[measure] for values in kind["systems"].values()]
    return {"queries": kind["queries"], measure: means, "leser over": gained(kind["comparisons"], measure, False)}


def without_examples(value: Any) -> Any:
    """The same without lists of examples."""
    if isinstance(value, Mapping):
        return {name: without_examples(inner) for name, inner in value.items() if name not in EXAMPLES}
    return [without_examples(inner) for inner in value] if isinstance(value, list) else value


def rounded(value: Any) -> Any:
    """The same with fractions rounded to three decimals, or to three digits where they are below a hundredth."""
    if isinstance(value, float):
        return round(value, 3) if abs(value) >= 0.01 else float(f"{value:.3g}")
    if isinstance(value, Mapping):
        return {name: rounded(inner) for name, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def text_of(content: Any) -> str:
    """Content as JSON: what fits on a line stands on one, and short entries fill their lines."""
    return "\n".join(_lines(content, "", "")) + "\n"


def _lines(value: Any, indent: str, before: str) -> Iterator[str]:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or len(indent) + len(before) + len(flat) < WIDTH:
        yield f"{indent}{before}{flat}"
        return
    brackets = "{}" if isinstance(value, dict) else "[]"
    entries = value.items() if isinstance(value, dict) else (("", inner) for inner in value)
    yield f"{indent}{before}{brackets[0]}"
    yield from _filled(list(entries), indent + " ")
    yield f"{indent}{brackets[1]}"


def _filled(entries: list[tuple[str, Any]], indent: str) -> Iterator[str]:
    """The lines of an object's or list's entries; one without an inner object or list shares its line with its neighbours."""
    line = indent
    for number, (name, value) in enumerate(entries):
        last = "" if number == len(entries) - 1 else ","
        before = f"{json.dumps(name, ensure_ascii=False)}: " if name else ""
        inner = list(_lines(value, indent, before))
        piece = inner[0].strip() + last if len(inner) == 1 else None
        if piece is not None and line != indent and len(line) + 1 + len(piece) <= WIDTH:
            line += f" {piece}"
            continue
        if line != indent:
            yield line
        line = indent
        if piece is not None:
            line += piece
        else:
            yield from inner[:-1]
            yield inner[-1] + last
    if line != indent:
        yield line


def write(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write evidence into a folder as one summary per file, named after it, and say which files those are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, part in by_part(content).items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(text_of(condensed(part)), encoding="utf-8")
    return paths


def main() -> None:
    """Condense files in place; one with several runs or profiles is replaced by its parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", type=Path, nargs="+")
    for path in parser.parse_args().files:
        written = write(path.parent, json.loads(path.read_text(encoding="utf-8")))
        if path not in written:
            path.unlink()
        print(*written, sep="\n")


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
