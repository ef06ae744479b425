"""What the doctor tries, in order: that searches repeat, weights move documents, text is data, and expansions match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import regex  # type: ignore[import-untyped]

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.contract.shapes import fault_in_analysis, fault_in_counts
from leser.contract.texts import HOSTILE, SIGNED, UNKNOWN, plain
from leser.doctor.asking import CORRECT, DEEP, Broken, EngineAnswer, answers_of, called
from leser.doctor.clauses import any_and_all, fields, movable, negation, phrases
from leser.doctor.conditions import cut, filters, totals
from leser.doctor.finding import Finding, of_error, of_failure
from leser.doctor.subject import Subject
from leser.doctor.terms import several
from leser.doctor.weights import weights
from leser.errors import EngineDown, LeserError


def terms(subject: Subject) -> Finding:
    """What the index makes of the example query, and in how many documents it is."""
    backend, query = subject.backend, subject.sample.query
    if "analyze" not in backend.capabilities:
        return Finding("index terms", "not shown: the backend does not say what its analysis makes of a text", "note")
    analysed = called("analyze", lambda: backend.analyze([query, ""]))
    if fault := fault_in_analysis(analysed, 2):
        raise Broken(fault, CORRECT.format(method="analyze"))
    made = analysed[0]
    shown = ", ".join(made) or "nothing"
    if made and "doc_freq" in backend.capabilities:
        *counts, unknown = _counts(backend, [*made, UNKNOWN])
        if unknown:
            advice = CORRECT.format(method="doc_freq")
            raise Broken(f"doc_freq() counts {unknown} documents for '{UNKNOWN}', a made-up word", advice)
        shown = ", ".join(f"{term} (in {count} documents)" for term, count in zip(made, counts, strict=True))
    return Finding("index terms", f"'{query}' becomes {shown}", "note")


def _counts(backend: Backend, words: list[str]) -> list[int]:
    counts = called("doc_freq", lambda: backend.doc_freq(words))
    if fault := fault_in_counts(counts, len(words)):
        raise Broken(fault, CORRECT.format(method="doc_freq"))
    return counts


def matching(subject: Subject) -> Finding:
    """With match=widen an expansion rescues a query that finds nothing, with match=rerank it must not."""
    (alone,) = subject.search((UNKNOWN, ()))
    words = [subject.sample.query, *(word for _, word in islice(movable(subject), 2))]
    beside = subject.expanded(UNKNOWN, words)
    if failure := of_failure("matching", [alone, *beside]):
        return failure
    assert isinstance(alone, Ranking)
    match, mode = subject.backend.options.match, subject.expansion.mode
    if alone.hits:
        seen = f"the made-up word '{UNKNOWN}' finds {len(alone.hits)} documents (vectors, n-grams, or a query that matches all): "
        return Finding("matching", f"{seen}whether match={match} holds cannot be determined", "note")
    rescued = any(answer.hits for answer in beside if isinstance(answer, Ranking))
    if rescued == (match == "widen"):
        does = "is rescued by an expansion" if rescued else "stays empty with an expansion"
        return Finding("matching", f"a query that finds nothing {does}, as match={match} says (mode {mode})")
    does = "is not rescued by an expansion" if match == "widen" else "is widened by an expansion"
    advice = f"The backend does not keep to match={match}. With a template, check that it leaves expansions beside the query."
    return Finding(
        "matching", f"a query that finds nothing {does}, against match={match} (mode {mode})", "problem", advice
    )


def hostile(subject: Subject) -> Finding:
    """Syntax of other engines, as a query and as an expansion, may find no more than its words do."""
    search = subject.config.search
    texts = [t for t in HOSTILE if len(t) <= search.max_length and len(t.split()) < search.max_clauses]
    tried: list[tuple[str, Callable[[str], EngineAnswer]]] = [("", lambda text: _directly(subject, text))]
    if subject.expansion.mode == "boost" and subject.widens:
        tried.append((" as an expansion", lambda text: subject.expanded(UNKNOWN, [text])[0]))
    refused = undecided = 0
    unanswered: list[SearchError] = []
    for text in texts:
        most = _words_find(subject, text)
        for how, search_with in tried:
            answer = search_with(text)
            if isinstance(answer, SearchError):
                refused += 1
                if answer.kind != "query":
                    return _broken_by(text + how, answer, subject)
            elif most is None:
                undecided += 1
            elif isinstance(most, SearchError):
                unanswered.append(most)
            elif beyond := set(answer.ids) - most:
                advice = (
                    "Text reaches a query parser. Send it in structured clauses or quoted as the engine's manual says; in a "
                    "template, put it only where the engine takes plain text."
                )
                seen = f"{text[:40]}{how} finds {len(beyond)} documents that its words do not"
                return Finding("hostile text", seen, "problem", advice)
    seen = f"{len(texts) * len(tried)} texts of query syntax find no more than their words"
    more = [f"{refused} refused" if refused else "", f"{undecided} find too much to decide" if undecided else ""]
    if unanswered:
        failed = f"as the search for their words failed ({unanswered[0].message})"
        more.append(f"{len(unanswered)} cannot be determined, {failed}")
    return Finding("hostile text", ", ".join(part for part in (seen, *more) if part))


def _directly(subject: Subject, text: str) -> EngineAnswer:
    """The backend's own answer; one that may pass is what the client gets, which asks again."""
    try:
        (answer,) = answers_of(subject.backend, [ExpandedQuery("hostile", text)])
    except Broken as fault:
        raise Broken(f"{text[:40]}: {fault.seen}", fault.advice) from fault
    if isinstance(answer, SearchError) and answer.kind == "transient":
        (answer,) = subject.search((text, ()))
    return answer


