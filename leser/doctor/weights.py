"""What the doctor tries of terms' weights: that each term adds to scores, by its weight, and takes nothing away."""

from __future__ import annotations

from itertools import islice
from math import isclose
from statistics import median

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.contract.texts import UNKNOWN
from leser.doctor.asking import HEAVY, Broken, answers_of, scores_of
from leser.doctor.clauses import CLOSE, TRIED, movable
from leser.doctor.finding import Finding
from leser.doctor.subject import Subject


def weights(subject: Subject) -> Finding:
    """A heavy term must move a document that holds it up, by its weight, and a term of weight 0 must change nothing."""
    if not subject.can("term_weights"):
        return Finding("weights", "not tried: the backend has no term weights", "note")
    sample = subject.sample
    tried = list(islice(movable(subject), TRIED))
    if not tried:
        return Finding("weights", f"not tried: the hits of '{sample.query}' have no word of their own", "note")
    plain = subject.ranking(sample.query)
    heavy = [subject.ranking(sample.query, Term(word, HEAVY)) for _, word in tried]
    one = [subject.ranking(sample.query, Term(word)) for _, word in tried]
    _count(subject, plain, one, heavy, [word for _, word in tried])
    if odd := _disproportion(plain, one, heavy, tried):
        return odd
    moved = [
        (_place(plain, id) - _place(answer, id), id, word, answer)
        for (id, word), answer in zip(tried, heavy, strict=True)
    ]
    _, id, word, answer = max(moved, key=lambda one: one[0])
    up = sum(step > 0 for step, *_ in moved)
    if up == 0:
        advice = (
            "Rewards come from moved documents. Check that the engine sorts by score (a template may sort by something else), "
            "and that the fields searched are those that hold the words."
        )
        raise Broken(f"none of {len(tried)} heavy terms moves a document up", advice)
    if wrong := _no_weight(subject, tried[0][1]):
        return wrong
    seen = f"'{sample.query}' with '{word}' ^{HEAVY:g} moves {id} from place {_place(plain, id) + 1} to "
    seen += f"{_place(answer, id) + 1} ({up} of {len(tried)} terms moved theirs); weight 0 changes nothing"
    return Finding("weights", seen)


def _count(subject: Subject, plain: Ranking, one: list[Ranking], heavy: list[Ranking], words: list[str]) -> None:
    """Raise Broken where terms or their weights are ignored, or a weight of 0 is not."""
    if all(_same(ranking, plain) for ranking in heavy):
        advice = (
            "Add each term as a clause beside the query's text, in fields that hold the words; sort by score (a template may "
            "sort by something else)."
        )
        raise Broken(f"{len(words)} heavy terms move no document up: terms are not searched with", advice)
    if all(_same(light, ranking) for light, ranking in zip(one, heavy, strict=True)):
        advice = "Multiply what a term's clause scores by term.weight."
        raise Broken(f"a term counts the same whatever the weight, 1 or {HEAVY:g}", advice)
    zero = [subject.ranking(subject.sample.query, Term(word, 0.0)) for word in words]
    unknown = [subject.ranking(UNKNOWN, Term(word, 0.0)) for word in words[:3]]
    if any(found.hits for found in unknown) or not all(_same(ranking, plain) for ranking in zero):
        advice = "A term of weight 0 must not be sent to the engine: as a clause it still matches."
        raise Broken("a term of weight 0 changes the ranking", advice)


def _disproportion(
    plain: Ranking, one: list[Ranking], heavy: list[Ranking], tried: list[tuple[str, str]]
) -> Finding | None:
    """A warning where weight 8 adds another multiple than 8 of what weight 1 adds to a document's score."""
    base, factors = scores_of(plain), []
    for (id, _), light, strong in zip(tried, one, heavy, strict=True):
        if not (id in base and id in light.ids and id in strong.ids):
            continue
        added, more = (scores_of(ranking)[id] - base[id] for ranking in (light, strong))
        if added > CLOSE * abs(base[id]):
            factors.append(more / added)
    if not factors or abs(median(factors) - HEAVY) <= 0.05 * HEAVY:
        return None
    advice = (
        "A weight multiplies what its term adds, once and without bounds; else expansion.weight means something else."
    )
    seen = f"a term of weight {HEAVY:g} adds {median(factors):.3g} times what weight 1 adds, not {HEAVY:g} times"
    return Finding("weights", seen, "warning", advice)


def _no_weight(subject: Subject, word: str) -> Finding | None:
    """A warning where a weight below 0 is searched with, or refused as what may pass."""
    query = ExpandedQuery("negative", subject.sample.query, (Term(word, -1.0),))
    answer, after = answers_of(subject.backend, [query, ExpandedQuery("after", subject.sample.query)])
    if isinstance(answer, SearchError) and isinstance(after, SearchError):
        advice = "A SearchError stands in the place of its query and leaves the others of the batch alone."
        raise Broken(f"a query that is refused takes the next one with it: {after.message}", advice)
    if isinstance(answer, SearchError) and answer.kind == "query":
        return None
    does = f"is refused as {answer.kind}" if isinstance(answer, SearchError) else "is searched with"
    advice = 'Answer with a SearchError of kind "query": no retry helps, and nothing else is wrong.'
    return Finding("weights", f"a term of weight -1 {does}", "warning", advice)


def _place(ranking: Ranking, id: str) -> int:
    return ranking.ids.index(id) if id in ranking.ids else len(ranking.ids)


def _same(one: Ranking, other: Ranking) -> bool:
    """Whether two rankings are the same but for what a drift of scores may come to."""
    scores = zip(one.hits, other.hits, strict=False)
    return one.ids == other.ids and all(isclose(a.score, b.score, rel_tol=1e-3) for a, b in scores)
