"""Splits: train, dev and test by query, seeded, with near-duplicates on one side.

Two queries are near-duplicates when they differ in word order, plural, case, accents, punctuation or the space between
words ("head set", "headset", "Headsets!"). Were they on both sides, the test would ask what training had answered. Vowel
signs and tone marks are no accents: "कम" and "काम" are two queries.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral

import Stemmer

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import GRADE_LIMIT
from leser.letters import without_accents, words_of
from leser.printable import printable
from leser.task import Qrels, Query, Split, Task, has_relevant

PARTS = ("train", "dev", "test")
SHARES = {"train": 0.7, "dev": 0.1, "test": 0.2}
_NOT_READ = {ord(sign): None for sign in "'\u200c\u200d"}
"""What stands inside words without a meaning of its own: apostrophes, and the joiners that some scripts write or leave out."""


def assemble(
    name: str,
    queries: Mapping[str, Query],
    judged: Mapping[str, Qrels],
    *,
    seed: int,
    documents: Callable[[], Iterable[Document]] | None = None,
    title_field: str = "title",
    notes: Sequence[str] = (),
    unjudged: str = "none",
) -> Task:
    """A task out of queries and the judgments of the parts that were given (any of train, dev, test; or just "all").

    Parts that are missing are taken out of train, or of what there is. A query belongs to a part when that part judges
    it, if only with an empty mapping. With `unjudged` (see ReaderOptions) queries that belong to no part join train,
    near-duplicates of dev and test queries left out; where there are no judgments at all, "all" takes every part out of them.
    """
    remarks = list(notes)
    parts: dict[str, Qrels] = dict(judged)
    if not parts and unjudged == "all":
        parts["all"] = {key: {} for key in queries}
    listed = set().union(*parts.values())
    if not parts:
        raise LeserError(
            f"Task '{name}' holds no judgments. Check that task.path names the folder or file that has them."
        )
    missing = [part for part in PARTS if part not in parts]
    if missing:
        donor = next(part for part in (*PARTS, "all") if part in parts)
        pool = parts.pop(donor)
        receivers = [part for part in PARTS if part not in parts]
        taken = divide([queries[key] for key in pool], pool, {part: SHARES[part] for part in receivers}, seed)
        parts.update({part: {key: pool[key] for key in pool if key in taken[part]} for part in receivers})
        made = ", ".join(f"{len(parts[part])} {part}" for part in receivers)
        source = "all queries" if donor == "all" else f"the {donor} queries"
        remarks.append(f"Split made here from {source}, seed {seed}, near-duplicates on one side: {made}.")
    if unjudged != "none":
        joined = _unlisted(queries, listed, parts)
        parts["train"] = {**parts["train"], **joined}
        if joined:
            remarks.append(f"{len(joined)} queries that no split judges take part in train (task.unjudged).")
    train, dev, test = (split_of(part, [queries[key] for key in parts[part]], parts[part]) for part in PARTS)
    for split in (train, dev, test):
        if split.no_result and not _takes_part(split.name, unjudged):
            total = len(split.queries) + len(split.no_result)
            remarks.append(
                f"{len(split.no_result)} of {total} {split.name} queries have no relevant document; "
                "they are left out of rewards and means and reported apart."
            )
    return Task(name, train, dev, test, documents, title_field, notes=tuple(remarks))


def split_of(name: str, queries: Iterable[Query], qrels: Qrels) -> Split:
    """A split whose queries have a relevant document (a grade above 0); the others are kept apart as `no_result`."""
    listed = list(queries)
    relevant = [query for query in listed if has_relevant(qrels, query)]
    rest = [query for query in listed if not has_relevant(qrels, query)]
    return Split(name, tuple(relevant), qrels, tuple(rest))


def with_unjudged(task: Task, unjudged: str) -> Task:
    """The task with the queries without a relevant document among those that teach and measure: in train, or in all splits."""
    train, dev, test = (
        replace(split, queries=(*split.queries, *split.no_result), no_result=())
        if _takes_part(split.name, unjudged)
        else split
        for split in task.splits
    )
    moved = [split for split in task.splits if split.no_result and _takes_part(split.name, unjudged)]
    notes = [
        f"{len(split.no_result)} of {len(split.queries) + len(split.no_result)} {split.name} queries have no relevant "
        "document and take part (task.unjudged): only rewards and measures that need no judgments value them."
        for split in moved
    ]
    return replace(task, train=train, dev=dev, test=test, notes=(*task.notes, *notes))


def _takes_part(part: str, unjudged: str) -> bool:
    return unjudged == "all" or part == unjudged


def _unlisted(queries: Mapping[str, Query], listed: set[str], parts: Mapping[str, Qrels]) -> dict[str, dict[str, int]]:
    """The queries of no part, without judgments, and without near-duplicates of what is to be measured."""
    new = {key for key in queries if key not in listed}
    held_out = {key for part in ("dev", "test") for key in parts[part]}
    groups = near_duplicates([queries[key] for key in (*held_out, *new)]) if new else []
    alike = {query.id for group in groups if any(query.id in held_out for query in group) for query in group}
    return {key: {} for key in queries if key in new and key not in alike}


def check_splits(task: Task) -> Task:
    """The task itself, once its grades are grades, every split has a query and none stands in two; raises LeserError."""
    seen: dict[str, str] = {}
    for split in task.splits:
        _check_grades(task.name, split.qrels)
        if not split.queries:
            raise LeserError(
                f"Task '{task.name}': no {split.name} query has a relevant document (a grade above 0). "
                "Give more judgments, or leave the file of this split out, so that it is taken out of the others. Rewards that "
                "need no judgments learn from unjudged queries too, with -o task.unjudged=all and at least three queries, one "
                "per split."
            )
        for query in (*split.queries, *split.no_result):
            if query.id in seen:
                raise LeserError(f"Task '{task.name}': query {query.id} is in both {seen[query.id]} and {split.name}.")
            seen[query.id] = split.name
    return replace(task, warnings=(*task.warnings, *repeated_queries(task)))


def repeated_queries(task: Task) -> list[str]:
    """A sentence for each two splits that hold near-duplicates of each other under different ids, with their number.

    A task that came with its splits may have them; what LESER takes out of one split itself keeps them on one side.
    """
    split_of_id = {query.id: split.name for split in task.splits for query in split.queries}
    names = [split.name for split in task.splits]
    counts: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], tuple[Query, Query]] = {}
    for group in near_duplicates([query for split in task.splits for query in split.queries]):
        first = {split_of_id[query.id]: query for query in reversed(group)}
        for query in group:
            for earlier in names[: names.index(split_of_id[query.id])]:
                if earlier in first:
                    pair = (earlier, split_of_id[query.id])
                    counts[pair] += 1
                    example.setdefault(pair, (first[earlier], query))
    sizes = {split.name: len(split.queries) for split in task.splits}
    return [
        f"{count} of {sizes[later]} {later} queries are {earlier} queries too, but for word order, plural, case or punctuation: "
        f"'{printable(example[earlier, later][1].text, 60)}' ({later} {example[earlier, later][1].id}) and "
        f"'{printable(example[earlier, later][0].text, 60)}' ({earlier} {example[earlier, later][0].id}). What is measured "
        f"on {later} is too good for them. Take them out of {earlier}."
        for (earlier, later), count in sorted(counts.items())
    ]


def _check_grades(task: str, qrels: Qrels) -> None:
    """What LESER's own readers say with file and line, for those of others."""
    for query, grades in qrels.items():
        for document, grade in grades.items():
            if not isinstance(grade, Integral) or abs(grade) > GRADE_LIMIT:
                raise LeserError(
                    f"Task '{task}': the grade {grade!r} of document {document} for query {query} is not valid. Grades are "
                    f"whole numbers between -{GRADE_LIMIT} and {GRADE_LIMIT}."
                )


