"""Targets out of verified search: made in the run, or read from a file that was made before, on another machine perhaps.

Verified search is judged by whatever rewards there are, so these targets need no judgments. A query has several: its best
set of terms and the best of other lengths, in the order of their worth, so that a policy sees one term and many. Terms stand
in one order everywhere, those first that are given for most queries: a set has no order, and a policy that sees both "sofa;
teak" and "teak; sofa" learns to repeat itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions, ParseError, parse, render
from leser.formats.files import bad_line, json_lines, text_of
from leser.precompute import sources_of
from leser.task import Query, Split, Task, drawn
from leser.text import content_stems
from leser.verified.options import VerifiedOptions
from leser.verified.result import VerifiedAnswer
from leser.verified.search import VerifiedSearch
from leser.verified.writing import write_expansions
from leser.warmup.options import WarmupOptions
from leser.warmup.targets import Target

Row = tuple[str, str, float]
"""Query id, completion, and by how much the judge's score rose; 0 for "none"."""


def searched_targets(
    environment: Environment, task: Task, options: WarmupOptions, verified: VerifiedOptions, seed: int, path: Path
) -> list[Target]:
    """Search for expansions of (up to `max_queries` of) the train queries, and make targets of them.

    `path` keeps what was found, line by line: a search that was killed goes on there. Raises LeserError where it was begun
    with other settings, EngineDown once the engine stops answering.
    """
    queries = drawn(task.train.queries, options.max_queries, seed)
    sources = sources_of(environment, verified, task)
    search = VerifiedSearch(environment, queries, verified, sources, task.train, seed)
    write_expansions(search, path, resume=True)
    return read_target_file(path, task.train, options, environment.expansion)


def read_target_file(path: Path, split: Split, options: WarmupOptions, expansion: ExpansionOptions) -> list[Target]:
    """Targets of the split's queries out of a file of `leser search-expansions` or a run's targets.jsonl.

    Rows of queries that the split does not hold are passed over. Raises LeserError naming file and line for a row that
    cannot be read or whose text is not the split's, and where no query of the split has a target, or `min_alike` leaves none.
    """
    queries = {query.id: query for query in split.queries}
    found: list[Row] = []
    for number, row in json_lines(path):
        query = queries.get(text_of(row, "query_id", path, number))
        if query is not None:
            found += _rows_of(row, query, path, number)
    if not found:
        raise LeserError(
            f"{path} has no target for any of the {len(queries)} {split.name} queries. Make it for this task: "
            f"leser search-expansions --split {split.name} --out FILE."
        )
    targets = targets_of(found, queries, options, expansion, path)
    if any(gain > 0 for *_, gain in found) and not any(target.gain > 0 for target in targets):
        raise LeserError(
            f"No term in {path} is in the targets of {options.min_alike} {split.name} queries that share a word, so that "
            "none is left to learn. Lower warmup.min_alike, or search for more queries."
        )
    return targets


def targets_of(
    rows: Iterable[Row], queries: Mapping[str, Query], options: WarmupOptions, expansion: ExpansionOptions, path: Path
) -> list[Target]:
    """At most `targets_per_query` targets per query, as the rows rank them, their terms in one order."""
    read = [(query, _read(completion, expansion, path), gain) for query, completion, gain in rows]
    if options.min_alike > 1:
        read = _shared(read, queries, options.min_alike)
    queries_of = Counter(term for _, term in {(query, e.text) for query, terms, _ in read for e in terms})
    sets_of = Counter(e.text for _, terms, _ in read for e in terms)
    kept: dict[str, dict[frozenset[str], Target]] = {}
    for query, terms, gain in read:
        own = kept.setdefault(query, {})
        ordered = sorted(terms, key=lambda e: (-queries_of[e.text], -sets_of[e.text], e.text))
        if len(own) < options.targets_per_query:
            said = render(ordered, reasoning=expansion.reasoning)
            own.setdefault(frozenset(e.text for e in terms), Target(queries[query], said, gain))
    return [target for own in kept.values() for target in own.values()]


_Read = tuple[str, Sequence[Expansion], float]


def _shared(rows: Sequence[_Read], queries: Mapping[str, Query], least: int) -> list[_Read]:
    """The rows with those terms alone that targets of so many queries sharing a word hold: others are luck of one query."""
    asked = {id: content_stems(queries[id].text) for id, _, _ in rows}
    held = Counter(
        (word, term) for id, term in {(id, e.text) for id, terms, _ in rows for e in terms} for word in asked[id]
    )
    kept = [
        (id, [e for e in terms if any(held[word, e.text] >= least for word in asked[id])], gain)
        for id, terms, gain in rows
    ]
    return [new for new, (_, terms, _) in zip(kept, rows, strict=True) if new[1] or not terms]


def _rows_of(row: Mapping[str, Any], query: Query, path: Path, number: int) -> list[Row]:
    if text_of(row, "query", path, number) != query.text.strip():
        raise bad_line(path, number, f"the query {query.id} is '{query.text[:80]}' in this task. Make the file anew")
    answer = row.get("answer", VerifiedAnswer.EXPANSIONS)
    if answer not in (VerifiedAnswer.EXPANSIONS, VerifiedAnswer.NONE):
        return []  # that nothing was proven proves nothing
    completion = text_of(row, "completion", path, number)
    if "gain" in row:
        return [(query.id, completion, _number(row, "gain", path, number))]
    gain = _number(row, "after", path, number) - _number(row, "before", path, number)
    others = [
        (query.id, text_of(o, "completion", path, number), _number(o, "gain", path, number))
        for o in row.get("others", [])
    ]
    return [(query.id, completion, gain), *others]


def _number(row: Mapping[str, Any], key: str, path: Path, number: int) -> float:
    value = row.get(key)
    if not isinstance(value, int | float):
        raise bad_line(path, number, f'expected a number under "{key}", found {value!r}')
    return float(value)


def _read(completion: str, expansion: ExpansionOptions, path: Path) -> Sequence[Expansion]:
    found = parse(completion, expansion)
    if isinstance(found, ParseError):
        raise LeserError(
            f"{path}: the completion '{completion[:80]}' cannot be read: {found.reason}. Make the file with this run's "
            "[expansion] options."
        )
    return found.expansions
