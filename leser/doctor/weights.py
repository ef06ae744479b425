"""What the doctor tries of terms' weights: that each term adds to scores, by its weight, and takes nothing away."""

from __future__ import annotations

from itertools import islice
from math import isclose
from statistics import median

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.contract.texts import UNKNOWN
from leser.doctor.asking import DEEP, HEAVY, Broken, answers_of
from leser.doctor.clauses import CLOSE, TRIED, movable
from leser.doctor.finding import Finding
from leser.doctor.patient import Patient

MANY = 100


def weights(patient: Patient) -> Finding:
    """A heavy term must move a document that holds it up, by its weight, and a term of weight 0 must change nothing."""
    if not patient.can("term_weights"):
        return Finding("weights", "not tried: the backend has no term weights", "note")
    sample = patient.sample
    tried = list(islice(movable(patient), TRIED))
    if not tried:
        return Finding("weights", f"not tried: the hits of '{sample.query}' have no word of their own", "note")
    plain = patient.ranking(sample.query)
    heavy = [patient.ranking(sample.query, Term(word, HEAVY)) for _, word in tried]
    one = [patient.ranking(sample.query, Term(word)) for _, word in tried]
    _count(patient, plain, one, heavy, [word for _, word in tried])
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
    if wrong := _no_weight(patient, tried[0][1]):
        return wrong
    seen = f"'{sample.query}' with '{word}' ^{HEAVY:g} moves {id} from place {_place(plain, id) + 1} to "
    seen += f"{_place(answer, id) + 1} ({up} of {len(tried)} terms moved theirs); weight 0 changes nothing"
    return Finding("weights", seen)


def _count(patient: Patient, plain: Ranking, one: list[Ranking], heavy: list[Ranking], words: list[str]) -> None:
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
    zero = [patient.ranking(patient.sample.query, Term(word, 0.0)) for word in words]
    unknown = [patient.ranking(UNKNOWN, Term(word, 0.0)) for word in words[:3]]
    if any(found.hits for found in unknown) or not all(_same(ranking, plain) for ranking in zero):
        advice = "A term of weight 0 must not be sent to the engine: as a clause it still matches."
        raise Broken("a term of weight 0 changes the ranking", advice)


def _disproportion(
    plain: Ranking, one: list[Ranking], heavy: list[Ranking], tried: list[tuple[str, str]]
) -> Finding | None:
    """A warning where weight 8 adds another multiple than 8 of what weight 1 adds to a document's score."""
    base, factors = _scores(plain), []
    for (id, _), light, strong in zip(tried, one, heavy, strict=True):
        if not (id in base and id in light.ids and id in strong.ids):
            continue
        added, more = (_scores(ranking)[id] - base[id] for ranking in (light, strong))
        if added > CLOSE * abs(base[id]):
            factors.append(more / added)
    if not factors or abs(median(factors) - HEAVY) <= 0.05 * HEAVY:
        return None
    advice = (
        "A weight multiplies what its term adds, once and without bounds; else expansion.weight means something else."
    )
    seen = f"a term of weight {HEAVY:g} adds {median(factors):.3g} times what weight 1 adds, not {HEAVY:g} times"
    return Finding("weights", seen, "warning", advice)


def _no_weight(patient: Patient, word: str) -> Finding | None:
    """A warning where a weight below 0 is searched with, or refused as what may pass."""
    query = ExpandedQuery("negative", patient.sample.query, (Term(word, -1.0),))
    (answer,) = answers_of(patient.backend, [query])
    if isinstance(answer, SearchError) and answer.kind == "query":
        return None
    does = f"is refused as {answer.kind}" if isinstance(answer, SearchError) else "is searched with"
    advice = 'Answer with a SearchError of kind "query": no retry helps, and nothing else is wrong.'
    return Finding("weights", f"a term of weight -1 {does}", "warning", advice)


def several(patient: Patient) -> Finding:
    """Terms stand beside the query and beside each other: none takes another's place, however many there are."""
    if not patient.can("term_weights"):
        return Finding("terms", "not tried: the backend has no term weights", "note")
    sample = patient.sample
    tried = list(islice(movable(patient), TRIED))
    if not tried:
        return Finding("terms", f"not tried: the hits of '{sample.query}' have no word of their own", "note")
    (id, word), (other_id, other) = tried[0], next((pair for pair in tried if pair[0] != tried[0][0]), tried[-1])
    plain = patient.scores(sample.query)
    one, two = patient.scores(sample.query, Term(word)), patient.scores(sample.query, Term(other))
    holders = patient.all_of(word)
    for d, score in plain.items() if len(one) < DEEP else ():
        if holders is not None and d not in holders and abs(one.get(d, 0.0) - score) > CLOSE * abs(score):
            seen = f"with the term '{word}' beside '{sample.query}' the score of {d}, a hit of the query itself, is another"
            raise Broken(seen, "A term adds to scores: leave the query's own clause as it is without terms.")
    if other != word:
        both = patient.scores(sample.query, Term(word), Term(other))
        expected = {id: one.get(id, 0.0)} | {other_id: two.get(other_id, 0.0)}
        if len(both) < DEEP and any(both.get(d, 0.0) < (1 - CLOSE) * score for d, score in expected.items()):
            raise Broken(
                f"of the terms '{word}' and '{other}' only one counts", "Add a clause for each of query.terms."
            )
    doubled = _doubled(patient, plain, word, id, one)
    if doubled:
        return doubled
    count = min(MANY, patient.config.search.max_clauses - len(sample.query.split()) - 1)
    unknown = tuple(Term(f"{UNKNOWN}{number}") for number in range(count - 1))
    (answer,) = answers_of(patient.backend, [ExpandedQuery("many", sample.query, (*unknown, Term(word)))])
    if isinstance(answer, SearchError):
        raise Broken(f"a query of {count} terms is refused: {answer.message}", "Raise the engine's limit of clauses, or lower "
                     "-o search.max_clauses to what it takes.")  # fmt: skip
    if abs(_scores(answer).get(id, 0.0) - one.get(id, 0.0)) > CLOSE * abs(one.get(id, 0.0)):
        seen = f"of {count} terms the last is left out: '{word}' no longer counts for {id}"
        raise Broken(seen, "Send all terms: LESER sends no more than search.max_clauses.")
    return Finding("terms", f"two terms both count, and so does the last of {count}")


def _doubled(patient: Patient, plain: dict[str, float], word: str, id: str, one: dict[str, float]) -> Finding | None:
    """A warning where a term of weight 1 counts for much more or less than the same word in the query."""
    within = patient.scores(f"{patient.sample.query} {word}")
    as_term, as_word = (scores.get(id, 0.0) - plain.get(id, 0.0) for scores in (one, within))
    if min(as_term, as_word) <= 0 or 0.7 < as_term / as_word < 1.4:
        return None
    seen = f"a term of weight 1 counts {as_term / as_word:.2g} times what the same word counts in the query ('{word}', {id})"
    return Finding(
        "terms", seen, "warning", "Search a term in the same fields, with the same weights, as the query's text."
    )


def _place(ranking: Ranking, id: str) -> int:
    return ranking.ids.index(id) if id in ranking.ids else len(ranking.ids)


def _same(one: Ranking, other: Ranking) -> bool:
    """Whether two rankings are the same but for what a drift of scores may come to."""
    scores = zip(one.hits, other.hits, strict=False)
    return one.ids == other.ids and all(isclose(a.score, b.score, rel_tol=1e-3) for a, b in scores)


def _scores(ranking: Ranking) -> dict[str, float]:
    return {hit.id: hit.score for hit in ranking.hits}
