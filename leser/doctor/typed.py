"""Constraints typed in queries: whether this very index can be held to each mapped kind, and how many documents it reaches.

Asked of the engine with filters that every document passes whose field can be read: at least 0, one of the mapped values,
or texts of the documents' own that are written as `formats` say; and where words are excluded, with a word that some hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]

from leser.backend import ExpandedQuery, Filter, SearchError, Term
from leser.constraints import KindOptions, QueryConstraints
from leser.constraints.language import language_of
from leser.constraints.sizes import LETTERS
from leser.constraints.wording import BUILT_IN
from leser.doctor.asking import DEEP
from leser.doctor.finding import Finding, of_error, of_failure
from leser.doctor.subject import Subject
from leser.errors import LeserError

SEARCHES = 20
"""Texts that are searched with, plain and held to a kind."""
_WORD = regex.compile(r"(?<!\S)[^\W\d_]{3,}(?!\S)")  # unlike in `re`, marks are part of a word


@dataclass(frozen=True, slots=True)
class Unconstrained:
    """What the texts find without any constraint, and the text in one kind's field, where the engine gives it."""

    ids: frozenset[str]
    texts: Mapping[str, str]


def typed(subject: Subject) -> Iterator[Finding]:
    """A finding for each mapped kind; nothing where constraints are not enabled."""
    config = subject.config
    options = config.constraints.at(config.platform.locale)
    if not options.enabled:
        return
    try:
        QueryConstraints(options).check_able(subject.backend)
    except LeserError as error:
        yield of_error("constraints", error)
        return
    plain = _search(subject)
    if isinstance(plain, Finding):
        yield plain
        return
    names = tuple(dict.fromkeys(mapped.field for mapped in options.kinds.values()))
    documents = subject.client.fetch(sorted(plain), names, resumable=False)
    for kind, mapped in options.kinds.items():
        held = {id: text for id, d in documents.items() if (text := d.fields.get(mapped.field))}
        yield _kind(subject, kind, mapped, Unconstrained(plain, held))


def _kind(subject: Subject, kind: str, mapped: KindOptions, found: Unconstrained) -> Finding:
    """How many of the documents found a query's constraint of this kind can reach."""

    topic, field = f"typed {kind}", mapped.field
    words = bool(mapped.values) or kind in BUILT_IN
    if words:
        excluded = _excluded(subject, kind, mapped, found)
        if not mapped.values or excluded.state != "ok":
            return excluded
    filters, what = _filters(kind, mapped, found)
    reached: set[str] = set()
    for condition in filters:
        answer = _search(subject, (condition,))
        if isinstance(answer, Finding):
            return _of_kind(answer, kind, mapped)
        reached |= answer & found.ids
    if not reached:
        stored = min(found.texts.values(), key=lambda text: (len(text), text), default="")
        seen = f"none of {len(found.ids)} documents found holds {what} in '{field}'"
        seen += f"; one holds '{stored[:60]}'" if stored else ""
        advice = (
            f"A query that asks for a {kind} finds nothing then. Name in [constraints.kinds.{kind}] the field that holds it, "
            "and its values or formats as the index writes them; how it must be indexed is the engine's matter "
            "(docs/constraints.md)."
        )
        return Finding(topic, seen, "warning", advice)
    seen = f"{len(reached)} of {len(found.ids)} documents found hold {what} in '{field}'"
    rest = "" if len(reached) == len(found.ids) else "; a query that asks for it leaves the others out"
    return Finding(topic, seen + rest)


