"""What comes out of each profile's serving filter, judged by the tests' naive checker:

    python -m benchmarks.rules_audit --platform FILE [--platform FILE ...] [RUN ...] [--count 100000]

Each profile's filter is built as `leser run --platform FILE` builds it, over the profile's own documents, and meets
  sampled   `count` expansions of policies, with the shop's own queries, with hostile titles, and with hostile queries as well:
            each RUN of that platform before training (policies/base) and after; where no run is of that platform, all of them,
            and the profile's own policy if it is a pretrained one. A pretrained policy, also one named by --pretrained, has
            --pretrained-seconds, for it is slow
  planted   each entry of each list and each limit of its rules broken on purpose, plain and disguised
  clean     its catalogue's own words for its own train queries
tests/naive_checker.py, which shares no code with leser.rules, reads the profile's TOML itself and looks at whatever comes out.

Writes docs/evidence/rules-audit-NAME.json for each profile (--out names another folder), and finished profiles with their
examples in runs/rules-audit, where a second call finds them. Exits with 1 where a violation came out, a rule stopped none,
something planted came out or passed its own rule, or more than 0.5 % of the clean expansions were refused (the rule
`repetition` apart: it stops what adds nothing to a query or to another expansion, and single words drawn at random often do).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.condensed import write
from benchmarks.evidence import ROOT, commit, machine
from benchmarks.rules_sampled import WAYS, Said, load, parts_of, sampled, sources_of
from benchmarks.rules_shop import Shop, open_shop
from leser.cli.console import replace_what_cannot_be_shown
from leser.expansion import NONE, Expansion, ExpansionOptions, Parsed, parse
from leser.options import seed_argument
from leser.rules import RuleBook

sys.path.insert(0, str(ROOT / "tests" / "support"))

from naive_checker import naive_violations
from rule_plants import Plant, planted

MOST_REFUSED = 0.005
SHOWN = 10
MOST_NONE = 20
"""Completions that say "none" for each expansion wanted, after which a policy is given up: it writes too little to audit."""
BEYOND = ("parse_error", "repetition", "vocabulary")
"""Refusals that the naive checker knows too little of to call them wrong."""


@dataclass(slots=True)
class Tally:
    """What became of one origin's expansions."""

    asked: int = 0
    none: int = 0
    distinct: set[tuple[str, str]] = field(default_factory=set)
    let_out: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    clean: int = 0
    clean_refused: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "expansions": self.asked,
            "completions_without_one": self.none,
            "distinct_with_their_query": len(self.distinct),
            "let_out": self.let_out,
            "refused": dict(self.refused.most_common()),
            "violations": len(self.violations),
            **({"violating": self.violations[:SHOWN]} if self.violations else {}),
            "plain_and_naively_clean": self.clean,
            "of_these_refused": len(self.clean_refused),
            **({"refused_examples": self.clean_refused[:SHOWN]} if self.clean_refused else {}),
        }


def wrong_in(shop: Shop, query: str, served: Sequence[Expansion]) -> list[str]:
    """What the naive checker finds in expansions that came out."""
    found = naive_violations(query, [e.text for e in served], shop.forbidden, [e.weight for e in served])
    return [f"{query} -> {[e.text for e in served]}: {wrong}" for wrong in found]


def audit_sampled(shop: Shop, said: Iterator[Said], count: int) -> Tally:
    """Filter completions until `count` expansions were asked about."""
    tally = Tally()
    limits = shop.config.expansion.model_copy(update={"reasoning": False})
    most_words = min(limits.max_words, shop.forbidden.most_words)
    for query, text, finished in said:
        if text.strip().casefold() == NONE:  # a valid answer, and nothing to filter
            tally.none += 1
            if tally.none >= MOST_NONE * count:
                break
            continue
        parts = [_read(part, limits) for part in parts_of(text, most_words)]
        looked_at: set[tuple[Expansion, ...]] = {()}
        for first in range(0, len(parts), limits.max_expansions):
            some = parts[first : first + limits.max_expansions]
            out = shop.serving(query, some)
            tally.asked += len(some)
            tally.distinct.update((query, expansion.text) for expansion in some)
            tally.let_out += len(out.expansions)
            tally.refused.update(refused.code for refused in out.refused)
            tally.violations += wrong_in(shop, query, out.expansions)
            looked_at.add(out.expansions)
            for refused in out.refused:
                _look_again(tally, shop, query, refused.expansion, refused.code)
        whole = shop.serving.completion(query, text, finished=finished).expansions
        tally.violations += wrong_in(shop, query, whole) if whole not in looked_at else []
        if tally.asked >= count:
            break
    tally.clean += tally.let_out
    return tally


