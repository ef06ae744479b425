"""How a language puts a product's words together: read from grammar.toml, which explains the marks on words.

English needs hardly any of it: attributes stand before the type as they are. German inflects adjectives by the type's
gender, joins nouns, and puts the rest behind the type.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from leser_catalogue.words import data

_JOINS = re.compile(r"(.*\w)-([a-zäöü]{0,2})")


@dataclass(frozen=True, slots=True)
class Word:
    """A word or phrase: how it stands alone, its stem if it is an adjective to inflect, its form if it joins a noun."""

    plain: str
    stem: str | None = None
    joint: str | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A word for an attribute, and the pattern by which it may follow the type (empty: as it stands)."""

    word: Word
    after: str = ""
    after_adjectives: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """The grammar of one language; fields as in grammar.toml."""

    analysis: str
    title_case: bool
    attributes_first: bool
    articles: Mapping[str, str]
    accusative: Mapping[str, str]
    softened: Sequence[Sequence[str]]
    joined_letters: int
    share_joined_title: float
    share_joined_query: float
    share_written_out: float
    written_out: Mapping[str, str]
    prepositions: Sequence[str]
    after_order: Sequence[str]
    size_prefix: str
    size_label: str
    size_labels: Mapping[str, str]
    currency: str
    sizes: Mapping[str, Sequence[str]]

    def word(self, marked: str) -> Word:
        """A word out of its marked form."""
        if self.attributes_first:
            return Word(marked)
        if marked.endswith("*"):
            return Word(marked[:-1], stem=marked[:-1])
        joins = _JOINS.fullmatch(marked)
        return Word(joins[1], joint=joins[1] + joins[2]) if joins else Word(marked)

    def noun(self, marked: str) -> tuple[str, str]:
        """A noun without its article, and the ending of an adjective before it."""
        article, _, rest = marked.partition(" ")
        return (rest, self.articles[article]) if article in self.articles else (marked, "")

    def with_article(self, marked: str) -> str:
        """A noun with its article in the accusative."""
        article, _, rest = marked.partition(" ")
        return f"{self.accusative[article]} {rest}" if article in self.accusative else marked

    def inflect(self, stem: str, ending: str) -> str:
        """An adjective as it stands before a noun."""
        for hard, soft in self.softened:
            if stem.endswith(hard):
                return stem.removesuffix(hard) + soft + ending
        return stem + ending

    def title(self, rng: random.Random, noun: str, ending: str, attributes: Sequence[Attribute]) -> str:
        """A type with its attributes as the shop writes it."""
        if self.attributes_first:
            name = " ".join([*(a.word.plain for a in attributes), noun])
            return name.title().replace("'S", "'s") if self.title_case else name
        before, after, joint = self._adjectives(attributes, ending), [], None
        for attribute in attributes:
            word = attribute.word
            if word.stem is not None:
                continue
            if word.joint and not joint and (not attribute.after or rng.random() < self.share_joined_title):
                joint = word.joint
            else:
                after.append(attribute)
        after.sort(key=lambda attribute: self.after_order.index(attribute.after))
        name = self._joined(joint, noun) if joint else noun
        return " ".join([*before, name, *map(self.follow, after)])

    def _adjectives(self, attributes: Sequence[Attribute], ending: str) -> list[str]:
        """Adjectives with commas between them, but none before a colour, which stands next to the noun."""
        found = sorted((a for a in attributes if a.word.stem is not None), key=lambda a: a.after_adjectives)
        words = [self.inflect(a.word.stem or "", ending) for a in found]
        return [
            f"{word}," if not a.after_adjectives else word for word, a in zip(words, found[1:], strict=False)
        ] + words[-1:]

    def _joined(self, joint: str, noun: str) -> str:
        closed = len(noun) <= self.joined_letters and not joint.isupper()
        return joint + noun.lower() if closed else f"{joint}-{noun}"

    def follow(self, attribute: Attribute) -> str:
        """An attribute behind its type."""
        return attribute.after.format(attribute.word.plain) if self._takes_after(attribute) else attribute.word.plain

    def _takes_after(self, attribute: Attribute) -> bool:
        word = attribute.word
        if word.plain.partition(" ")[0] in self.prepositions:
            return False
        return bool(attribute.after) and (word.stem is None or attribute.after_adjectives)

    def query(self, rng: random.Random, noun: str, ending: str, attributes: Sequence[Attribute]) -> tuple[str, str]:
        """A type with its attributes as people type it, and the same with joined nouns apart.

        Mostly attributes stand before the type, else after it, or one follows as in "in black".
        """
        draw = rng.random()
        last = next((attribute for attribute in attributes if self._takes_after(attribute)), None)
        if draw > 0.85 and last:
            others = [attribute for attribute in attributes if attribute is not last]
            before, after = self._around(others, ending)
            return (text := " ".join([*before, noun, *after, self.follow(last)]).lower()), text
        if draw >= 0.7:
            return (text := " ".join([noun, *(a.word.plain for a in attributes)]).lower()), text
        before, after = self._around(attributes, ending)
        clean = self.around(noun, ending, attributes)
        nearest = next((a.word for a in reversed(attributes) if before and a.word.plain == before[-1]), None)
        if nearest and nearest.joint and rng.random() < self.share_joined_query:
            return " ".join([*before[:-1], nearest.joint + noun, *after]).lower(), clean
        return clean, clean

    def around(self, noun: str, ending: str, attributes: Sequence[Attribute]) -> str:
        """A type with its attributes before it, where they can stand there, in lower case."""
        before, after = self._around(attributes, ending)
        return " ".join([*before, noun, *after]).lower()

    def _around(self, attributes: Sequence[Attribute], ending: str) -> tuple[list[str], list[str]]:
        """What stands before the noun and what after it: adjectives first, what could join the noun next to it."""
        if self.attributes_first:
            return [a.word.plain for a in attributes], []
        adjectives = [self.inflect(a.word.stem, ending) for a in attributes if a.word.stem is not None]
        nouns = sorted((a.word for a in attributes if a.word.stem is None), key=lambda word: word.joint is not None)
        others = [word.plain for word in nouns]
        return [*adjectives, *(o for o in others if " " not in o)], [o for o in others if " " in o]

    def type_without_umlauts(self, rng: random.Random, text: str) -> str:
        """A query as some people type it: umlauts and ß written out, all of them or none."""
        if not any(letter in text for letter in self.written_out) or rng.random() >= self.share_written_out:
            return text
        return self.fold(text)

    def fold(self, text: str) -> str:
        """A text with umlauts and ß written out."""
        for letter, written in self.written_out.items():
            text = text.replace(letter, written)
        return text


@lru_cache
def grammar(language: str) -> Grammar:
    """The grammar of a language."""
    entries = data("grammar", language)
    return Grammar(**{name: value for name, value in entries.items() if name != "typos"})
