"""What `[constraints]` may say: the locale, and for each kind of constraint the index's field and its unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from leser.options import Options


def _read_values(value: Any) -> Any:
    """A plain list, or on the command line a text with commas: each value is called by its own name."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        return {key: (said,) if isinstance(said, str) else said for key, said in value.items()}
    return dict.fromkeys(value, ()) if isinstance(value, (list, tuple)) else value


class KindOptions(Options):
    """One kind of constraint: where the index holds it, and how."""

    field: str = Field(description="field of the index that holds it; must be one the engine can filter by")
    unit: str | None = Field(
        None,
        description="unit of the field's numbers: for price a currency (USD), for size its system (EU), else a unit such as "
        "cm, kg, liter, GB; typed amounts are converted to it",
    )
    formats: tuple[str, ...] = Field(
        (),
        description='how the field writes a value, where it holds text and no number: "size {}", "{} cm"; several: any of them',
    )
    values: Annotated[dict[str, tuple[str, ...]], BeforeValidator(_read_values)] = Field(
        default_factory=dict,
        description="for words (colour, material, brand): the field's values, each with what shoppers call it",
    )
    bare: bool = Field(
        False,
        description='a value is a condition wherever it stands ("acme kettle"), not only marked ("kettle by acme"); a measure '
        'also without a word that says of what ("laptop 16 GB")',
    )


class ConstraintOptions(Options):
    """Constraints typed in a query, respected by every search; only kinds that are mapped act."""

    enabled: bool = Field(False, description="read constraints out of queries and hold every search to them")
    locale: str | None = Field(
        None,
        description="how the queries' words, numbers, units and money are read: en-US, en-GB, de-DE; default: the platform's, "
        "or en-US",
    )
    keep_words: bool = Field(
        True, description="the constraint's words stay in the searched text; false searches only what remains of it"
    )
    kinds: dict[str, KindOptions] = Field(
        default_factory=dict,
        description="sub-tables [constraints.kinds.KIND]: price, size, length, width, weight, volume, memory, colour, material, "
        "brand, or a name of your own with a unit or values",
    )

    def at(self, locale: str | None) -> Self:
        """These options with their locale filled in, from the platform where they name none."""
        return self.model_copy(update={"locale": self.locale or locale or "en-US"})