def _read(part: str, limits: ExpansionOptions) -> Expansion:
    """The expansion with its weight, where it is readable by itself; else its bare text, which the filter must refuse."""
    parsed = parse(part, limits)
    return parsed.expansions[0] if isinstance(parsed, Parsed) and parsed.expansions else Expansion(part)


def _look_again(tally: Tally, shop: Shop, query: str, expansion: Expansion, code: str) -> None:
    """Note an expansion that is refused by itself though the naive checker finds nothing; noise is nobody's clean text."""
    plain = expansion.text.replace(" ", "").isalnum()
    if code in BEYOND or not plain or naive_violations(query, [expansion.text], shop.forbidden, [0.0]):
        return
    for refused in shop.serving(query, [expansion]).refused:
        if refused.code not in BEYOND:
            tally.clean += 1
            tally.clean_refused.append(f"{query} -> {refused.reason}")


def audit_planted(shop: Shop, rule: str, alone: RuleBook, plants: Sequence[Plant]) -> dict[str, Any]:
    """Filter what was planted against one rule, and ask that rule by itself too."""
    stopped_by: Counter[str] = Counter()
    came_out, passed, violations = [], [], []
    for plant in plants:
        given = [Expansion(text, plant.weight) for text in plant.texts]
        out = shop.serving(plant.query, given)
        violations += wrong_in(shop, plant.query, out.expansions)
        if plant.came_out([e.text for e in out.expansions]):
            came_out.append(f"{plant.query} -> {plant.texts}")
        else:
            at_fault = [r.code for r in out.refused if plant.at is None or r.expansion.text == plant.texts[plant.at]]
            stopped_by[at_fault[0]] += 1
        found = alone.check(plant.query, given)
        if found is None or found.code != rule:
            passed.append(f"{plant.query} -> {plant.texts}: {found}")
    return {
        "planted": len(plants),
        "stopped_by": dict(stopped_by.most_common()),
        "came_out": len(came_out),
        "passed_this_rule_alone": len(passed),
        "violations": len(violations),
        **({"examples": [*came_out, *passed, *violations][:SHOWN]} if came_out or passed or violations else {}),
    }


def audit_clean(shop: Shop) -> dict[str, Any]:
    """Filter the catalogue's own words, each by itself."""
    refused = [(query, text, r) for query, text in shop.clean for r in shop.serving(query, [Expansion(text)]).refused]
    counted = [f"{query} -> {text}: {r.code}: {r.reason}" for query, text, r in refused if r.code != "repetition"]
    return {
        "expansions": len(shop.clean),
        "left_out_as_not_clean": dict(shop.unclean.most_common()),
        "refused_by_repetition": len(refused) - len(counted),
        "refused": len(counted),
        "refused_share": round(len(counted) / len(shop.clean), 5),
        **({"refused_examples": counted[:SHOWN]} if counted else {}),
    }