def _filters(kind: str, mapped: KindOptions, found: Unconstrained) -> tuple[tuple[Filter, ...], str]:
    """Filters of which every document passes one that holds a value of this kind, and what that is in words."""
    field = mapped.field
    if mapped.values:
        many = f"one of the {len(mapped.values)} values" if len(mapped.values) > 1 else "the value"
        return (Filter(field, "in", tuple(mapped.values)),), many
    if mapped.formats:
        # anywhere in a text, since engines give several values of one field with spaces between
        forms = [re.escape(form).replace(r"\{\}", r"\S+") for form in mapped.formats]
        parts = [re.findall(rf"(?<!\S){form}(?!\S)", text) for form in forms for text in found.texts.values()]
        written = sorted({part for some in parts for part in some})
        said = " or ".join(f"'{form}'" for form in mapped.formats)
        example = tuple(written) or tuple(form.replace("{}", "1") for form in mapped.formats)
        return (Filter(field, "in", example),), f"a text written as {said}"
    number = Filter(field, "gte", 0.0)
    if kind == "size":
        return (number, Filter(field, "in", LETTERS)), "a size, in numbers or letters,"
    return (number,), "a number"


def _excluded(subject: Subject, kind: str, mapped: KindOptions, found: Unconstrained) -> Finding:
    """Whether documents that hold a word in the field are gone where it is excluded."""
    topic = f"typed {kind}"
    word, holders = _example(mapped, found, _known(subject, kind))
    answer = _search(subject, terms=(Term(word, field=mapped.field, match="phrase", negate=True),))
    if isinstance(answer, Finding):
        return _of_kind(answer, kind, mapped)
    if not holders:
        seen = f"the engine takes words excluded in '{mapped.field}', but none of {len(found.ids)} documents found shows one"
        return Finding(topic, seen, "ok" if mapped.values else "note")
    if stayed := holders & answer:
        advice = (
            f"A query that says \"not {word}\" would still find it. Let '{mapped.field}' be a field that is searched word by "
            "word, or drop the kind."
        )
        seen = f"{len(stayed)} of {len(holders)} documents with '{word}' in '{mapped.field}' are found though it is excluded"
        return Finding(topic, seen, "problem", advice)
    gone = "the 1 document that holds it is" if len(holders) == 1 else f"the {len(holders)} documents that hold it are"
    return Finding(topic, f"'{word}' excluded in '{mapped.field}': {gone} gone")


def _known(subject: Subject, kind: str) -> frozenset[str]:
    """The words that LESER knows for a kind of its own, in the language of the queries."""

    options = subject.config.constraints.at(subject.config.platform.locale)
    words = BUILT_IN.get(kind)
    return frozenset(language_of(options.locale or "en-US").data[words]["words"]) if words else frozenset()


def _example(mapped: KindOptions, found: Unconstrained, known: frozenset[str]) -> tuple[str, set[str]]:
    """A word of the kind that stands in the field, or else a long one, and who holds it; any word where none stands there."""
    holders: dict[str, set[str]] = {}
    for id, text in found.texts.items():
        if mapped.values:
            held = [value for value in mapped.values if value == text]
        else:
            held = _WORD.findall(text.lower())  # casefold makes "weiss" of "weiß", which most analyses keep apart
        for word in held:
            holders.setdefault(word, set()).add(id)
    # long words are no stop words, which an analysis may leave out
    best = max(holders, key=lambda word: (word in known, min(len(word), 6), len(holders[word]), word), default="")
    return (best, holders[best]) if best else (next(iter(mapped.values), "leather"), set())


def _search(
    subject: Subject, filters: tuple[Filter, ...] = (), terms: tuple[Term, ...] = ()
) -> frozenset[str] | Finding:
    """The documents that the sample's texts find, held to these conditions; or the finding that a failure amounts to."""
    texts = dict.fromkeys((subject.sample.query, *subject.sample.texts[:SEARCHES]))
    queries = [ExpandedQuery(str(n), text, terms, filters) for n, text in enumerate(texts)]
    answers = subject.client.search(queries, DEEP)
    if failure := of_failure("constraints", answers):
        return failure
    return frozenset(id for answer in answers if not isinstance(answer, SearchError) for id in answer.ids)


def _of_kind(failure: Finding, kind: str, mapped: KindOptions) -> Finding:
    """A failure under its kind's name, with the field that was asked for."""
    return Finding(f"typed {kind}", f"field '{mapped.field}': {failure.seen}", failure.state, failure.advice)
