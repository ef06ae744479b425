"""Lexicon: many words and phrases looked for at once, past every spelling trick.

Single words go into one Aho-Corasick automaton (pyahocorasick), which costs the same for ten words and for ten thousand.
Word boundaries are ours: texts and entries are padded with spaces, so " ban " is not in " urban ". A phrase is named when
one search holds all its words, in whatever order: that is what the search engine sees. In mode `boost` all expansions make
one search, so "air; jordan" names "Air Jordan".

Where the engine can analyse text, entries are compared by index term too: where it stems, "wines" is "wine".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import ahocorasick  # type: ignore[import-not-found]  # a C extension without stubs

from leser.errors import LeserError
from leser.rules.folding import Folded
from leser.rules.rule import Proposal, Site

JOINED = 6
"""Letters that a phrase needs to be looked for as one word too: shorter ones make other words ("pen is")."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry (its number) that an expansion names; `at` is None where several name it together."""

    entry: int
    at: int | None


class _Phrases:
    """Sets of words, found when all of a set's words are in a bag; looked up by each set's longest word."""

    def __init__(self) -> None:
        self._by_word: dict[str, list[tuple[frozenset[str], int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_word)

    def add(self, words: Iterable[str], entry: int) -> None:
        needed = frozenset(words)
        self._by_word.setdefault(max(needed, key=lambda w: (len(w), w)), []).append((needed, entry))

    def suspects(self, bag: Set[str]) -> bool:
        """False only when none of the sets can be in this bag nor in a part of it."""
        return not self._by_word.keys().isdisjoint(bag)

    def find(self, bag: Set[str]) -> Iterator[int]:
        """The entries of all sets that the bag holds."""
        for word in self._by_word.keys() & bag:
            for needed, entry in self._by_word[word]:
                if needed <= bag:
                    yield entry


class _Index:
    """One way to compare: single words in an automaton, phrases by their words."""

    def __init__(self, entries: Sequence[Folded], *, inside: bool) -> None:
        words: dict[str, list[int]] = {}
        self._phrases = _Phrases()
        for number, folded in enumerate(entries):
            for reading in folded.readings:
                parts = reading.split()
                if len(parts) == 1:
                    words.setdefault(parts[0] if inside else f" {parts[0]} ", []).append(number)
                elif parts:
                    self._phrases.add(parts, number)
                    if sum(map(len, parts)) >= JOINED:  # "airjordan" is how a phrase hides as a word
                        words.setdefault(f" {''.join(parts)} ", []).append(number)
        self._automaton = ahocorasick.Automaton() if words else None
        if self._automaton is not None:
            for key, numbers in words.items():
                self._automaton.add_word(key, tuple(numbers))
            self._automaton.make_automaton()

    def suspects(self, text: str, bag: Set[str]) -> bool:
        """False only when nothing of the list stands in this text, whose words are `bag`."""
        if self._automaton is not None and next(self._automaton.iter(text), None) is not None:
            return True
        return self._phrases.suspects(bag)

    def words_in(self, folded: Folded) -> Iterator[int]:
        """Numbers of the single words in a text."""
        if self._automaton is not None:
            for reading in folded.readings:
                for _, numbers in self._automaton.iter(reading):
                    yield from numbers

    def phrases_in(self, texts: Iterable[Folded]) -> Iterator[int]:
        """Numbers of the phrases whose words all stand in these texts."""
        return self._phrases.find({word for folded in texts for reading in folded.readings for word in reading.split()})


class Lexicon:
    """A list of words and phrases, compiled for one site.

    `inside` also finds a single word within a longer one (compounds: "pelz" in "pelzmantel").
    """

    def __init__(self, entries: Sequence[str], site: Site, *, inside: bool = False, analysed: bool = True) -> None:
        self.entries = tuple(entries)
        self._site = site
        both = [site.folder.both(entry) for entry in self.entries]
        for entry, (_, stripped) in zip(self.entries, both, strict=True):
            if not stripped.words:
                raise LeserError(f"'{entry}' in a rule's list holds no letter and no digit: it can never be found.")
        self._strict = _Index([stripped for _, stripped in both], inside=inside)
        self._clean = _Index([plain for plain, _ in both], inside=inside) if site.folder.letters else self._strict
        self._terms: dict[str, list[int]] = {}
        self._term_sets = _Phrases()
        if analysed and self.entries and "analyze" in site.words.capabilities:
            self._add_terms([plain for plain, _ in both])

    def _add_terms(self, folded: Sequence[Folded]) -> None:
        # in batches: an engine on a server takes one request each
        for start in range(0, len(folded), 1000):
            part = folded[start : start + 1000]
            analysed = self._site.words.backend.analyze([" ".join(f.words) for f in part])
            for offset, (entry, terms) in enumerate(zip(part, analysed, strict=True)):
                distinct = set(terms)
                if len(distinct) == 1 and len(entry.words) == 1:
                    self._terms.setdefault(terms[0], []).append(start + offset)
                elif len(distinct) > 1:  # of a phrase that stop words left one term of, that term alone says too little
                    self._term_sets.add(distinct, start + offset)

    def find(self, proposal: Proposal) -> Iterator[Found]:
        """Every entry that the expansions name; an entry may come up more than once."""
        if not self._suspects(proposal):
            return
        for at, folded in enumerate(proposal.folded):
            index = self._strict if folded.strict else self._clean
            for entry in index.words_in(folded):
                yield Found(entry, at)
            for entry in index.phrases_in((folded,)):
                yield Found(entry, at)
        analysed = proposal.terms[1:] if self._terms or self._term_sets else []
        for at, terms in enumerate(analysed):
            for entry in self._entries_of(terms):
                yield Found(entry, at)
        if proposal.one_search and len(proposal.expansions) > 1:
            for entry in self._together(proposal, analysed):
                yield Found(entry, None)

    def _suspects(self, proposal: Proposal) -> bool:
        """A quick look at all expansions at once, which nearly every completion passes."""
        if proposal.strict or self._clean.suspects(proposal.running_text, proposal.bag):
            return True
        if not self._terms and not self._term_sets:
            return False
        return not self._terms.keys().isdisjoint(proposal.term_bag) or self._term_sets.suspects(proposal.term_bag)

    def _together(self, proposal: Proposal, analysed: Sequence[Sequence[str]]) -> Iterator[int]:
        if proposal.strict:
            stripped = [self._site.folder.both(e.text)[1] for e in proposal.expansions]
            yield from self._strict.phrases_in(stripped)
        else:
            yield from self._clean.phrases_in(proposal.folded)
        if analysed:
            yield from self._term_sets.find(proposal.term_bag)

    def _entries_of(self, terms: Sequence[str]) -> Iterator[int]:
        for term in terms:
            yield from self._terms.get(term, ())
        yield from self._term_sets.find(set(terms))

    def in_query(self, proposal: Proposal) -> frozenset[int]:
        """The entries that the query itself names."""
        folded = proposal.asked
        index = self._strict if folded.strict else self._clean
        found = {*index.words_in(folded), *index.phrases_in((folded,))}
        if self._terms or self._term_sets:
            found.update(self._entries_of(proposal.terms[0]))
        return frozenset(found)


def read_list(path: Path, rule: str) -> list[str]:
    """The entries of a UTF-8 file, one a line; empty lines and lines that begin with # don't count. Raises LeserError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise LeserError(f"The list {path} of the rule '{rule}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise LeserError(f"The list {path} of the rule '{rule}' is not UTF-8: {error.reason}.") from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def entries_of(words: Iterable[str], files: Iterable[Path], rule: str) -> list[str]:
    """The words and the files' entries, each once, in order."""
    listed = list(dict.fromkeys([*(w.strip() for w in words), *(e for file in files for e in read_list(file, rule))]))
    return [entry for entry in listed if entry]