def divide(queries: Sequence[Query], qrels: Qrels, shares: Mapping[str, float], seed: int) -> dict[str, set[str]]:
    """Ids of the queries of each part, in proportion to `shares`, near-duplicates together.

    Does not depend on the queries' order. Queries with and without a relevant document are dealt out each by itself, so
    that a small part is not left with nothing to measure.
    """
    groups = near_duplicates(queries)
    random.Random(seed).shuffle(groups)
    parts: dict[str, set[str]] = {part: set() for part in shares}
    for wanted in (True, False):
        dealt = [group for group in groups if any(has_relevant(qrels, query) for query in group) is wanted]
        total = sum(map(len, dealt))
        lacks = {part: total * share / sum(shares.values()) for part, share in shares.items()}
        empty = set(shares)
        for left, group in zip(range(len(dealt), 0, -1), sorted(dealt, key=len, reverse=True), strict=True):
            open_to = [part for part in shares if part in empty] if left <= len(empty) else list(shares)
            part = max(open_to, key=lambda name: lacks[name])  # large groups come first, while there is room for them
            lacks[part] -= len(group)
            empty.discard(part)
            parts[part].update(query.id for query in group)
    return parts


def near_duplicates(queries: Sequence[Query]) -> list[list[Query]]:
    """The queries in groups of near-duplicates; groups and their members are sorted, whatever the order given."""

    stem = Stemmer.Stemmer("english").stemWord
    groups: dict[str, list[Query]] = {}  # the key of a group to its members
    group_of: dict[str, str] = {}  # a query's form to the key of its group
    for query in sorted(queries, key=lambda query: (query.text, query.id)):
        words = [stem(word) for word in words_of(_plain(query.text))] or [query.text]
        forms = (" ".join(sorted(words)), "".join(words))
        keys = sorted({group_of[form] for form in forms if form in group_of})
        home = keys[0] if keys else query.id
        members = groups.setdefault(home, [])
        members.append(query)
        for key in keys[1:]:  # this query joins two groups into one
            members.extend(groups.pop(key))
            group_of.update({form: home for form, owner in group_of.items() if owner == key})
        group_of.update(dict.fromkeys(forms, home))
    return [sorted(group, key=lambda query: query.id) for _, group in sorted(groups.items())]


def _plain(text: str) -> str:
    return without_accents(text.casefold()).translate(_NOT_READ)
