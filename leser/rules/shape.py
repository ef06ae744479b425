"""Rules on what expansions look like: their script and characters, their number and length."""

from __future__ import annotations

import unicodedata
from typing import Any

import regex  # type: ignore[import-untyped]
from pydantic import Field

from leser.errors import LeserError
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.scripts import is_ordinary, is_taken_apart, one_character, scripts_of


class Script(Rule):
    """No expansion holds a character that its locale does not write."""

    name = "script"

    class Options(RuleOptions):
        """Which characters may stand."""

        scripts: tuple[str, ...] = Field((), description="Unicode scripts that are allowed; none: those of the locale")
        letters: str | None = Field(
            None, description="letters beyond a to z that are allowed, e.g. äöüß; default: every letter of the scripts"
        )
        characters: str = Field(" -'’&/.,+%°\"²³×()", description="other characters that are allowed, besides digits")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        scripts = {name: name for name in options.scripts} or {"Latin": "Latin", **scripts_of(site.locale)}
        self._scripts = tuple(scripts)
        self._extra = frozenset(options.characters)
        try:
            one = one_character(scripts.values(), options.letters, options.characters)
            self._all = regex.compile(rf"(?:{one})*+", regex.V1)
        except regex.error as error:
            raise LeserError(
                f"[rules.script] cannot read scripts = {list(self._scripts)}: {error}. Names are Unicode's, e.g. Latin."
            ) from None

    def sentence(self) -> str | None:
        """Names the scripts."""
        return f"Use only letters of {' and '.join(self._scripts)} script, digits and plain punctuation."

    def check(self, proposal: Proposal) -> Violation | None:
        """Letters must also stand in their composed, ordinary form."""
        for at, expansion in enumerate(proposal.expansions):
            text = expansion.text
            fits = self._all.match(text).end()
            if fits == len(text) and unicodedata.is_normalized("NFKC", text):
                continue
            for place, character in enumerate(text):
                if place == fits or (character not in self._extra and not is_ordinary(character)):
                    name = unicodedata.name(character, f"U+{ord(character):04X}")
                    return Violation(self.name, f"an expansion holds the character {name}", at)
            if is_taken_apart(text):
                return Violation(self.name, "an expansion holds letters taken apart from their marks", at)
        return None


class Count(Rule):
    """No more and no longer expansions than these limits say."""

    name = "count"

    class Options(RuleOptions):
        """The limits; those that are not given hold nobody back."""

        most: int | None = Field(None, ge=1, description="most expansions")
        most_words: int | None = Field(None, ge=1, description="most words in one expansion")
        total_words: int | None = Field(None, ge=1, description="most words in all expansions together")
        least_characters: int = Field(2, ge=1, description="fewest letters and digits in one expansion")
        most_characters: int = Field(60, ge=1, description="most characters in one expansion")

    def sentence(self) -> str | None:
        """The limits that are given, in words."""
        limits = []
        if self.options.most:
            limits.append(f"at most {self.options.most} terms")
        if self.options.most_words:
            limits.append(f"at most {self.options.most_words} words in each")
        if self.options.total_words:
            limits.append(f"at most {self.options.total_words} words in all")
        return f"Write {', '.join(limits)}." if limits else None

    def check(self, proposal: Proposal) -> Violation | None:
        """Words are counted as a reader would, parted by anything that is no letter or digit."""
        limits = self.options
        total = 0
        for at, (expansion, folded) in enumerate(zip(proposal.expansions, proposal.folded, strict=True)):
            words = len(folded.words)
            total += words
            if limits.most is not None and at >= limits.most:
                return Violation(self.name, f"{len(proposal.expansions)} expansions, at most {limits.most}", at)
            if limits.most_words is not None and words > limits.most_words:
                return Violation(self.name, f"an expansion of {words} words, at most {limits.most_words}", at)
            if limits.total_words is not None and total > limits.total_words:
                return Violation(self.name, f"more than {limits.total_words} words in all", at)
            if len(expansion.text) > limits.most_characters:
                reason = f"an expansion of {len(expansion.text)} characters, at most {limits.most_characters}"
                return Violation(self.name, reason, at)
            if sum(map(len, folded.words)) < limits.least_characters:
                return Violation(self.name, f"'{expansion.text}' is shorter than {limits.least_characters} letters", at)
        return None
