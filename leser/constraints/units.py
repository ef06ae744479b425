"""Units of measure, converted by pint."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError

if TYPE_CHECKING:
    from pint import UnitRegistry


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry  # reads its definitions: a third of a second, for those who use it

    return UnitRegistry()


def check_unit(kind: str, unit: str | None) -> str:
    """The unit itself; raises LeserError where none is given or pint knows none of this name."""
    if unit is None:
        raise LeserError(
            f"[constraints.kinds.{kind}] needs the unit of the field's numbers (unit = \"cm\"), or the field's values "
            "if it holds words (values = [...])."
        )
    from pint.errors import PintError

    try:
        _registry().Unit(unit)
    except (PintError, ValueError, TypeError, AttributeError):
        raise LeserError(
            f"[constraints.kinds.{kind}] unit '{unit}' is not known. Write it as pint does: cm, m, inch, kg, liter, GB."
        ) from None
    return unit


@lru_cache(maxsize=1024)
def factor(unit: str, target: str) -> float | None:
    """What an amount in `unit` is multiplied with to be in `target`; None where the one cannot become the other."""
    registry = _registry()
    typed, wanted = registry.Unit(unit), registry.Unit(target)
    if not typed.is_compatible_with(wanted):
        return None
    return float(registry.Quantity(1.0, typed).to(wanted).magnitude)
