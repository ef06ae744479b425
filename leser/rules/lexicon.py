"""Lexicon: many words and phrases looked for at once, past every spelling trick.

Single words go into one Aho-Corasick automaton (pyahocorasick), which costs the same for ten words and for ten thousand.
Word boundaries are ours: texts and entries are padded with spaces, so " ban " is not in " urban ". A phrase is named when
one search holds all its words, in whatever order: that is what the search engine sees. In mode `boost` all expansions make
one search, so "air; jordan" names "Air Jordan".

Where the engine can analyse text, entries are compared by index term too: where it stems, "wines" is "wine". A plural or
genitive in -s is known without it: stemmers leave some alone (German ones "wodkas"), and others analyse nothing. Of brands
it is not: with an -s many are words ("Swatch", "Coach", "Boot"). "Zeta's" holds "zeta" by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ahocorasick  # type: ignore[import-not-found]  # a C extension without stubs

from leser.errors import LeserError
from leser.folding import Folded
from leser.rule import Proposal, Site
from leser.textfile import read_text

Bag = Counter[str]
_COMMENT = re.compile(r"(?:^|\s)#.*")
JOINED = 6
"""Letters that a phrase needs to be looked for as one word too: shorter ones make other words ("pen is")."""
INFLECTED = 4
"""Letters that a word needs to be known with an -s after it: shorter ones make other words ("as", "ass")."""


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """An entry (its number) that an expansion names; `at` is None where several name it together."""

    entry: int
    at: int | None


class _Phrases:
    """Bags of words, found when all of a bag's words are in another, as often; looked up by each bag's longest word."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[tuple[Bag, int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_word)

    def add(self, words: Iterable[str], entry: int) -> None:
        needed = Counter(words)
        self._by_word.setdefault(max(needed, key=lambda w: (len(w), w)), []).append((needed, entry))

    def suspects(self, bag: Set[str]) -> bool:
        """False only when none of the phrases can be in this bag nor in a part of it."""
        return not self._by_word.keys().isdisjoint(bag)

    def find(self, bag: Bag) -> Iterator[int]:
        """The entries of all phrases that the bag holds."""
        for word in self._by_word.keys() & bag.keys():
            for needed, entry in self._by_word[word]:
                if needed <= bag:
                    yield entry


class _Index:
    """One way to compare: single words in an automaton, phrases by their words."""

    def __init__(self, entries: Sequence[Folded], *, inside: bool, plurals: bool) -> None:
        words: dict[str, list[int]] = {}
        joined: dict[str, list[int]] = {}
        self._phrases = _Phrases()
        for number, folded in enumerate(entries):
            written = [reading.split() for reading in folded.readings]
            for parts in (form for reading in written for form in _forms(reading)) if plurals else written:
                if len(parts) == 1:
                    words.setdefault(parts[0], []).append(number)
                elif parts:
                    self._phrases.add(parts, number)
                    if sum(map(len, parts)) >= JOINED:  # "airjordan" is how a phrase hides as a word
                        joined.setdefault("".join(parts), []).append(number)
        whole = [*joined.items(), *(() if inside else words.items())]
        self._automaton = _automaton([*((f" {w} ", n) for w, n in whole), *(words.items() if inside else ())])
        self._in_runs = _automaton([(w, n) for w, n in (*words.items(), *joined.items()) if len(w) > 1])

    def suspects(self, text: str, bag: Set[str]) -> bool:
        """False only when nothing of the list stands in this text, whose words are `bag`; runs are not looked at."""
        if self._automaton is not None and next(self._automaton.iter(text), None) is not None:
            return True
        return self._phrases.suspects(bag)

    def words_in(self, folded: Folded) -> Iterator[int]:
        """Numbers of the single words in a text, and of those that begin or end anywhere in its runs of characters."""
        for automaton, texts in ((self._automaton, folded.readings), (self._in_runs, folded.runs)):
            if automaton is not None:
                for text in texts:
                    for _, numbers in automaton.iter(text):
                        yield from numbers

    def phrases_in(self, texts: Iterable[Folded]) -> Iterator[int]:
        """Numbers of the phrases whose words all stand in these texts."""
        return self._phrases.find(_sum(_most(reading.split() for reading in folded.readings) for folded in texts))