def _broken_by(text: str, answer: SearchError, subject: Subject) -> Finding:
    """The finding of a text that is refused, but not as a query; where nothing is answered any more, the engine is down."""
    (control,) = subject.search((subject.sample.query, ()))
    if failure := of_failure("hostile text", [control]):
        return failure
    advice = 'A text must never break the engine: send it as data, or answer with a SearchError of kind "query".'
    return Finding("hostile text", f"{text[:60]}: {answer.message} (kind {answer.kind})", "problem", advice)


def signs(subject: Subject) -> Finding:
    """An everyday query with signs at its words finds what the words find, and so does an expansion."""
    words = list(dict.fromkeys(word for _, word in movable(subject)))[:2]
    if len(words) < 2:
        return Finding("signs", "not tried: needs two words of documents found", "note")
    ways: list[tuple[str, Callable[[str], EngineAnswer]]] = [("query", lambda text: _directly(subject, text))]
    if subject.widens:
        ways.append(("term", lambda text: subject.expanded(UNKNOWN, [text])[0]))
    advice = (
        "Quotes, AND, OR, NOT, + and - of a query are not syntax. Send text in structured clauses, or escape every sign that "
        "the engine's parser knows; in a template, put it only where the engine takes plain text."
    )
    for pattern in SIGNED:
        text = pattern.format(*words)
        for way, search_with in ways:
            answer, alone = search_with(text), search_with(plain(text))
            if isinstance(answer, SearchError):
                raise Broken(f"the {way} {text!r} is refused: {answer.message}", advice)
            if isinstance(alone, Ranking) and len(alone.hits) < DEEP and set(answer.ids) != set(alone.ids):
                seen = f"the {way} {text!r} finds {len(answer.hits)} documents, {plain(text)!r} finds {len(alone.hits)}"
                raise Broken(seen, advice)
    return Finding("signs", f"{len(SIGNED)} queries with signs ({SIGNED[0].format(*words)}) find what their words find")


def repeating(subject: Subject) -> Finding:
    """The same batch, five times: order and scores must be equal, or rewards are noise."""
    batch = [(text, ()) for text in subject.sample.texts[:20]]
    rounds = [subject.search(*batch, k=20) for _ in range(5)]
    if failure := of_failure("repeating", [answer for answers in rounds for answer in answers]):
        return failure
    rankings = [[answer for answer in answers if isinstance(answer, Ranking)] for answers in rounds]
    reordered = sum(len({ranking.ids for ranking in same}) > 1 for same in zip(*rankings, strict=True))
    rescored = sum(len({ranking.hits for ranking in same}) > 1 for same in zip(*rankings, strict=True))
    advice = (
        "The same search must give the same answer: pin it to one copy of each shard (a backend's option), and wait until "
        "nothing is being indexed or merged."
    )
    if reordered:
        return Finding("repeating", f"{reordered} of {len(batch)} queries change their order", "problem", advice)
    if rescored:
        return Finding("repeating", f"{rescored} of {len(batch)} queries change their scores", "warning", advice)
    return Finding("repeating", f"{len(batch)} queries, five times: the same order and the same scores")


CHECKS: tuple[tuple[str, Callable[[Subject], Finding]], ...] = (
    ("index terms", terms),
    ("hostile text", hostile),
    ("signs", signs),
    ("terms", several),
    ("weights", weights),
    ("matching", matching),
    ("negation", negation),
    ("any, all", any_and_all),
    ("phrases", phrases),
    ("in a field", fields),
    ("filters", filters),
    ("cut", cut),
    ("totals", totals),
)
"""In the order they are made; each has its topic for what it can't go on after."""


def checked(subject: Subject) -> Iterator[Finding]:
    """All checks; where searches don't repeat, nothing that compares them, which would accuse something else."""
    finding = _made("repeating", repeating, subject)
    yield finding
    if finding.state in ("problem", "down"):
        return
    for topic, check in CHECKS:
        yield _made(topic, check, subject)


def _made(topic: str, check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    try:
        return check(subject)
    except Broken as broken:
        return broken.finding(topic)
    except EngineDown:
        raise
    except LeserError as error:
        return of_error(topic, error)


def _words_find(subject: Subject, text: str) -> set[str] | SearchError | None:
    """Ids that the text's words find, all signs taken out; None where there are too many to tell a widened search by.

    A failed search is no empty one: its error is the answer.
    """
    # the module `regex` counts marks as part of a word, as engines do
    plain = {regex.sub(r"[^\w\s]", " ", text), regex.sub(r"[^\w\s]|_", " ", text)}
    answers = subject.search(*((" ".join(words.split()), ()) for words in sorted(plain)))
    found: set[str] = set()
    for answer in answers:
        if isinstance(answer, SearchError):
            return answer
        if len(answer.hits) == DEEP:
            return None
        found |= set(answer.ids)
    return found
