"""Plugin options: one pydantic model per plugin, filled from TOML or `-o key=value`, validated before anything is loaded."""

from __future__ import annotations

import os
import re
import unicodedata
from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from leser.errors import LeserError, unknown_name

OptionsT = TypeVar("OptionsT", bound="Options")
_LAST_LATIN = "\xff"
MOST_SEED = 2**63 - 1
"""The greatest seed that numpy's and torch's generators take alike, and that TOML can hold."""


def _in_range(value: Any, whole: ValidatorFunctionWrapHandler) -> int:
    """A seed as `random`, numpy and torch all take it; `random` alone would take -1 too, and draw what 1 draws."""
    try:
        seed: int = whole(value)
    except ValidationError:
        seed = -1
    if not 0 <= seed <= MOST_SEED:
        raise PydanticCustomError("seed", "A seed is a whole number from 0 to {most}", {"most": MOST_SEED})
    return seed


Seed = Annotated[int, WrapValidator(_in_range)]
"""The type of every option that is a seed, a plugin's too: a whole number from 0 to MOST_SEED."""


def seed_argument(text: str) -> int:
    """A seed on the command line of a script, for argparse's `type`; raises ArgumentTypeError with the range."""
    try:
        seed: int = TypeAdapter(Seed).validate_python(text)
    except ValidationError as error:
        raise ArgumentTypeError(f"{error.errors()[0]['msg']} (got {text!r})") from None
    return seed


class Options(BaseModel):
    """Base of every plugin's `Options`: unknown keys are errors, values are frozen once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Options that an earlier version called otherwise, old name to new: the old name is an error that gives the new one."""

    @model_validator(mode="before")
    @classmethod
    def _names_of_today(cls, values: Any) -> Any:
        """Wherever the table stands, in another one too."""
        for key in values if isinstance(values, Mapping) else ():
            if key in cls.renamed:
                said = {"old": key, "new": cls.renamed[key]}
                raise PydanticCustomError("renamed", "The option '{old}' has a new name. Write '{new}'", said)
        return values


def unknown_option(model: type[BaseModel], key: str, where: str, kind: str = "option") -> LeserError:
    """The error for a key that `model` does not know; `where` names its table in the message, `kind` what it would be."""
    renamed: Mapping[str, str] = getattr(model, "renamed", {})
    if key in renamed:
        return LeserError(f"The option '{key}' of {where} has a new name. Write '{renamed[key]}'.")
    return unknown_name(kind, key, model.model_fields, where)


_LIST = """. A list is written as in TOML: '["one", "two"]', with \\" for a quotation mark within a text"""


def validate_options(model: type[OptionsT], values: Mapping[str, Any], where: str) -> OptionsT:
    """Validate `values` against a plugin's model; `where` names the table in messages, e.g. "backend 'pyserini'".

    Strings from the command line are coerced by pydantic. Raises LeserError naming the option, its value and the reason.
    """
    for key in values:
        if key not in model.model_fields:
            raise unknown_option(model, key, where, "table" if isinstance(values[key], Mapping) else "option")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]) or "(all)"
            given = "missing" if item["type"] == "missing" else f"got {item.get('input')!r}"
            hint = _LIST if item["type"] in ("tuple_type", "list_type") and isinstance(item.get("input"), str) else ""
            lines.append(f"  {name}: {item['msg'].removeprefix('Value error, ')} ({given}){hint}")
        raise LeserError(f"Bad options of {where}:\n" + "\n".join(lines)) from None


def secret(variable: str | None, option: str) -> str | None:
    """The value of the environment variable that `option` names, or None when no variable was named.

    Line breaks at its end are cut off: files and Kubernetes secrets end with one. Raises LeserError when the variable is
    named but not set, or holds what no HTTP header can; the value itself never enters a message.
    """
    if variable is None:
        return None
    value = os.environ.get(variable, "").rstrip("\r\n")
    if not value:
        raise LeserError(
            f"The environment variable named by {option} (now {variable}) is not set. Set it, or drop {option}."
        )
    # a client that meets such a character later on prints the whole header
    if any(sign > _LAST_LATIN or unicodedata.category(sign) == "Cc" for sign in value):
        raise LeserError(
            f"The environment variable named by {option} (now {variable}) holds a control character, a line break or a "
            "sign beyond Latin-1, which no HTTP header can carry. Set it again to the bare secret."
        )
    return value


CREDENTIALS = re.compile(r"(?<=://)[^\s\"']+@")
