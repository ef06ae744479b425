"""Words that name a colour, a material, a brand: wanted ("in black", "made of oak", "by Acme") or not ("not leather").

Only words that the kind knows act. A wanted word becomes a filter where `values` says what the field holds; marks around it
make it firm, or `bare` does. What is not wanted becomes a negated term. "faux leather" is no leather; "without leather
straps" speaks of straps, so that nothing is excluded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from leser.backend import Filter, Term
from leser.constraints.amounts import WINDOW
from leser.constraints.found import Constraint
from leser.constraints.language import Language
from leser.constraints.options import KindOptions
from leser.errors import LeserError

BUILT_IN = {"colour": "colours", "color": "colours", "material": "materials", "brand": ""}
_MARKS = {"color": "colour"}
_GAP = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class _Word:
    """A known word in the text: its place, the field's values it means, and what stands around it."""

    start: int
    end: int
    values: tuple[str, ...]
    stance: str  # "wanted", "unwanted", "said" (neither), "doubtful"


class Wording:
    """Reads one kind of words for one field."""

    def __init__(self, kind: str, options: KindOptions, language: Language) -> None:
        self.kind, self._options, self._language = kind, options, language
        said = self._said(kind, options, language)
        self._meaning: dict[str, tuple[str, ...]] = {}
        for value, word in said:
            self._meaning[_key(word)] = tuple(dict.fromkeys((*self._meaning.get(_key(word), ()), value)))
        known = sorted({word for _, word in said}, key=len, reverse=True)
        endings = "|".join(language.data["words"]["endings"])
        bodies = "|".join(r"[\s-]+".join(map(re.escape, _GAP.split(word))) for word in known)
        ending = f"(?P<ending>{endings})?" if endings and kind != "brand" else "(?P<ending>)"
        free = language.either(language.words("free")).replace(r"(?<!\w)", "")
        no_free = language.either(language.words("not_free"))
        glued = "" if language.data["words"]["endings"] else "-"  # lederfrei, but leather-free
        self._words = re.compile(
            rf"(?<![\w])(?P<word>{bodies})(?:(?P<free>(?:{glued}|-|\s){free})(?!\s+{no_free})|{ending}(?![\w]|-\w))",
            re.IGNORECASE,
        )
        self._compile()

    @staticmethod
    def _said(kind: str, options: KindOptions, language: Language) -> list[tuple[str, str]]:
        """The field's values, each beside a word for it."""
        if options.values:
            return [
                (value, word.strip())
                for value, said in options.values.items()
                for word in (value, *said)
                if word.strip()
            ]
        if not BUILT_IN[kind]:
            raise LeserError(
                f"[constraints.kinds.{kind}] needs the field's values, for no list of them is built in: "
                'values = ["Acme", "Nordwind"].'
            )
        return [(word, word) for word in language.data[BUILT_IN[kind]]["words"]]

    def _compile(self) -> None:
        language, either = self._language, self._language.either
        marks = language.data["marks"].get(_MARKS.get(self.kind, self.kind), {"before": [self.kind], "after": []})
        fillers = rf"(?:{either(language.words('fillers'))}\s+)*"
        self._wanted = _at_end(either(marks["before"]))
        self._wanted_after = re.compile(rf"\s*[- ]{either(marks['after'])}", re.IGNORECASE)
        self._not = re.compile(rf"{either(language.words('not'))}[\s-]+{fillers}$", re.IGNORECASE)
        self._without = re.compile(rf"{either(language.words('without'))}\s+{fillers}$", re.IGNORECASE)
        self._hedged = _at_end(either(language.words("hedges")))
        self._imitation = _at_end(either(language.words("imitations")))
        never = either([*language.words("never"), *language.words("without")])
        self._never = re.compile(rf"{never}\s+(?:\w+\s+){{0,2}}$", re.IGNORECASE)
        spoilt = language.data["spoilt"].get(_MARKS.get(self.kind, self.kind), ())
        self._another = re.compile(rf"[\s-]+{either(spoilt)}", re.IGNORECASE)
        self._like = _at_end(either(language.words("like")))
        ends = either(language.words("clause_ends"))
        self._clause_ends = re.compile(rf"\s*(?:$|[^\w\s]|{ends})", re.IGNORECASE)
        self._join = re.compile(
            rf"\s*(?:,|{either(language.words('joins'))}|,\s*{either(language.words('joins'))})\s*{fillers}",
            re.IGNORECASE,
        )

    def __call__(self, text: str) -> list[Constraint]:
        """The words of a query that are firm: one constraint for what is wanted, one for each that is not."""
        said: list[_Word] = []
        for match in self._words.finditer(text):
            said.append(self._stance(text, match, said[-1] if said else None))
        found: list[Constraint] = []
        for word in said:
            if word.stance == "unwanted":
                self._exclude(found, text, word)
        wanted = [w for w in said if w.stance == "wanted" or (w.stance == "said" and self._options.bare)]
        if {v for w in wanted for v in w.values} & {
            v for w in said if w.stance in ("unwanted", "doubtful") for v in w.values
        }:
            return []  # "acme or not acme"
        if wanted and self._options.values and (one := self._chosen(text, wanted)):
            found.append(one)
        return found

    def _stance(self, text: str, match: re.Match[str], last: _Word | None) -> _Word:
        values = self._meaning[_key(match["word"])]
        start, end = match.span()
        before = text[max(0, start - WINDOW) : start]
        if match["free"]:
            return _Word(start, end, values, "unwanted")
        if self._imitation.search(before) or self._another.match(text, end):  # "faux leather", "in olive oil"
            return _Word(start, end, values, "doubtful")
        listed = last is not None and self._join.fullmatch(text, last.end, start)
        if listed and last is not None and last.stance in ("unwanted", "wanted"):
            return _Word(start, end, values, last.stance)
        for pattern, clause in ((self._not, False), (self._without, True)):
            if negated := pattern.search(before):
                hedged = self._hedged.search(before[: negated.start()])
                firm = not hedged and (not clause or self._clause_ends.match(text, end))
                return _Word(start - len(before) + negated.start(), end, values, "unwanted" if firm else "doubtful")
        if self._like.search(before):  # "alternative to acme": of which brand, nobody says
            return _Word(start, end, values, "doubtful")
        marked = self._wanted.search(before)
        if marked:
            return _Word(start - len(before) + marked.start(), end, values, "wanted")
        if self._never.search(before):  # "under no circumstances acme", said in words that are not known
            return _Word(start, end, values, "doubtful")
        after = self._wanted_after.match(text, end)
        return _Word(start, after.end() if after else end, values, "wanted" if after else "said")

    def _exclude(self, found: list[Constraint], text: str, word: _Word) -> None:
        """Add what is not wanted; what continues a list ("not leather or suede") joins the one before."""
        terms = tuple(Term(value, field=self._options.field, match="phrase", negate=True) for value in word.values)
        start = word.start
        if found and self._join.fullmatch(text, found[-1].end, word.start):
            last = found.pop()
            start, terms = last.start, (*last.excluded, *terms)
        found.append(Constraint(self.kind, text[start : word.end], start, word.end, excluded=terms))

    def _chosen(self, text: str, wanted: list[_Word]) -> Constraint | None:
        """One condition for all that is wanted; None where two words stand side by side, neither offered as an alternative."""
        start, end = wanted[0].start, wanted[-1].end
        joined = all(self._join.fullmatch(text, a.end, b.start) for a, b in pairwise(wanted))
        values = tuple(dict.fromkeys(value for word in wanted for value in word.values))
        if len({word.values for word in wanted}) > 1 and not joined:
            return None
        condition = (
            Filter(self._options.field, "eq", values[0])
            if len(values) == 1
            else Filter(self._options.field, "in", values)
        )
        if not joined:
            start, end = wanted[0].start, wanted[0].end
        return Constraint(self.kind, text[start:end], start, end, (condition,))


def _at_end(body: str) -> re.Pattern[str]:
    return re.compile(rf"{body}\s*:?\s*$", re.IGNORECASE)


def _key(word: str) -> str:
    """A word as it is looked up: patterns that ignore case take "ſ" for an "s", as casefold does."""
    return _GAP.sub(" ", word.strip().casefold())
