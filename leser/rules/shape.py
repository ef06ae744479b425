"""Rules on what expansions look like: their script and characters, their number and length."""

from __future__ import annotations

import unicodedata
from typing import Any

import regex  # type: ignore[import-untyped]
from pydantic import Field

from leser.errors import LeserError
from leser.rules.folding import language_of
from leser.rules.rule import Proposal, Rule, RuleOptions, Site, Violation

SCRIPTS: dict[str, tuple[str, ...]] = {
    "ar": ("Arabic",), "be": ("Cyrillic",), "bg": ("Cyrillic",), "el": ("Greek",), "fa": ("Arabic",), "he": ("Hebrew",),
    "hi": ("Devanagari",), "hy": ("Armenian",), "ja": ("Han", "Hiragana", "Katakana"), "ka": ("Georgian",),
    "ko": ("Hangul",), "mk": ("Cyrillic",), "ru": ("Cyrillic",), "sr": ("Cyrillic",), "th": ("Thai",),
    "uk": ("Cyrillic",), "zh": ("Han",),
}  # fmt: skip
"""Scripts by language; Latin everywhere besides, for brands and model numbers."""
_NOT_WORDS = r"\u0250-\u02FF\u1D00-\u1DBF\u2C60-\u2C7F\uA720-\uA7FF\uAB30-\uAB6F"
"""Latin letters of phonetic notation: no language of a shop is written with them, but they look like those that are."""


class Script(Rule):
    """No expansion holds a character that its locale does not write."""

    name = "script"

    class Options(RuleOptions):
        """Which characters may stand."""

        scripts: tuple[str, ...] = Field((), description="Unicode scripts that may stand; none: those of the locale")
        letters: str | None = Field(
            None, description="letters beyond a to z that may stand, e.g. äöüß; default: every letter of the scripts"
        )
        characters: str = Field(" -'’&/.,+%°\"²³×()", description="other characters that may stand, beside digits")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        language = language_of(site.locale)
        self._scripts = options.scripts or ("Latin", *SCRIPTS.get(language, ()))
        self._extra = frozenset(options.characters)
        if options.letters is None:
            allowed = "".join(rf"\p{{Script={name}}}" for name in self._scripts)
        else:
            allowed = "a-zA-Z" + regex.escape(options.letters + options.letters.upper(), special_only=False)
        try:
            letter = rf"[[{allowed}0-9]--[{_NOT_WORDS}]]"
            self._allowed = regex.compile(letter, regex.V1)
            extra = "|".join(map(regex.escape, options.characters)) or letter
            self._all = regex.compile(rf"(?:{letter}|{extra})*+", regex.V1)
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
            if self._all.fullmatch(expansion.text) and unicodedata.is_normalized("NFKC", expansion.text):
                continue
            for character in expansion.text:
                if character not in self._extra and not self._fits(character):
                    name = unicodedata.name(character, f"U+{ord(character):04X}")
                    return Violation(self.name, f"an expansion holds the character {name}", at)
            if not unicodedata.is_normalized("NFC", expansion.text):
                return Violation(self.name, "an expansion holds letters taken apart from their marks", at)
        return None

    def _fits(self, character: str) -> bool:
        return bool(self._allowed.fullmatch(character)) and unicodedata.is_normalized("NFKC", character)


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
