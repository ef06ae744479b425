"""What the doctor tries of terms together: each counts, beside the query and the others, however many and long they are."""

from __future__ import annotations

from itertools import islice

from leser.backend import ExpandedQuery, SearchError, Term
from leser.contract.texts import UNKNOWN
from leser.doctor.asking import DEEP, HEAVY, Broken, answers_of, scores_of
from leser.doctor.clauses import CLOSE, TRIED, movable
from leser.doctor.finding import Finding
from leser.doctor.subject import Subject

MANY = 100
LONG = 150
Pair = tuple[str, str]


def several(subject: Subject) -> Finding:
    """Terms stand beside the query and beside each other: none takes another's place, however many there are."""
    if not subject.can("term_weights"):
        return Finding("terms", "not tried: the backend has no term weights", "note")
    sample = subject.sample
    tried = list(islice(movable(subject), TRIED))
    if not tried:
        return Finding("terms", f"not tried: the hits of '{sample.query}' have no word of their own", "note")
    first, other = tried[0], next((pair for pair in tried if pair[0] != tried[0][0]), tried[-1])
    plain = subject.scores(sample.query)
    one = subject.scores(sample.query, Term(first[1]))
    _leaves_the_query(subject, first[1], plain, one)
    _adds_up(subject, first, other, one)
    if doubled := _doubled(subject, plain, first, one):
        return doubled
    _many(subject, first, one)
    _long(subject, first, one)
    return Finding("terms", f"two terms both count, and so does the last of {MANY} terms or {LONG} words")


def _leaves_the_query(subject: Subject, word: str, plain: dict[str, float], one: dict[str, float]) -> None:
    query, holders = subject.sample.query, subject.all_of(word)
    before = [subject.scores(query) for _ in range(2)][-1]  # two, since the first may follow a term
    subject.ranking(query, Term(word))
    if not _close(subject.scores(query), before):
        advice = "Keep nothing of a search for the next one: no query, no clauses, no answer by too short a key."
        raise Broken(
            f"'{query}' finds something else once it was searched for with a term: a search changes the next", advice
        )
    for id, score in plain.items() if len(one) < DEEP else ():
        if holders is not None and id not in holders and abs(one.get(id, 0.0) - score) > CLOSE * abs(score):
            seen = f"with the term '{word}' beside '{query}' the score of {id}, a hit of the query itself, is another"
            raise Broken(seen, "A term adds to scores: leave the query's own clause as it is without terms.")
    if not _close(subject.scores(query, Term("")), plain):
        advice = "A term without a word does nothing: leave it out, as it would match all or nothing."
        raise Broken(f"an empty term beside '{query}' changes what is found", advice)


def _adds_up(subject: Subject, first: Pair, other: Pair, one: dict[str, float]) -> None:
    """Two terms, and one given twice."""
    query, advice = subject.sample.query, "Add a clause for each of query.terms, with its own weight."
    (id, word), (other_id, other_word) = first, other
    if other_word != word:
        heavy = subject.scores(query, Term(other_word, HEAVY))
        both = subject.scores(query, Term(word), Term(other_word, HEAVY))
        least = {id: one.get(id, 0.0)} | {other_id: heavy.get(other_id, 0.0)}
        if len(both) < DEEP and any(both.get(d, 0.0) < (1 - CLOSE) * score for d, score in least.items()):
            raise Broken(
                f"of the terms '{word}' and '{other_word}' ^{HEAVY:g} only one counts as it does alone", advice
            )
    plain, twice = subject.scores(query), subject.scores(query, Term(word), Term(word))
    if id in plain and id in one and id in twice:
        added = one[id] - plain[id]
        if twice[id] - one[id] < 0.5 * added:
            raise Broken(f"the term '{word}', given twice, counts only once", advice)


def _doubled(subject: Subject, plain: dict[str, float], first: Pair, one: dict[str, float]) -> Finding | None:
    """A warning where a term of weight 1 counts for much more or less than the same word in the query."""
    id, word = first
    within = subject.scores(f"{subject.sample.query} {word}")
    as_term, as_word = (scores.get(id, 0.0) - plain.get(id, 0.0) for scores in (one, within))
    if min(as_term, as_word) <= 0 or 0.7 < as_term / as_word < 1.4:
        return None
    advice = "Search a term in the same fields, with the same weights, as the query's text."
    seen = f"a term of weight 1 counts {as_term / as_word:.2g} times what the same word counts in the query ('{word}', {id})"
    return Finding("terms", seen, "warning", advice)


def _many(subject: Subject, first: Pair, one: dict[str, float]) -> None:
    id, word = first
    count = max(2, min(MANY, subject.config.search.max_clauses - len(subject.sample.query.split()) - 1))
    unknown = tuple(Term(f"{UNKNOWN}{number}") for number in range(count - 1))
    query = ExpandedQuery("many", subject.sample.query, (*unknown, Term(word)))
    (answer,) = answers_of(subject.backend, [query])
    if isinstance(answer, SearchError):
        advice = "Raise the engine's limit of clauses, or lower -o search.max_clauses to what it takes."
        raise Broken(f"a query of {count} terms is refused: {answer.message}", advice)
    if abs(scores_of(answer).get(id, 0.0) - one.get(id, 0.0)) > CLOSE * abs(one.get(id, 0.0)):
        seen = f"of {count} terms the last is left out: '{word}' no longer counts for {id}"
        raise Broken(seen, "Send all terms: LESER sends no more than search.max_clauses.")


def _long(subject: Subject, first: Pair, one: dict[str, float]) -> None:
    """The last word of a long query, and of a long term, counts as it does in a short one."""
    search, (id, word) = subject.config.search, first
    words = " ".join(f"{UNKNOWN}{number}" for number in range(LONG))
    if len(words.split()) + 20 > search.max_clauses or len(words) + 200 > search.max_length:
        return
    alone, after = subject.all_of(word), subject.all_of(f"{words} {word}")
    if alone is not None and after is not None and (lost := alone - after):
        seen = f"of a query of {LONG} words the last is left out: '{word}' no longer finds {min(lost)}"
        raise Broken(seen, "Send a text as it is: LESER sends no more than search.max_length and max_clauses.")
    two, behind = (subject.scores(subject.sample.query, Term(f"{others} {word}")) for others in (UNKNOWN, words))
    if two.get(id, 0.0) < (1 - CLOSE) * one.get(id, 0.0):
        return  # it takes any of the words for all of them, which has a check of its own
    if behind.get(id, 0.0) < (1 - CLOSE) * one.get(id, 0.0):
        seen = f"of a term of {LONG} words the last is left out: '{word}' no longer counts for {id}"
        raise Broken(seen, "Send a term's text as it is: LESER sends no more than search.max_length and max_clauses.")


def _close(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[id] - other[id]) <= CLOSE * abs(other[id]) for id in other)
