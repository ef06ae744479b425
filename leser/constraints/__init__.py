"""Constraints typed in a query ("under $50", "size 42", "not leather") as conditions that every search is held to."""

from __future__ import annotations

from leser.constraints.asking import QueryConstraints
from leser.constraints.found import Constraint, Constraints
from leser.constraints.options import ConstraintOptions, KindOptions

__all__ = ["Constraint", "ConstraintOptions", "Constraints", "KindOptions", "QueryConstraints"]
