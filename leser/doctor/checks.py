"""What the doctor tries: that weights move documents, expansions match as configured, text is data, and scores repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import regex  # type: ignore[import-untyped]

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError, Term
from leser.config import RunConfig
from leser.doctor.finding import Finding, of_failure
from leser.doctor.sample import Sample
from leser.expansion import Expansion, ExpansionOptions
from leser.search import SearchClient

DEEP = 100
UNKNOWN = "zzqxjv"
"""A made-up word that no document should hold."""
HEAVY = 8.0
TRIED = 12
HOSTILE = (
    "*:*",
    "*",
    " * ",
    "\x00*\x1f",
    "/.*/",
    "[* TO *]",
    f"{UNKNOWN} || *:*",
    f"{UNKNOWN}) (*:*",
    f'" {UNKNOWN} || "" || *:*',
    f"{UNKNOWN}* ?* ~2 ^99",
    "-" + UNKNOWN,
    f"NOT {UNKNOWN}",
    "(((((((",
    '"unbalanced',
    "{!func}1",
    '_query_:"*:*" _val_:1',
    "${" + UNKNOWN + "} $query {{7*7}}",
    '"}},{"match_all":{}},{"',
    "<script>alert(1)</script>",
    "\x00\x07\x1b[31m \u202e \u200b",
    "\U0001f6cb\ufe0f\U0001f525",
    UNKNOWN * 400,
)
"""Texts that are syntax somewhere; as data they find what their few words find, and no more."""


@dataclass(frozen=True, slots=True)
class Patient:
    """An engine that answers, and what is known of it; `client` searches as a run does, but without a cache."""

    config: RunConfig
    backend: Backend
    client: SearchClient
    sample: Sample

    @property
    def expansion(self) -> ExpansionOptions:
        """How expansions are applied: as configured, except that an engine without term weights gets mode fuse."""
        if "term_weights" in self.backend.capabilities:
            return self.config.expansion
        return self.config.expansion.model_copy(update={"mode": "fuse"})

    def search(self, *queries: tuple[str, tuple[Term, ...]], k: int = DEEP) -> list[Ranking | SearchError]:
        """Search texts, each with its terms."""
        batch = [ExpandedQuery(str(n), text, terms) for n, (text, terms) in enumerate(queries)]
        return self.client.search(batch, k)

    def expanded(self, text: str, phrases: Sequence[str]) -> list[Ranking | SearchError]:
        """Search one text with each of the phrases alone as its expansion, in the configured mode."""
        requests = [(ExpandedQuery(str(n), text), (Expansion(phrase),)) for n, phrase in enumerate(phrases)]
        return [found.ranking for found in self.client.search_expansions(requests, DEEP, options=self.expansion)]


def terms(patient: Patient) -> Finding:
    """What the index makes of the example query, and in how many documents it is."""
    backend, query = patient.backend, patient.sample.query
    if "analyze" not in backend.capabilities:
        return Finding("index terms", "not shown: the backend does not say what its analysis makes of a text", "note")
    (made,) = backend.analyze([query])
    shown = ", ".join(made) or "nothing"
    if made and "doc_freq" in backend.capabilities:
        counts = zip(made, backend.doc_freq(made), strict=True)
        shown = ", ".join(f"{term} (in {count} documents)" for term, count in counts)
    return Finding("index terms", f"'{query}' becomes {shown}", "note")


def weights(patient: Patient) -> Finding:
    """A heavy term must move a document that holds it up, and a term of weight 0 must change nothing."""
    if "term_weights" not in patient.backend.capabilities:
        return Finding("weights", "not tried: the backend has no term weights", "note")
    sample = patient.sample
    tried = list(islice(_movable(sample), TRIED))
    if not tried:
        return Finding("weights", f"not tried: the hits of '{sample.query}' have no word of their own", "note")
    terms = [(Term(word, weight),) for _, word in tried for weight in (0.0, HEAVY)]
    answers = patient.search((sample.query, ()), *((sample.query, term) for term in terms))
    if failure := of_failure("weights", answers):
        return failure
    plain, *rest = [answer for answer in answers if isinstance(answer, Ranking)]
    if any(_places(plain) != _places(answer) for answer in rest[::2]):
        advice = "A term of weight 0 must not be sent to the engine: as a clause it still matches."
        return Finding("weights", "a term of weight 0 changes the ranking", "problem", advice)
    moved = [
        (_place(plain, id) - _place(answer, id), id, word, answer)
        for (id, word), answer in zip(tried, rest[1::2], strict=True)
    ]
    _, id, word, answer = max(moved, key=lambda one: one[0])
    up = sum(step > 0 for step, *_ in moved)
    if up == 0:
        advice = (
            "Rewards come from moved documents. Check that the engine sorts by score (a template may sort by something else), "
            "and that the fields searched are those that hold the words."
        )
        return Finding("weights", f"none of {len(tried)} heavy terms moves a document up", "problem", advice)
    seen = f"'{sample.query}' with '{word}' ^{HEAVY:g} moves {id} from place {_place(plain, id) + 1} to "
    seen += f"{_place(answer, id) + 1} ({up} of {len(tried)} terms moved theirs); weight 0 changes nothing"
    return Finding("weights", seen)


def matching(patient: Patient) -> Finding:
    """With match=widen an expansion rescues a query that finds nothing, with match=rerank it must not."""
    (alone,) = patient.search((UNKNOWN, ()))
    (beside,) = patient.expanded(UNKNOWN, [patient.sample.query])
    if failure := of_failure("matching", [alone, beside]):
        return failure
    assert isinstance(alone, Ranking)
    assert isinstance(beside, Ranking)
    match, mode = patient.backend.options.match, patient.expansion.mode
    if alone.hits:
        seen = f"the made-up word '{UNKNOWN}' finds {len(alone.hits)} documents (vectors, n-grams, or a query that matches all): "
        return Finding("matching", f"{seen}whether match={match} holds cannot be told", "note")
    rescued = bool(beside.hits)
    if rescued == (match == "widen"):
        does = "is rescued by an expansion" if rescued else "stays empty with an expansion"
        return Finding("matching", f"a query that finds nothing {does}, as match={match} says (mode {mode})")
    does = "is not rescued by an expansion" if match == "widen" else "is widened by an expansion"
    advice = f"The backend does not keep to match={match}. With a template, check that it leaves expansions beside the query."
    return Finding(
        "matching", f"a query that finds nothing {does}, against match={match} (mode {mode})", "problem", advice
    )


def hostile(patient: Patient) -> Finding:
    """Syntax of other engines, as a query and as an expansion, may find no more than its words do."""
    allowed = [_words_find(patient, text) for text in HOSTILE]
    asked: list[tuple[str, list[Ranking | SearchError]]] = [("", patient.search(*((text, ()) for text in HOSTILE)))]
    if patient.expansion.mode == "boost" and patient.backend.options.match == "widen":
        asked.append((" as an expansion", patient.expanded(UNKNOWN, HOSTILE)))
    refused = undecided = unanswered = 0
    for how, answers in asked:
        for text, answer, most in zip(HOSTILE, answers, allowed, strict=True):
            if isinstance(answer, SearchError):
                refused += 1
                if answer.kind == "transient" and (failure := of_failure("hostile text", answers)):
                    return failure
                if answer.kind != "query":
                    advice = "A text must never break the engine: send it as data, or answer with a SearchError of kind query."
                    return Finding("hostile text", f"{text[:40]}{how}: {answer.message}", "problem", advice)
            elif most is None:
                undecided += 1
            elif isinstance(most, SearchError):
                unanswered += 1
            elif beyond := set(answer.ids) - most:
                advice = (
                    "Text reaches a query parser. Send it in structured clauses or quoted as the engine's manual says; in a "
                    "template, put it only where the engine takes plain text."
                )
                seen = f"{text[:40]}{how} finds {len(beyond)} documents that its words do not"
                return Finding("hostile text", seen, "problem", advice)
    seen = f"{len(HOSTILE) * len(asked)} texts of query syntax find no more than their words"
    more = [f"{refused} refused" if refused else "", f"{undecided} find too much to tell" if undecided else ""]
    if unanswered:
        first = next(found for found in allowed if isinstance(found, SearchError))
        more.append(f"{unanswered} cannot be told, as the search for their words failed ({first.message})")
    return Finding("hostile text", ", ".join(part for part in (seen, *more) if part))


def repeating(patient: Patient) -> Finding:
    """The same batch, five times: order and scores must be equal, or rewards are noise."""
    batch = [(text, ()) for text in patient.sample.texts[:20]]
    rounds = [patient.search(*batch, k=20) for _ in range(5)]
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


CHECKS: tuple[Callable[[Patient], Finding], ...] = (terms, weights, matching, hostile, repeating)
"""In the order they are made."""


def _movable(sample: Sample) -> Iterator[tuple[str, str]]:
    """Hits below the first, each with words that the first and the query don't have: the last hits first."""
    first, *rest = sample.ranking.ids
    known = {*sample.words(first), *sample.query.lower().split()}
    for id in reversed(rest):
        own = [word for word in sample.words(id) if word not in known]
        yield from ((id, word) for word in sorted(own, key=len, reverse=True)[:3])


def _place(ranking: Ranking, id: str) -> int:
    return ranking.ids.index(id) if id in ranking.ids else len(ranking.ids)


def _places(ranking: Ranking) -> list[tuple[str, float]]:
    return [(hit.id, round(hit.score, 4)) for hit in ranking.hits]


def _words_find(patient: Patient, text: str) -> set[str] | SearchError | None:
    """Ids that the text's words find, all signs taken out; None where there are too many to tell a widened search by.

    A failed search is no empty one: its error is the answer.
    """
    # the module `regex` counts marks as part of a word, as engines do
    plain = {regex.sub(r"[^\w\s]", " ", text), regex.sub(r"[^\w\s]|_", " ", text)}
    answers = patient.search(*((" ".join(words.split()), ()) for words in sorted(plain)))
    found: set[str] = set()
    for answer in answers:
        if isinstance(answer, SearchError):
            return answer
        if len(answer.hits) == DEEP:
            return None
        found |= set(answer.ids)
    return found