class _Terms:
    """Entries by index term: words that are one term, phrases by their terms."""

    def __init__(self) -> None:
        self._words: dict[str, list[int]] = {}
        self._phrases = _Phrases()

    def __bool__(self) -> bool:
        return bool(self._words or self._phrases)

    def add(self, terms: Sequence[str], entry: int, *, one_word: bool) -> None:
        if one_word and len(set(terms)) == 1:
            self._words.setdefault(terms[0], []).append(entry)
        elif len(terms) > 1:  # of a phrase that stop words left one term of, that term alone says too little
            self._phrases.add(terms, entry)

    def suspects(self, bag: Set[str]) -> bool:
        return not self._words.keys().isdisjoint(bag) or self._phrases.suspects(bag)

    def find(self, terms: Sequence[str]) -> Iterator[int]:
        for term in terms:
            yield from self._words.get(term, ())
        yield from self._phrases.find(Counter(terms))

    def phrases_in(self, bag: Bag) -> Iterator[int]:
        return self._phrases.find(bag)


class Lexicon:
    """A list of words and phrases, compiled for one site.

    `inside` also finds a single word within a longer one (compounds: "pelz" in "pelzmantel"). `plurals` also finds entries
    with an -s, whatever the engine stems; not meant for brands.
    """

    def __init__(
        self, entries: Sequence[str], site: Site, *, inside: bool = False, analysed: bool = True, plurals: bool = True
    ) -> None:
        self.entries = tuple(entries)
        self._site = site
        both = [site.folder.both(entry) for entry in self.entries]
        for entry, (_, stripped) in zip(self.entries, both, strict=True):
            if not stripped.words:
                raise LeserError(f"'{entry}' in a rule's list holds no letter and no digit: it can never be found.")
        self._strict = self._clean = _Index([stripped for _, stripped in both], inside=inside, plurals=plurals)
        if site.folder.letters:
            self._clean = _Index([plain for plain, _ in both], inside=inside, plurals=plurals)
        self._terms = _Terms()
        self._strict_terms = _Terms() if site.folder.letters else self._terms
        if analysed and self.entries and "analyze" in site.words.capabilities:
            self._add_terms(
                self._terms, [(entry, *plain.readings) for entry, (plain, _) in zip(self.entries, both, strict=True)]
            )
            if site.folder.letters:
                self._add_terms(self._strict_terms, [stripped.readings for _, stripped in both])

    def _add_terms(self, index: _Terms, written: Sequence[tuple[str, ...]]) -> None:
        """Each entry in its ways of writing; an engine that knows marks has other terms for it than for its plain letters."""
        pairs = [
            (number, text)
            for number, texts in enumerate(written)
            for text in dict.fromkeys(text.strip() for text in texts)
        ]
        # in batches: an engine on a server takes one request each
        for start in range(0, len(pairs), 1000):
            part = pairs[start : start + 1000]
            analysed = self._site.words.analyze([text for _, text in part])
            for (number, text), terms in zip(part, analysed, strict=True):
                index.add(terms, number, one_word=len(self._site.folder.both(text)[1].words) == 1)

    def find(self, proposal: Proposal) -> Iterator[NamedEntry]:
        """Every entry that the expansions name; an entry may come up more than once."""
        if not self._suspects(proposal):
            return
        for at, folded in enumerate(proposal.folded):
            index = self._strict if folded.strict else self._clean
            for entry in index.words_in(folded):
                yield NamedEntry(entry, at)
            for entry in index.phrases_in((folded,)):
                yield NamedEntry(entry, at)
            for entry in self._by_terms(proposal, at + 1, folded):
                yield NamedEntry(entry, at)
        if proposal.one_search and len(proposal.expansions) > 1:
            for entry in self._together(proposal):
                yield NamedEntry(entry, None)

    def _suspects(self, proposal: Proposal) -> bool:
        """A quick look at all expansions at once, which nearly every completion passes."""
        if proposal.strict or any(folded.runs for folded in proposal.folded):
            return True
        if self._clean.suspects(proposal.running_text, proposal.bag):
            return True
        return bool(self._terms) and self._terms.suspects(proposal.term_bag)

    def _together(self, proposal: Proposal) -> Iterator[int]:
        if proposal.strict:
            stripped = [self._site.folder.both(e.text)[1] for e in proposal.expansions]
            yield from self._strict.phrases_in(stripped)
        else:
            yield from self._clean.phrases_in(proposal.folded)
        if self._terms or self._strict_terms:
            rows = zip(proposal.terms[1:], proposal.terms_as_read[1:], strict=True)
            bag = _sum(_most((written, *read)) for written, read in rows)
            yield from self._terms.phrases_in(bag)
            if proposal.strict:
                yield from self._strict_terms.phrases_in(bag)

    def _by_terms(self, proposal: Proposal, place: int, folded: Folded) -> Iterator[int]:
        """The entries that the query (place 0) or an expansion (from 1) names by index terms, however it is written."""
        if not self._terms and not self._strict_terms:
            return
        yield from self._terms.find(proposal.terms[place])
        as_read = self._strict_terms if folded.strict else self._terms
        for terms in proposal.terms_as_read[place]:
            yield from as_read.find(terms)

    def in_query(self, proposal: Proposal) -> frozenset[int]:
        """The entries that the query itself names."""
        folded = proposal.asked
        index = self._strict if folded.strict else self._clean
        return frozenset((*index.words_in(folded), *index.phrases_in((folded,)), *self._by_terms(proposal, 0, folded)))


