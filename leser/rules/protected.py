"""What a query pins down is kept: brand, model number, size, quantity, negation.

Dropped: cannot happen, since the query itself always stays in the search. Contradicted: an expansion states another value
of the same kind (see leser.rules.claims), another brand of the list, or names what the query rules out. Outweighed: all
expansions together weigh more than a limit while the query pins something down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from leser.folding import Folded, language_of
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.claims import Claims, claims, contradiction
from leser.rules.lexicon import Lexicon, entries_of

Kind = Literal["brand", "model", "size", "quantity", "negation"]
_NOT = (
    "not", "without", "no", "non", "never", "except", "minus",
    "nicht", "ohne", "kein", "keine", "keinen", "keiner", "sans", "pas", "sin", "senza", "zonder",
)  # fmt: skip
_PASSED = frozenset(
    {
        "a",
        "an",
        "any",
        "the",
        "of",
        "in",
        "with",
        "made",
        "from",
        "added",
        "real",
        "ein",
        "eine",
        "einen",
        "einem",
        "der",
        "die",
        "das",
        "den",
        "mit",
        "aus",
        "de",
        "du",
        "des",
        "la",
        "le",
        "les",
    }
)
_JOINS = frozenset({"or", "and", "nor", "oder", "und", "ou", "et", "o", "e", "y"})
_WITHOUT = re.compile(r"(.{4,}?)(?:free|less|frei(?:e[mnrs]?)?|los)")
"""A word that rules out what it begins with: "sugarfree", "sleeveless", "rostfreies"; of short ones too little is left."""
_WITHOUT_IN_GERMAN = re.compile(r"(.{4,}?)(?:free|less|(?:frei|los)(?:e[mnrs]?)?)")
"""The same with "kabelloses": elsewhere "disclose" has that ending, and "Rostlöser", where an ö is an o with dots."""
_OTHERWISE = re.compile(
    r".*(?:(?:[cz]ellu|tuberku|la[ck]tu)losen?|"
    r"(?:rost|fett|kalk|kleb(?:er|stoff)|flecken|schmutz|harz|teer|silikon|etiketten|(?:urin|kessel)stein)loser[ns]?)"
)
"""Words of that form that end otherwise: "cellulose", and solvents, whose "löser" loses its dots in a strict reading."""
_NO_NEGATIONS = re.compile(r"stain|time|price|regard|care|(?:herbst)?zeit|rubbel|.*kosten")
"""What no word of that form rules out: "stainless" is a steel, "timeless" a style, "kostenlos" a delivery."""


class Protected(Rule):
    """No expansion contradicts or outweighs the brand, model, size, quantity or negation in the query."""

    name = "protected"
    compares_readings = True

    class Options(RuleOptions):
        """What is protected."""

        kinds: tuple[Kind, ...] = Field(
            ("brand", "model", "size", "quantity", "negation"), description="what of a query is protected"
        )
        brands: tuple[str, ...] = Field((), description="brands; a query that names one allows no other in expansions")
        files: tuple[Path, ...] = Field((), description="files of brands, one per line; # begins a comment")
        max_weight: float = Field(
            3.0,
            gt=0,
            allow_inf_nan=True,
            description="most that all expansions weigh together beside a query that pins something down; 1 is as much as "
            "the same words in the query; inf: no limit",
        )
        negations: tuple[str, ...] = Field(_NOT, description="words that rule out the next one")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        self._brands = Lexicon(entries_of(options.brands, options.files, self.name), site, plurals=False)
        self._negations = frozenset(site.folder(word).text for word in options.negations)
        german = language_of(site.locale) == "de"
        self._without = _WITHOUT_IN_GERMAN if german else _WITHOUT

    def sentence(self) -> str | None:
        """Says it in one line."""
        return "Keep to the brand, model, size and quantity that the query names, and to what it rules out."

    def check(self, proposal: Proposal) -> Violation | None:
        """Contradictions first, then the weights."""
        asked = self._claims(proposal.asked)
        brands = self._brands.in_query(proposal) if "brand" in self.options.kinds else frozenset()
        negated = self._negated(proposal.asked) if "negation" in self.options.kinds else set()
        if not asked and not brands and not negated:
            return None
        return (
            self._contradicted(proposal, asked)
            or self._other_brand(proposal, brands)
            or self._named_though_ruled_out(proposal, negated)
            or self._outweighed(proposal)
        )

    def _claims(self, folded: Folded) -> Claims:
        kinds = self.options.kinds
        return {
            kind: values for kind, values in claims(folded.text, self.site.locale).items() if _protects(kind) in kinds
        }

    def _contradicted(self, proposal: Proposal, asked: Claims) -> Violation | None:
        if not asked:
            return None
        for at, folded in enumerate(proposal.folded):
            wrong = contradiction(asked, self._claims(folded), folded.text, proposal.asked.text)
            if wrong:
                return Violation(self.name, f"'{proposal.expansions[at].text}' names {wrong}", at)
        return None

    def _other_brand(self, proposal: Proposal, brands: frozenset[int]) -> Violation | None:
        if not brands:
            return None
        for found in self._brands.find(proposal):
            if found.entry not in brands:
                theirs, ours = self._brands.entries[found.entry], self._brands.entries[min(brands)]
                who = "the expansions name" if found.at is None else f"'{proposal.expansions[found.at].text}' names"
                return Violation(self.name, f"{who} the brand '{theirs}' where the query says '{ours}'", found.at)
        return None

    def _negated(self, folded: Folded) -> set[str]:
        """The words a query rules out: behind "not" or "without", before "free", within "sleeveless"."""
        found: set[str] = set()
        words = folded.words
        for at, word in enumerate(words):
            if word in self._negations:
                found |= set(_behind(words, at + 1))
            elif word in ("free", "frei") and at:
                found.add(words[at - 1])
            elif (lacked := self._lacked(word)) and not _NO_NEGATIONS.fullmatch(lacked):
                found.add(lacked)
        return found - self._negations

    def _lacked(self, word: str) -> str | None:
        """What a word says there is none of: "kabel" for "kabellos"; None for a word that says no such thing."""
        without = self._without.fullmatch(word)
        return None if without is None or _OTHERWISE.fullmatch(word) else without[1]

    def _named_though_ruled_out(self, proposal: Proposal, negated: set[str]) -> Violation | None:
        if not negated:
            return None
        ordered = sorted(negated)
        terms = {term for analysed in self.site.words.analyze(ordered) for term in analysed}
        for at, folded in enumerate(proposal.folded):
            words = {w for reading in folded.readings for w in reading.split() if not self._lacked(w)}
            named = [n for n in ordered if any(_holds(w, n) for w in words)]
            said = {*proposal.terms[at + 1], *(term for read in proposal.terms_as_read[at + 1] for term in read)}
            if named or terms & said:
                what = named[0] if named else ordered[0]
                text = proposal.expansions[at].text
                return Violation(self.name, f"'{text}' names '{what}', which the query rules out", at)
        return None

    def _outweighed(self, proposal: Proposal) -> Violation | None:
        total = self.site.expansion.weight * sum(e.weight for e in proposal.expansions)
        if total <= self.options.max_weight:
            return None
        limit = (
            f"at most {self.options.max_weight:g} beside a query that names a brand, model, size, quantity or negation"
        )
        return Violation(self.name, f"the expansions weigh {total:g} together, {limit}")


def _behind(words: Sequence[str], at: int) -> list[str]:
    """The ruled-out words from `at` on: the first that is no article, and what "or" and "and" join to it."""
    found: list[str] = []
    while at < len(words):
        while at < len(words) and words[at] in _PASSED:
            at += 1
        found += words[at : at + 1]
        if at + 1 >= len(words) or words[at + 1] not in _JOINS:
            break
        at += 2
    return found


def _holds(word: str, part: str) -> bool:
    """Whether a word is another or a compound of it: "lederschuhe" and "wildleder" hold "leder", "frost" holds no "rost"."""
    return word == part or (len(part) >= 4 and (word.startswith(part) or word.find(part, 2) > 0))


def _protects(kind: str) -> Kind:
    """Which of the protected kinds a claim belongs to."""
    head = kind.partition(" ")[0]
    if head in ("model", "number"):
        return "model"
    return "quantity" if kind == "count" else "size"
