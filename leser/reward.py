"""Reward: what a measure sees of a completion, and what it must answer.

A third party's reward is one class:

    class Cheaper(Reward):
        \"\"\"Share of the top k that costs less than the original's first hit.\"\"\"
        name, range, fields = "cheaper", (0.0, 1.0), ("price",)
        def score(self, outcomes): ...

and a hook `leser_rewards()` that returns `[Cheaper]`. The string in a configuration is an instance of the family, in
ir-measures' grammar: `cheaper@10`, `R(rel=2)@100`.
"""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import Field

from leser.backend import Document, Ranking
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.options import Options, validate_options
from leser.options import Options as NoParameters
from leser.task import Query


@dataclass(frozen=True, slots=True)
class Outcome:
    """One completion and what the engine made of it.

    `grades` are the query's judgments (document id to grade); `documents` hold the prefetched `fields` of hits and
    judged documents. `expanded` is None exactly when the completion was gated or its search failed (see `code`).
    """

    query: Query
    group: int
    completion: str
    expansions: tuple[Expansion, ...]
    original: Ranking
    expanded: Ranking | None
    grades: Mapping[str, int]
    code: Code
    per_expansion: tuple[Ranking, ...] | None = None
    documents: Mapping[str, Document] = field(default_factory=dict)
    split: str = "train"
    platform: str | None = None
    withheld: frozenset[str] = frozenset()
    """Documents whose grade is kept for a confirmation (Split.withheld); a measure of judgments reads over them, and the query's
    subtopics do not name them."""
    reason: str = ""
    """Why it was not searched with, or what the engine said; a broken rule's begins with the rule's code."""

    def __post_init__(self) -> None:
        if self.withheld and self.query.subtopics:
            left = {need: documents - self.withheld for need, documents in self.query.subtopics.items()}
            object.__setattr__(self, "query", replace(self.query, subtopics=left))

    def unlabelled(self) -> Outcome:
        """The same as somebody sees it who knows no judgment of the query: without grades and subtopics."""
        return replace(self, query=replace(self.query, subtopics={}), grades={})


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """A reward's string, read: `R(rel=2)@100` is family "R", params {"rel": 2}, cutoff 100."""

    text: str
    family: str
    params: Mapping[str, Any]
    cutoff: int | None


class Reward(ABC):
    """A family of measures; an instance is one string of the configuration.

    `range` is the least and greatest value; `requires` may hold "per_expansion" (costs one search per expansion);
    `fields` are the document fields to prefetch; `facets`-like data comes through `Query.subtopics`.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    Options: ClassVar[type[NoParameters]] = NoParameters
    """Its parameters, such as `rel` in `R(rel=2)@100`; none unless a family names a model of its own."""
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    requires: frozenset[str] = frozenset()
    fields: tuple[str, ...] = ()
    gate: bool = False
    """A gate takes a completion out with the gated reward where its score is below 1, and adds nothing otherwise."""
    unsearched: bool = False
    """Also asked about completions never searched (unreadable, or against a rule), where `expanded` is None."""
    anchor: bool = False
    """It holds to what the engine itself thinks of the query as typed, so that nothing else has to."""

    def __init__(self, spec: RewardSpec) -> None:
        self.spec = spec
        self.options = validate_options(self.Options, spec.params, f"reward '{spec.text}'")

    @property
    def depth(self) -> int:
        """How many hits this reward reads; the search is at least this deep."""
        return self.spec.cutoff or 10

    @abstractmethod
    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """One value an outcome, in order; None where it does not apply to the query (the same for a whole group)."""


def parse_spec(text: str) -> RewardSpec:
    """Read a reward's string in ir-measures' grammar, `family(key=value, ...)@k`; raises LeserError naming the form.

    A value is a Python literal, or a bare word, which stands for its text: `encoder(model=minilm)@10`.
    """
    bad = LeserError(
        f"Invalid reward '{text}'. Expected NAME, NAME@k or NAME(key=value)@k, e.g. nDCG@10 or R(rel=2)@100."
    )
    body, at, cutoff_text = text.strip().partition("@")
    if at and not re.fullmatch(r"0*[1-9][0-9]{0,17}", cutoff_text, re.ASCII):  # what every engine's integers hold
        raise bad
    try:
        node = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError):  # the second for a null byte
        raise bad from None
    params: dict[str, Any] = {}
    if isinstance(node, ast.Call) and not node.args:
        for keyword in node.keywords:
            if keyword.arg is None:
                raise bad
            if isinstance(keyword.value, ast.Name):
                params[keyword.arg] = keyword.value.id
                continue
            try:
                params[keyword.arg] = ast.literal_eval(keyword.value)
            except (ValueError, TypeError):  # the second for a key that cannot be one
                raise bad from None
        node = node.func
    if not isinstance(node, ast.Name):
        raise bad
    return RewardSpec(text.strip(), node.id, params, int(cutoff_text) if at else None)


class RewardOptions(Options):
    """What is rewarded."""

    weights: tuple[str, ...] = Field(
        ("nDCG@10=0.7", "coverage@10=0.3"),
        description="rewards as NAME=WEIGHT; NAME*NAME is a product, NAME[LOW:HIGH] is clipped, and "
        "NAME=A->B has a weight that moves from A to B over GRPO",
    )
    term_cost: float = Field(
        0.005,
        ge=0,
        description="taken off for each expansion, so that a filler that neither helps nor harms is not free",
    )
    gated_reward: float | None = Field(
        None, description="fixed reward of a gated completion; none: a little below the least possible"
    )
