"""Expansions: what a completion says, read strictly.

A completion is one line of phrases separated by ";", each with an optional weight: "sofa; leather couch ^0.5". "none" means
that the query is best left alone. With reasoning, free text comes first and a line that starts with "Expansions:" ends it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import Field

from leser.characters import SUBSTITUTE, hidden_in, well_formed
from leser.options import Options

NONE = "none"
MARKER = "Expansions:"
_WEIGHT = re.compile(r"^(?P<text>.*?)\s*\^(?P<weight>[^\s^]*)$", re.DOTALL)
_WORD = re.compile(r"\w", re.UNICODE)


class Code(StrEnum):
    """What became of a completion; four kinds of failure that are never one zero."""

    OK = "ok"
    NONE = "none"  # "no expansion": a valid answer
    PARSE_ERROR = "parse_error"
    RULE_VIOLATION = "rule_violation"
    ENGINE_ERROR = "engine_error"
    NOTHING_FOUND = "nothing_found"


class ExpansionOptions(Options):
    """How expansions are written and applied."""

    mode: Literal["boost", "fuse"] = Field(
        "boost",
        description="boost: one search with weighted clauses; fuse: one search per expansion, merged by reciprocal rank fusion",
    )
    max_expansions: int = Field(5, ge=1, description="most expansions in a completion")
    max_words: int = Field(4, ge=1, description="most words in one expansion")
    weight: float = Field(
        0.5, gt=0, description="weight of an expansion that names none; weights in a completion multiply it"
    )
    tune_weight: bool = Field(
        False,
        description="choose the weight by searches, starting from `weight`: on train before targets are proven, on dev after "
        "the warm-up and at the end; where a judge rewards without labels, the engine's own scores count beside it; weight.json "
        "of the run folder holds what was chosen, and serving reads it",
    )
    max_weight: float = Field(4.0, gt=0, description="largest weight a completion may name")
    reasoning: bool = Field(False, description="the policy reasons before it lists expansions")


@dataclass(frozen=True, slots=True)
class Expansion:
    """One phrase and the weight the completion gave it (1 when it gave none); a lone surrogate in it becomes U+FFFD."""

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", well_formed(self.text))

    def __repr__(self) -> str:
        return f"Expansion({self.text!r})" if self.weight == 1 else f"Expansion({self.text!r}, {self.weight:g})"


@dataclass(frozen=True, slots=True)
class ParseError:
    """Why a completion could not be read, in words for the report."""

    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A completion that could be read: its expansions (none is a valid answer) and the reasoning before them."""

    expansions: tuple[Expansion, ...]
    reasoning: str = field(default="", compare=False)


def parse(completion: str, options: ExpansionOptions, *, finished: bool = True) -> Parsed | ParseError:
    """Read a completion; `finished` is False when it was cut at the length limit, which is a parse error."""
    if not finished:
        return ParseError("cut at the length limit")
    completion = well_formed(completion)
    if SUBSTITUTE in completion:
        return ParseError("special tokens")
    reasoning, body = "", completion
    if options.reasoning:
        reasoning, marker, body = completion.rpartition(MARKER)
        if not marker:
            return ParseError(f"no line '{MARKER}' after the reasoning")
    body = body.strip()
    if not body:
        return ParseError("empty")
    if "\n" in body:
        return ParseError("more than one line")
    if hidden_in(body):
        return ParseError("control or invisible characters")
    if body.casefold() == NONE:
        return Parsed((), reasoning.strip())
    parts = body.split(";")
    if len(parts) > options.max_expansions:
        return ParseError(f"{len(parts)} expansions, at most {options.max_expansions}")
    expansions = []
    for part in parts:
        read = _read_phrase(part.strip(), options)
        if isinstance(read, ParseError):
            return read
        expansions.append(read)
    return Parsed(tuple(expansions), reasoning.strip())


def _read_phrase(part: str, options: ExpansionOptions) -> Expansion | ParseError:
    weight = 1.0
    match = _WEIGHT.match(part)
    if match:
        part = match["text"].strip()
        try:
            weight = float(match["weight"])
        except ValueError:
            return ParseError(f"weight '{match['weight'][:20]}' is not a number")
        if not 0 < weight <= options.max_weight:
            return ParseError(f"weight {weight:g} outside (0, {options.max_weight:g}]")
    if not _WORD.search(part):
        return ParseError("an expansion without a word")
    words = len(part.split())
    if words > options.max_words:
        return ParseError(f"an expansion of {words} words, at most {options.max_words}")
    if part.casefold() == NONE:
        return ParseError(f"'{NONE}' beside other expansions")
    return Expansion(" ".join(part.split()), weight)


def render(expansions: Sequence[Expansion], *, reasoning: bool = False) -> str:
    """The completion that parses back to these expansions; `reasoning` as in the options it is parsed with."""
    said = "; ".join(map(_phrase, expansions)) or NONE
    return f"{MARKER} {said}" if reasoning else said


def _phrase(expansion: Expansion) -> str:
    """An expansion as it is written: what follows the last "^" is a weight, so a text that holds one needs a weight too."""
    if expansion.weight == 1.0 and "^" not in expansion.text:
        return expansion.text
    short = f"{expansion.weight:g}"
    return f"{expansion.text} ^{short if float(short) == expansion.weight else repr(float(expansion.weight))}"
