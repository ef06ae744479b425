"""Ratings of other systems as whole grades: named one by one, or multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from leser.formats.files import bad_line, number_of, whole_grade
from leser.reader import ReaderOptions


class GradeOptions(ReaderOptions):
    """How ratings become grades, which are whole numbers."""

    scale: float = Field(1.0, gt=0, description="factor that makes ratings whole grades, e.g. 2 for halves")
    grades: dict[str, int] = Field(
        default_factory=dict, description='grade of each rating, where it is another: {"100" = 3, "10" = 2}'
    )
    title_field: str = Field("title", description="document field that holds the title")


def grade_from(rating: str, options: GradeOptions, path: Path, line: int) -> int:
    """The grade of a rating; raises LeserError for one that is neither named in `grades` nor a whole grade at this scale."""
    number = number_of(rating)
    known = named_grade(rating, number, options.grades)
    if known is not None:
        return known
    if number is None:
        raise bad_line(path, line, f"the rating '{rating}' is not a number. Set -o task.grades.'{rating}'=N")
    problem = f"the rating {rating} times {options.scale:g} is not a whole grade; set -o task.scale=N or task.grades"
    return whole_grade(number * Decimal(str(options.scale)), path, line, problem)  # exact, unlike 0.29 * 100


def named_grade(rating: str, number: Decimal | None, grades: Mapping[str, int]) -> int | None:
    """What `grades` says of a rating, 3.000 and 3 being one."""
    if rating in grades:
        return grades[rating]
    return next((g for name, g in grades.items() if number is not None and number_of(name) == number), None)
