"""What the doctor looks at before anything else: capabilities, and whether answers are what, and where, they must be.

The backend is asked directly: the search client mends some faults, and would report others under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.contract.shapes import (
    fault_in_capabilities,
    fault_in_documents,
    fault_in_facts,
    fault_in_fingerprint,
)
from leser.contract.texts import UNKNOWN
from leser.doctor.asking import CORRECT, Broken, answers_of, called
from leser.doctor.finding import Finding

K = 10
LOOKED_AT = 8
AGAIN = 4
MANY = 3000
NOWHERE = "leser-doctor-no-such-document"
NO_FIELD = "leser_no_such_field"


def declared(backend: Backend) -> None:
    """Raise Broken unless the capabilities are ones that LESER knows, and option match is what it is elsewhere."""
    match = type(backend).Options.model_fields.get("match")
    if match is None or match.default != "widen":
        advice = "Let Options inherit BackendOptions, and leave option match as it is there."
        raise Broken("option match is not 'widen' by default", advice)
    if fault := fault_in_capabilities(backend.capabilities):
        advice = "LESER asks a backend for what it declares and for nothing else. Correct `capabilities` of the class."
        raise Broken(fault, advice)


def checked_facts(facts: Any) -> dict[str, Any]:
    """The facts of check(); raises Broken for another shape."""
    if fault := fault_in_facts(facts):
        raise Broken(fault, CORRECT.format(method="check"))
    return dict(facts)


def fingerprint(backend: Backend) -> None:
    """Raise Broken unless the fingerprint is a text that stays, which every key of a cached answer holds."""
    first = called("fingerprint", backend.fingerprint)
    if fault := fault_in_fingerprint(first):
        raise Broken(fault, CORRECT.format(method="fingerprint"))
    if called("fingerprint", backend.fingerprint) != first:
        advice = "No answer is found in the cache again. Let it change with the options and the index, not with time."
        raise Broken("fingerprint() changes though nothing else does", advice)


def answered(backend: Backend, texts: Sequence[str]) -> Finding:
    """Search a few texts and nothing at all; a finding that all were answered in their places, or Broken."""
    texts = list(dict.fromkeys(texts))[:LOOKED_AT] or [UNKNOWN]
    queries = [ExpandedQuery(str(n), text) for n, text in enumerate(texts)]
    together = answers_of(backend, [*queries, queries[0]], K)  # one of them twice
    if called("search", lambda: backend.search([], K)) != []:
        raise Broken("search() answers a batch of no queries with something", CORRECT.format(method="search"))
    empty, unknown = (answers_of(backend, [ExpandedQuery("few", text)], K)[0] for text in ("   ", UNKNOWN))
    if isinstance(unknown, SearchError) and unknown.kind == "query":
        advice = "Answer with an empty Ranking: that nothing is found is what an expansion is measured by."
        raise Broken(f"'{UNKNOWN}', which no document holds, is refused: {unknown.message}", advice)
    alone = [answers_of(backend, [query], K)[0] for query in queries]
    repeats = [
        all(_ids(answers_of(backend, [query], K)[0]) == _ids(answer) for _ in range(AGAIN))
        for query, answer in zip(queries, alone, strict=True)
    ]
    if all(repeats):  # else it is chance that answers differ by, which has a check of its own
        for text, one, other in zip(texts, together, alone, strict=False):
            if None not in (_ids(one), _ids(other)) and _ids(one) != _ids(other):
                advice = (
                    "Answers keep the queries' order: match them by place, and let queries of a batch share nothing."
                )
                raise Broken(f"the answer in the place of '{text}' is not that of '{text}' alone", advice)
        _prefixes(backend, queries)
    if isinstance(empty, Ranking) and empty.hits:
        advice = "A text without a word finds nothing. Answer it with an empty Ranking."
        return Finding("answers", f"an empty text finds {len(empty.hits)} documents, not nothing", "warning", advice)
    return Finding("answers", f"{len(texts)} queries are answered as they must be, each in its place")


def _prefixes(backend: Backend, queries: Sequence[ExpandedQuery]) -> None:
    for query in queries[:3]:
        (deep,) = answers_of(backend, [query], 50)
        for k in (1, 3, 20):
            (cut,) = answers_of(backend, [query], k)
            if isinstance(deep, Ranking) and isinstance(cut, Ranking) and cut.ids != deep.ids[:k]:
                advice = "Hand k to the engine, and let the order of equal scores be fixed."
                raise Broken(f"the best {k} of '{query.text}' depend on how many are requested", advice)


def fetched(backend: Backend, ids: Sequence[str], fields: Sequence[str]) -> None:
    """Raise Broken unless fetch() answers for known and unknown ids and fields, and for as many ids as a run looks up."""
    # what trims or expands an id finds the document of another
    unknown = [NOWHERE, *(form for id in ids[:1] for form in (f" {id} ", f"{id}*", f"{id},{NOWHERE}"))]
    asked, names = [*ids, *unknown, *ids[:1]], [*fields, NO_FIELD]
    documents = called("fetch", lambda: backend.fetch(asked, names))
    advice = CORRECT.format(method="fetch")
    if fault := fault_in_documents(documents, asked, names):
        raise Broken(fault, advice)
    if given := [id for id in unknown if id in documents]:
        seen = f"fetch() gives a document for the id '{given[0]}', which no document has"
        raise Broken(seen, f"Leave it out. {advice}")
    for document in documents.values():
        if NO_FIELD in document.fields:
            raise Broken(f"fetch() gives the field '{NO_FIELD}', which no document has", f"Leave it out. {advice}")
    if called("fetch", lambda: backend.fetch([], names)) != {}:
        raise Broken("fetch() gives documents where no ids were named", advice)
    title = called("fetch", lambda: backend.fetch(ids, fields[:1]))
    if fault := fault_in_documents(title, ids, fields[:1]):
        raise Broken(fault, advice)
    many = [f"{NOWHERE}-{number}" for number in range(MANY)]
    found = called("fetch", lambda: backend.fetch([*many, *ids], names))
    if lost := set(documents) - set(found):
        seen = f"of {MANY} ids at once those at the end are lost: {min(lost)} is known, but not given then"
        raise Broken(seen, f"Split them into as many as the engine takes. {advice}")


def _ids(answer: Any) -> tuple[str, ...] | None:
    return answer.ids if isinstance(answer, Ranking) else None