def audit_shop(shop: Shop, runs: Sequence[Path], chosen: argparse.Namespace) -> dict[str, Any]:
    """The whole audit of one profile."""
    started = time.monotonic()
    origins: dict[str, Tally] = {}
    sources = sources_of(shop, runs, chosen.pretrained)
    for number, source in enumerate(sources):
        policy = load(shop, source)
        for way in WAYS:
            limit = chosen.pretrained_seconds / len(WAYS) if source.pretrained else float("inf")
            said = sampled(shop, policy, way, chosen.seed, chosen.temperature, limit)
            left = len(WAYS) * (len(sources) - number) - WAYS.index(way)
            share = -(-(chosen.count - sum(tally.asked for tally in origins.values())) // left)
            tally = origins[f"{source.name}: {way}"] = audit_sampled(shop, said, share)
            print(f"{shop.name}: {source.name}: {way}: {tally.row()}", file=sys.stderr, flush=True)
    plants = {
        rule: audit_planted(
            shop, rule, shop.alone(rule), planted(rule, shop.forbidden, shop.clean, random.Random(chosen.seed))
        )
        for rule in shop.serving.book.codes
    }
    stopped = Counter(code for row in plants.values() for code in Counter(row["stopped_by"]).elements())
    stopped.update(code for tally in origins.values() for code in tally.refused.elements())
    rows = [*(tally.row() for tally in origins.values()), *plants.values()]
    return {
        "locale": shop.config.rules.locale,
        "engine": {**shop.session.facts, "analysis": shop.config.backend.options["analysis"]},
        "sampled_expansions": sum(tally.asked for tally in origins.values()),
        "sampled_let_out": sum(tally.let_out for tally in origins.values()),
        "planted_expansions": sum(row["planted"] for row in plants.values()),
        "violations": sum(row["violations"] for row in rows),
        "stopped_by_rule": {rule: stopped[rule] for rule in shop.serving.book.codes},
        "stopped_unreadable": stopped["parse_error"],
        "clean": audit_clean(shop),
        "sampled": {name: tally.row() for name, tally in origins.items()},
        "planted": plants,
        "seconds": round(time.monotonic() - started),
    }


def faults_of(name: str, result: dict[str, Any], count: int) -> list[str]:
    """Why an audit failed, in words."""
    found = [f"{name}: {result['violations']} violations came out"] if result["violations"] else []
    found += [f"{name}: the rule {rule} stopped nothing" for rule, n in result["stopped_by_rule"].items() if not n]
    for rule, row in result["planted"].items():
        if row["came_out"] or row["passed_this_rule_alone"]:
            found.append(f"{name}: of what was planted against {rule} some came out or passed it: {row['examples']}")
    if result["clean"]["refused_share"] > MOST_REFUSED:
        found.append(f"{name}: {result['clean']['refused_share']:.2%} of the clean expansions were refused")
    if result["sampled_expansions"] < count:
        found.append(f"{name}: only {result['sampled_expansions']} sampled expansions, {count} were asked for")
    return found


def fingerprint(path: Path, runs: Sequence[Path], chosen: argparse.Namespace) -> str:
    """Of everything a profile's result follows from: a result is taken up again only where nothing of it has changed."""
    code = ("leser/rules/*.py", "tests/naive_*.py", "tests/rule_*.py", "benchmarks/rules_[as]*.py")
    sources = [*chain(*map(ROOT.glob, code)), *path.parent.glob("*.toml"), *(run / "config.toml" for run in runs)]
    trained = [(run / "policy").stat().st_mtime_ns for run in runs]
    told = (path.name, chosen.count, chosen.seed, chosen.temperature, chosen.clean, chosen.pretrained, trained)
    digest = hashlib.sha256(repr(told).encode())
    for file in sorted(sources):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def finished(path: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """A profile's result: the one that an earlier call has finished, or a new one."""
    kept = ROOT / "runs" / "rules-audit" / f"{path.stem}.json"
    mark = fingerprint(path, chosen.runs, chosen)
    if kept.exists() and (known := json.loads(kept.read_text(encoding="utf-8")))["fingerprint"] == mark:
        return known["result"]
    shop = open_shop(path, chosen.clean, chosen.seed)
    try:
        result = {"commit": commit(), **audit_shop(shop, chosen.runs, chosen)}
    finally:
        shop.session.client.close()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"fingerprint": mark, "result": result}, ensure_ascii=False), encoding="utf-8")
    return result


def main() -> None:
    """Audit, write and print; exit code 1 when anything failed."""
    parser = argparse.ArgumentParser(description="Expansions through the serving filter, judged by the naive checker.")
    parser.add_argument(
        "runs", nargs="*", type=Path, help="run folders, each with its config.toml, policies/base and policy"
    )
    parser.add_argument("--platform", type=Path, action="append", required=True, help="a profile; may be repeated")
    parser.add_argument("--count", type=int, default=100_000, help="sampled expansions a profile")
    parser.add_argument("--clean", type=int, default=3000, help="clean expansions a profile")
    parser.add_argument("--temperature", type=float, default=1.2)
    parser.add_argument(
        "--pretrained", action="append", default=[], help="a pretrained policy to ask too, e.g. smollm2"
    )
    parser.add_argument("--pretrained-seconds", type=float, default=480, help="time for a pretrained policy")
    parser.add_argument("--seed", type=seed_argument, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "evidence", help="folder for a file per profile")
    chosen = parser.parse_args()
    profiles = {path.stem: finished(path, chosen) for path in chosen.platform}
    faults = [fault for name, result in profiles.items() for fault in faults_of(name, result, chosen.count)]
    content = {
        "name": "rules-audit",
        "commit": commit(),
        "machine": machine(),
        "settings": {"count": chosen.count, "temperature": chosen.temperature, "seed": chosen.seed},
        "faults": faults,
        "profiles": profiles,
    }
    write(chosen.out, content)
    for name, result in profiles.items():
        print(name, json.dumps({key: value for key, value in result.items() if key not in ("sampled", "planted")}))
    print("\n".join(faults) or "No fault.", file=sys.stderr)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
