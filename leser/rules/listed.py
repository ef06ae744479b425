"""Rules made of lists: banned words and patterns, competitors' brands, restricted categories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from leser.errors import LeserError
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.lexicon import Lexicon, NamedEntry, entries_of, read_list
from leser.rules.patterns import Patterns


class ListOptions(RuleOptions):
    """Options of a rule that compares with a list."""

    inside: bool = Field(False, description="also find a word within a longer one, as compounds hold it")
    analysed: bool = Field(True, description="also compare index terms, so that a plural does not get around the list")


def _named(rule: str, proposal: Proposal, found: NamedEntry, what: str) -> Violation:
    who = "the expansions" if found.at is None else f"'{proposal.expansions[found.at].text}'"
    return Violation(rule, f"{who} {what}", found.at)


class Banned(Rule):
    """No expansion holds a banned word, phrase or pattern."""

    name = "banned"
    compares_readings = True

    class Options(ListOptions):
        """Which words and patterns."""

        words: tuple[str, ...] = Field((), description="banned words and phrases")
        files: tuple[Path, ...] = Field(
            (), description="files of banned words and phrases, one per line; # begins a comment"
        )
        patterns: tuple[str, ...] = Field((), description="banned patterns in RE2's syntax, looked for in folded text")
        pattern_files: tuple[Path, ...] = Field(
            (), description="files of banned patterns, one per line; # begins a comment"
        )

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        entries = entries_of(options.words, options.files, self.name)
        patterns = entries_of(options.patterns, options.pattern_files, self.name)
        if not entries and not patterns:
            raise LeserError(
                "[rules.banned] has no words or patterns. Give it words, files, patterns or pattern_files."
            )
        self._lexicon = Lexicon(entries, site, inside=options.inside, analysed=options.analysed)
        self._patterns = Patterns(patterns, self.name, site.folder.letters)

    def sentence(self) -> str | None:
        """The list itself stays out of the prompt: naming words is a way to have them written."""
        return "Never write words that this shop bans."

    def check(self, proposal: Proposal) -> Violation | None:
        """Words first, then patterns."""
        for found in self._lexicon.find(proposal):
            entry = self._lexicon.entries[found.entry]
            return _named(self.name, proposal, found, f"names '{entry}', which is banned")
        for at, folded in enumerate(proposal.folded if self._patterns.suspects(proposal.folded) else ()):
            pattern = self._patterns.find(folded)
            if pattern is not None:
                text = proposal.expansions[at].text
                return Violation(self.name, f"'{text}' matches the banned pattern '{pattern}'", at)
        return None


class Competitor(Rule):
    """No expansion names a competitor's brand, unless the query names that brand."""

    name = "competitor"
    compares_readings = True

    class Options(ListOptions):
        """Which brands."""

        brands: tuple[str, ...] = Field((), description="competitors' brands")
        files: tuple[Path, ...] = Field((), description="files of brands, one per line; # begins a comment")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        entries = entries_of(options.brands, options.files, self.name)
        if not entries:
            raise LeserError("[rules.competitor] has no brands. Give it brands or files.")
        self._lexicon = Lexicon(entries, site, inside=options.inside, analysed=options.analysed, plurals=False)

    def sentence(self) -> str | None:
        """Says when a brand may stand."""
        return "Name no other shop's brand, unless the query names it."

    def check(self, proposal: Proposal) -> Violation | None:
        """Asks what the query names only once an expansion names something."""
        allowed: frozenset[int] | None = None
        for found in self._lexicon.find(proposal):
            allowed = self._lexicon.in_query(proposal) if allowed is None else allowed
            if found.entry not in allowed:
                brand = self._lexicon.entries[found.entry]
                return _named(self.name, proposal, found, f"names the competitor '{brand}', which the query does not")
        return None


class Restricted(Rule):
    """No expansion names a restricted category, unless the query is about that category."""

    name = "restricted"
    compares_readings = True

    class Options(ListOptions):
        """Which categories, and the words that name each."""

        categories: dict[str, tuple[str, ...]] = Field(
            default_factory=dict, description="a table: category = its words and phrases; its name is not among them"
        )
        files: dict[str, Path] = Field(default_factory=dict, description="a table: category = a file of its words")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        pairs = [(word, name) for name, words in options.categories.items() for word in words]
        pairs += [(word, name) for name, file in options.files.items() for word in read_list(file, self.name)]
        if not pairs:
            raise LeserError("[rules.restricted] has no categories. Give it categories or files with their words.")
        self._category = [name for _, name in pairs]
        self._lexicon = Lexicon([word for word, _ in pairs], site, inside=options.inside, analysed=options.analysed)

    def sentence(self) -> str | None:
        """Names the categories: a policy cannot guess them."""
        names = ", ".join(dict.fromkeys(self._category))
        return f"Write nothing about {names}, unless the query is about it."

    def check(self, proposal: Proposal) -> Violation | None:
        """One word of a category in the query opens the whole category."""
        allowed: set[str] | None = None
        for found in self._lexicon.find(proposal):
            if allowed is None:
                allowed = {self._category[entry] for entry in self._lexicon.in_query(proposal)}
            category = self._category[found.entry]
            if category not in allowed:
                word = self._lexicon.entries[found.entry]
                return _named(self.name, proposal, found, f"names '{word}' of the restricted category '{category}'")
        return None
