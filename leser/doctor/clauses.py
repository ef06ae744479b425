"""What the doctor tries of how terms match: negation excludes, and any, all, phrases and fields are what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.contract.texts import UNKNOWN
from leser.doctor.answers import NO_FIELD
from leser.doctor.asking import Broken, answers_of
from leser.doctor.finding import Finding
from leser.doctor.subject import Subject

TRIED = 12
CLOSE = 0.02
_PAIR = re.compile(r"(?<!\w)([^\W\d_]{3,}) ([^\W\d_]{3,})(?!\w)")


def negation(subject: Subject) -> Finding:
    """A negated term excludes what holds it, and nothing else."""
    query, plain = subject.sample.query, subject.scores(subject.sample.query)
    # a word of a field that is not searched excludes nothing
    words = islice(movable(subject), TRIED) if subject.can("term_weights") else ()
    counting = {d: w for d, w in words if subject.scores(query, Term(w)).get(d, 0.0) > plain.get(d, 0.0)}
    tried = list(counting.items())[:3]
    if not tried:
        return Finding("negation", "not tried: no term weights, or no word of a hit's own", "note")
    advice = "A negated term is a clause that must not match, of the whole query; its score counts for nothing."
    for id, word in tried:
        found = subject.scores(query, Term(word, negate=True))
        if found.get(id, 0.0) > plain.get(id, 0.0) * (1 + CLOSE):
            raise Broken(f"'{word}' excluded beside '{query}': {id} holds it and rises: it is searched for", advice)
        if id in found:
            raise Broken(f"'{word}' excluded beside '{query}': {id} holds it and is not excluded", advice)
        if id in subject.scores(query, Term(word, 0.1, negate=True)):
            raise Broken(f"'{word}' excluded with weight 0.1: {id} holds it and is not excluded", advice)
        holders = subject.all_of(word)
        if holders is not None and (gone := set(plain) - set(found) - holders):
            raise Broken(f"'{word}' excluded beside '{query}': {min(gone)} does not hold it and is gone, too", advice)
    together = subject.scores(query, *(Term(word, negate=True) for _, word in tried))
    if stayed := [id for id, _ in tried if id in together]:
        raise Broken(f"of {len(tried)} words excluded together not all are: {stayed[0]} is still found", advice)
    return Finding("negation", f"{len(tried)} words excluded beside '{query}': what holds them is gone, the rest stays")


def any_and_all(subject: Subject) -> Finding:
    """A term of several words finds what holds any of them, or all of them."""
    pair = _two_words(subject)
    if not subject.widens or pair is None:
        return Finding(
            "any, all", "not tried: needs term weights, match=widen, and hits with words of their own", "note"
        )
    one, other = pair
    ones, others = subject.all_of(one), subject.all_of(other)
    some = subject.all_of(UNKNOWN, Term(f"{one} {other}", match="any"))
    both = subject.all_of(UNKNOWN, Term(f"{one} {other}", match="all"))
    if None in (ones, others, some, both) or subject.all_of(UNKNOWN):
        return Finding("any, all", f"not tried: '{one}', '{other}' or a made-up word find too much to decide", "note")
    assert ones is not None and others is not None and some is not None and both is not None  # noqa: PT018
    if lost := (ones | others) - some:
        raise Broken(
            f"the term '{one} {other}' (any) does not find {min(lost)}, which holds one of its words",
            'match="any" requires one of the words, match="all" every word.',
        )
    if more := both - (ones & others):
        raise Broken(
            f"the term '{one} {other}' (all) finds {len(more)} documents that hold not all of its words",
            'match="any" requires one of the words, match="all" every word.',
        )
    return Finding(
        "any, all", f"'{one} {other}' finds {len(some)} documents with any, {len(both)} with all of its words"
    )


def phrases(subject: Subject) -> Finding:
    """A phrase finds documents that hold its words next to each other, in its order."""
    if not (subject.widens and subject.can("phrases")):
        return Finding("phrases", "not tried: needs the capability 'phrases' and match=widen", "note")
    advice = "Send a phrase as the engine's own phrase clause, with no words allowed between (slop 0)."
    tried = list(islice(_phrases(subject), 5))
    in_order: list[bool] = []
    in_turn: list[tuple[str, str]] = []
    for id, first, second in tried:
        both = subject.all_of(UNKNOWN, Term(f"{first} {second}", match="all"))
        found = subject.all_of(UNKNOWN, Term(f"{first} {second}", match="phrase"))
        turned = subject.all_of(UNKNOWN, Term(f"{second} {first}", match="phrase"))
        if both is None or found is None or turned is None:
            continue
        if more := (found | turned) - both:
            raise Broken(
                f"the phrase '{first} {second}' finds {len(more)} documents that hold not all of its words", advice
            )
        in_order.append(id in found)
        in_turn += [(id, f"{second} {first}")] if id in turned else []
    for id, phrase in in_turn:
        raise Broken(f"the phrase '{phrase}' finds {id}, where the words stand in another order", advice)
    if not in_order:
        return Finding("phrases", "not tried: no two words stand side by side in the documents found", "note")
    if not any(in_order):
        seen = f"none of {len(in_order)} phrases finds the document that it was taken from"
        return Finding("phrases", seen, "warning", "Check that the fields searched keep positions of words.")
    return Finding("phrases", f"{len(in_order)} phrases find what holds their words side by side and in order")


def fields(subject: Subject) -> Finding:
    """A term with a field finds what holds it there, and not what holds it elsewhere."""
    if not (subject.widens and subject.can("fields")):
        return Finding("in a field", "not tried: needs the capability 'fields' and match=widen", "note")
    advice = (
        "Search a term in its own field only; one in a field that the index lacks finds nothing, or is a SearchError of kind "
        '"query".'
    )
    tried = right = 0
    for id, word, own, other in islice(_in_one_field(subject), 6):
        answers = subject.search(*((UNKNOWN, (Term(word, field=name),)) for name in (own, other)))
        here, there = (answer if isinstance(answer, Ranking) else None for answer in answers)
        if there is not None and id in there.ids:
            raise Broken(f"'{word}' in the field '{other}' finds {id}, which holds it elsewhere ('{own}')", advice)
        if id not in subject.scores(word, Term(word, field=other, negate=True)) and id in subject.scores(word):
            raise Broken(f"'{word}' excluded in the field '{other}': {id}, which holds it in '{own}', is gone", advice)
        tried += here is not None
        right += here is not None and id in here.ids
    if tried and not right:
        seen = f"none of {tried} words is found in the field that holds it: the field may not be searched word by word"
        return Finding("in a field", seen, "warning", advice)
    held = next((word for id in subject.sample.ranking.ids for word in subject.sample.words(id)), subject.sample.query)
    (answer,) = answers_of(subject.backend, [ExpandedQuery("field", UNKNOWN, (Term(held, field=NO_FIELD),))])
    if isinstance(answer, SearchError) and answer.kind == "transient":
        raise Broken(f"a field that the index lacks ends as a transient error: {answer.message}", advice)
    if isinstance(answer, Ranking) and answer.hits:
        raise Broken(
            f"'{held}' in the field '{NO_FIELD}' finds {len(answer.hits)} documents, which hold it elsewhere", advice
        )
    return Finding("in a field", f"{right} of {tried} words are found in their own field, none in another")


def movable(subject: Subject) -> Iterator[tuple[str, str]]:
    """Hits below the first, each with words that the first and the query don't have: the last hits first."""
    sample = subject.sample
    first, *rest = sample.ranking.ids
    known = {*sample.words(first), *sample.query.lower().split()}
    for id in reversed(rest):
        own = [word for word in sample.words(id) if word not in known]
        yield from ((id, word) for word in sorted(own, key=len, reverse=True)[:3])


def _two_words(subject: Subject) -> tuple[str, str] | None:
    """Words of two different hits."""
    first = next(movable(subject), None)
    other = next((pair for pair in movable(subject) if first and pair[0] != first[0] and pair[1] != first[1]), None)
    return (first[1], other[1]) if first and other else None


def _phrases(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """A document's id and two different words that stand side by side in it, and in no text of it the other way round."""
    for id, document in subject.sample.documents.items():
        whole = " | ".join(document.fields.values()).lower()
        for match in _PAIR.finditer(whole):
            first, second = match.groups()
            if first != second and f"{second} {first}" not in whole:
                yield id, first, second
                break


def _in_one_field(subject: Subject) -> Iterator[tuple[str, str, str, str]]:
    """A document's id, a word of it, the one field that holds the word, and another field of the document."""
    for id, document in subject.sample.documents.items():
        texts = {name: text.lower() for name, text in document.fields.items() if text}
        for word in sorted(subject.sample.words(id), key=len, reverse=True):
            own = [name for name, text in texts.items() if word[:4] in text]
            others = [name for name in texts if name not in own and " " in texts[name]]
            if len(own) == 1 and others:
                yield id, word, own[0], others[0]
                break