def _forms(parts: list[str]) -> Iterator[list[str]]:
    """The words of an entry as they stand, and with the last one's plural or genitive in -s."""
    yield parts
    last = parts[-1] if parts else ""
    if len(last) >= INFLECTED and last.isalpha():
        ending = "es" if last.endswith(("s", "x", "z", "ch", "sh")) else "s"
        yield [*parts[:-1], last + ending]
        if last.endswith("y"):
            yield [*parts[:-1], f"{last[:-1]}ies"]


def _automaton(words: Iterable[tuple[str, Sequence[int]]]) -> Any | None:
    """One automaton for these words and the entries each stands for; None without any."""
    entries: dict[str, tuple[int, ...]] = {}
    for word, numbers in words:
        entries[word] = (*entries.get(word, ()), *numbers)
    if not entries:
        return None
    automaton = ahocorasick.Automaton()
    for word, found in entries.items():
        automaton.add_word(word, found)
    automaton.make_automaton()
    return automaton


def _most(readings: Iterable[Iterable[str]]) -> Bag:
    """Each word as often as the reading has it that has it most often."""
    most: Bag = Counter()
    for words in readings:
        most |= Counter(words)
    return most


def _sum(bags: Iterable[Bag]) -> Bag:
    total: Bag = Counter()
    for bag in bags:
        total.update(bag)
    return total


def read_list(path: Path, rule: str) -> list[str]:
    """The entries of a UTF-8 file, one per line; # begins a comment, at a line's start or after a space. Raises LeserError."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise LeserError(f"The list {path} of the rule '{rule}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise LeserError(f"The list {path} of the rule '{rule}' is not UTF-8: {error.reason}.") from None
    return [entry for line in lines if (entry := _COMMENT.sub("", line).strip())]


def entries_of(words: Iterable[str], files: Iterable[Path], rule: str) -> list[str]:
    """The words and the files' entries, each once, in order."""
    listed = list(dict.fromkeys([*(w.strip() for w in words), *(e for file in files for e in read_list(file, rule))]))
    return [entry for entry in listed if entry]
