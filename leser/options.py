"""Plugin options: one pydantic model per plugin, filled from TOML or `-o key=value`, validated before anything is loaded."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from leser.errors import LeserError, unknown_name

OptionsT = TypeVar("OptionsT", bound="Options")
_LAST_LATIN = "\xff"


class Options(BaseModel):
    """Base of every plugin's `Options`: unknown keys are errors, values are frozen once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def validate_options(model: type[OptionsT], values: Mapping[str, Any], where: str) -> OptionsT:
    """Validate `values` against a plugin's model; `where` names the table in messages, e.g. "backend 'pyserini'".

    Strings from the command line are coerced by pydantic. Raises LeserError naming the option, its value and the reason.
    """
    for key in values:
        if key not in model.model_fields:
            raise unknown_name(f"option of {where}", key, model.model_fields)
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]) or "(all)"
            given = "missing" if item["type"] == "missing" else f"got {item.get('input')!r}"
            lines.append(f"  {name}: {item['msg']} ({given})")
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
