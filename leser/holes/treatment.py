"""How a measure treats a hole, read from its name and written into it: `nDCG(holes=skip)@10`.

split_name("R(rel=2, holes=skip)@100")       # ("R(rel=2)@100", Treatment.SKIP)
treated("nDCG@10", Treatment.EXPECTED)       # "nDCG(holes=expected)@10"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from leser.errors import LeserError
from leser.reward import Reward, RewardSpec, parse_spec

PARAMETER = "holes"
USUAL_DEPTH = 10
"""Top ranks in which holes are counted, for a measure without a cutoff."""


class Treatment(StrEnum):
    """What a document without a judgment is taken for."""

    ZERO = "zero"  # not relevant
    SKIP = "skip"  # not there: the condensed list (Sakai, SIGIR 2007)
    EXPECTED = "expected"  # as relevant as judged documents of the same score under a judge


@dataclass(frozen=True, slots=True)
class Forms:
    """One measure under each treatment, by name, and the share of judged documents in the same top ranks.

    `expected` is empty where no judge fills holes.
    """

    plain: str
    condensed: str
    expected: str
    judged: str

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they stand side by side."""
        return tuple(name for name in (self.plain, self.condensed, self.expected, self.judged) if name)


def split_name(name: str) -> tuple[str, Treatment | None]:
    """A measure without its treatment of holes, and that treatment; None where its name does not say one.

    Raises LeserError for a treatment that there is not.
    """
    spec = _spec(name)
    if spec is None or PARAMETER not in spec.params:
        return name, None
    given = spec.params[PARAMETER]
    if given not in [*Treatment]:
        known = ", ".join(Treatment)
        raise LeserError(f"'{name}' is not valid: {PARAMETER}={given} is not one of {known}. Write e.g. holes=skip.")
    return _written(spec, _without(spec.params)), Treatment(given)


def treated(name: str, treatment: Treatment) -> str:
    """The measure under a treatment, whichever its name says now."""
    spec = _spec(name)
    if spec is None:
        raise LeserError(f"The measure '{name}' has no other treatment of holes.")
    kept = _without(spec.params)
    return _written(spec, kept if treatment is Treatment.ZERO else {**kept, PARAMETER: treatment})


def forms_of(name: str, classes: Mapping[str, type[Reward]], *, judge: bool) -> Forms | None:
    """The measure's forms; None for one that does not read judgments hit by hit, such as coverage@10."""
    spec = _spec(name)
    cls = classes.get(spec.family) if spec else None
    if spec is None or cls is None or PARAMETER not in cls.Options.model_fields:
        return None
    return Forms(
        treated(name, Treatment.ZERO),
        name if spec.params.get("judged_only") else treated(name, Treatment.SKIP),
        treated(name, Treatment.EXPECTED) if judge else "",
        f"Judged@{depth_of_holes(name)}",
    )


def depth_of_holes(name: str) -> int:
    """In how many top ranks holes matter to a measure: its cutoff, or 10."""
    spec = _spec(name)
    return (spec.cutoff if spec else None) or USUAL_DEPTH


def _spec(name: str) -> RewardSpec | None:
    """The name in the grammar of rewards; None where it is not in it, as a few of ir-measures' are not."""
    try:
        return parse_spec(name)
    except LeserError:
        return None


def _without(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in (PARAMETER, "judged_only")}


def _written(spec: RewardSpec, params: Mapping[str, Any]) -> str:
    listed = ", ".join(
        f"{key}={value if isinstance(value, Treatment) else repr(value)}" for key, value in params.items()
    )
    return f"{spec.family}{f'({listed})' if listed else ''}{f'@{spec.cutoff}' if spec.cutoff else ''}"
