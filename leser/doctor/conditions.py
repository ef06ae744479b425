"""What the doctor tries of filters, totals, and the cut at k: that they hold for the search as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from leser.adapter import KEYWORD_LENGTH, filter_values
from leser.backend import ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.contract.texts import UNKNOWN
from leser.doctor.answers import NO_FIELD
from leser.doctor.asking import DEEP, HEAVY, Broken, answers_of
from leser.doctor.clauses import TRIED, movable
from leser.doctor.finding import Finding, State
from leser.doctor.subject import Subject

FIELDS = 12
OPERATIONS: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda held, value: held == value,
    "lt": lambda held, value: held < value,
    "lte": lambda held, value: held <= value,
    "gt": lambda held, value: held > value,
    "gte": lambda held, value: held >= value,
}


def filters(subject: Subject) -> Finding:
    """What meets a filter is found, and nothing else: tried on every field of the documents found that can be filtered by."""
    if not subject.can("filters"):
        return Finding("filters", "not tried: the backend has no filters", "note")
    able = [pair for pair in _conditions(subject) if _holds(subject, *pair)]
    for condition, meets in able[:3] if subject.can("term_weights") else ():
        _holds(subject, condition, meets, *(Term(word, HEAVY) for _, word in islice(movable(subject), TRIED)))
    for condition, _ in _conditions(subject):
        if (
            condition.op == "in"
            and condition not in [one for one, _ in able]
            and _eq(condition) in [one for one, _ in able]
        ):
            seen = (
                f"the filter {condition.field} in {condition.value!r} finds nothing, one for the last of them (eq) does"
            )
            raise Broken(seen, "A filter `in` is met by any of its values.", "warning")
    tried = len(able)
    query = ExpandedQuery("unknown", subject.sample.query, (), (Filter(NO_FIELD, "eq", "x"),))
    (answer,) = answers_of(subject.backend, [query])
    if isinstance(answer, Ranking) and answer.hits:
        seen = f"a filter in the field '{NO_FIELD}' is left out: {len(answer.hits)} documents are found in spite of it"
        raise Broken(seen, 'A filter that no document meets finds nothing, or is a SearchError of kind "query".')
    if not tried:
        return Finding("filters", "no field of the documents found could be filtered by", "note")
    return Finding("filters", f"{tried} filters find what meets them and nothing else")


def _holds(subject: Subject, condition: Filter, meets: Callable[[str], bool], *terms: Term) -> bool:
    """Whether a filter could be tried; raises Broken where a document found contradicts it."""
    sample = subject.sample
    query = ExpandedQuery("filtered", sample.query, terms, (condition,))
    (answer,) = subject.client.search([query], DEEP)
    if isinstance(answer, SearchError):
        return False
    held = {id: d.fields[condition.field] for id, d in sample.documents.items() if d.fields.get(condition.field)}
    shown = f"{condition.field} {condition.op} {condition.value!r}{' with terms' if terms else ''}"
    advice = "Compare strings whole and as they are, numbers as numbers, with the ends that lte and gte include."
    state: State = "problem" if subject.config.constraints.enabled else "warning"
    for id, text in held.items():
        if id in answer.ids and not meets(text):
            raise Broken(f"the filter {shown} finds {id}, which does not meet it ({text[:60]!r})", advice, state)
    right = [id for id, text in held.items() if meets(text)]
    # a field that the index holds only as a text finds nothing at all
    if answer.hits and len(answer.hits) < DEEP and (lost := [id for id in right if id not in answer.ids]):
        raise Broken(
            f"the filter {shown} does not find {lost[0]}, which meets it ({held[lost[0]][:60]!r})", advice, state
        )
    return bool(answer.hits)


def _conditions(subject: Subject) -> Iterator[tuple[Filter, Callable[[str], bool]]]:
    """Filters by what the documents found hold, and what each means for a stored text."""
    names = dict.fromkeys(name for document in subject.sample.documents.values() for name in document.fields)
    for name in islice(names, FIELDS):
        texts = [t for d in subject.sample.documents.values() if (t := d.fields.get(name)) and len(t) <= KEYWORD_LENGTH]
        numbers = sorted({number for text in texts if (number := filter_values(text)[1]) is not None})
        if len(numbers) == len(set(texts)) and numbers:
            value = numbers[len(numbers) // 2]
            for op in OPERATIONS:
                yield Filter(name, op, value), _numeric(op, value)  # type: ignore[arg-type]
        elif texts and " " not in min(texts, key=len):
            text = min(texts, key=len)
            # engines give several values of one field with spaces between
            for condition in (Filter(name, "eq", text), Filter(name, "in", (NO_FIELD, text))):
                yield condition, lambda held, text=text: text == held or text in held.split()  # type: ignore[misc]


def _eq(condition: Filter) -> Filter:
    value = condition.value
    return Filter(condition.field, "eq", value[-1] if isinstance(value, tuple) else value)


def _numeric(op: str, value: float) -> Callable[[str], bool]:
    def meets(text: str) -> bool:
        number = filter_values(text)[1]
        return number is not None and OPERATIONS[op](number, value)

    return meets


def cut(subject: Subject) -> Finding:
    """The best k of the whole search, its terms and filters included, and not what they leave of the best k without them."""
    query = subject.sample.query
    tried: list[tuple[str, tuple[Term, ...], tuple[Filter, ...]]] = []
    if subject.can("term_weights"):
        tried += [("terms", (Term(word, HEAVY),), ()) for _, word in islice(movable(subject), TRIED)]
    if subject.can("filters"):
        tried += [("filters", (), (condition,)) for condition, _ in _conditions(subject)]
    if not tried:
        return Finding("cut", "not tried: neither term weights nor filters", "note")
    for what, terms, conditions in tried:
        query_ = ExpandedQuery("cut", query, terms, conditions)
        (deep,) = subject.client.search([query_], DEEP)
        for k in (1, 3) if isinstance(deep, Ranking) else ():
            assert isinstance(deep, Ranking)
            if (best := subject.ranking(query, *terms, filters=conditions, k=k).ids) != deep.ids[:k]:
                named = ", ".join(
                    [*(term.text for term in terms), *(f"{c.field} {c.op} {c.value!r}" for c in conditions)]
                )
                raise Broken(
                    f"with {what} ({named}) the best {k} are {list(best)}, but {list(deep.ids[:k])} of {DEEP}",
                    f"Cut at k after {what} took part, not before: they belong into the search itself.",
                )
    return Finding("cut", f"the best 1 and 3 are those of {DEEP}, with {len(tried)} terms and filters")


def totals(subject: Subject) -> Finding:
    """Totals count all matches, with terms and filters, whatever k is."""
    if not subject.can("total"):
        return Finding("totals", "not tried: the backend has no totals", "note")
    own = list(islice(movable(subject), TRIED)) if subject.can("term_weights") else []
    words = [Term(word) for _, word in own[:1]] + ([Term(" ".join(word for _, word in own))] if own else [])
    conditions = [c for c, _ in islice(_conditions(subject), 8)] if subject.can("filters") else []
    cases: list[tuple[str, ExpandedQuery]] = [("", ExpandedQuery("plain", subject.sample.query))]
    cases += [(" with terms", ExpandedQuery("terms", subject.sample.query, (word,))) for word in words]
    cases += [(" with terms", ExpandedQuery("rescued", UNKNOWN, (word,))) for word in words]
    cases += [
        (" with terms", ExpandedQuery("less", subject.sample.query, (replace(word, negate=True),))) for word in words
    ]
    cases += [(" with filters", ExpandedQuery("filters", subject.sample.query, (), (c,))) for c in conditions]
    advice = "Count all that matches the whole query, not the hits returned; total_exact is False for a lower bound."
    counted = 0
    for what, query in cases:
        deep, one = (subject.client.search([query], k, total=True)[0] for k in (DEEP, 1))
        if not isinstance(deep, Ranking) or not isinstance(one, Ranking) or len(deep.hits) == DEEP:
            continue
        counted += 1
        for k, found in ((DEEP, deep), (1, one)):
            if found.total is None:
                raise Broken(f"the total{what} is None, though the capability 'total' is declared", advice)
            if found.total > len(deep.hits) or (found.total_exact and found.total != len(deep.hits)):
                seen = f"the total{what} is {found.total} with k={k}, but {len(deep.hits)} documents are found"
                raise Broken(seen, advice)
    if not counted:
        return Finding("totals", f"not tried: '{subject.sample.query}' finds {DEEP} documents or more", "note")
    return Finding("totals", f"{counted} totals are the number of documents found")
