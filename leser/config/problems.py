"""Mistakes in the tables of a profile that are LESER's own, each with its key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from leser.config.layers import Key
from leser.config.profile import Profile, read_profile
from leser.config.tables import PluginTable, RulesTable, RunConfig
from leser.errors import LeserError, unknown_name
from leser.options import CREDENTIALS, unknown_option


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the value of a key."""

    key: Key
    text: str


def sound_profile(path: Path) -> Profile:
    """Read a profile and check the tables that are LESER's own; raises LeserError with every mistake found."""
    profile = read_profile(path)
    refuse_problems(profile, _own_problems(profile))
    return profile


def refuse_problems(profile: Profile, problems: Iterable[Problem]) -> None:
    """Raise LeserError where there are problems, all of them at once."""

    lines = [f"  {profile.file_of(p.key)}, {'.'.join(p.key)}: {p.text}" for p in problems]
    if lines:
        text = "\n".join([f"The platform profile {profile.path} cannot be used:", *dict.fromkeys(lines)])
        raise LeserError(CREDENTIALS.sub("***@", text))


def _own_problems(profile: Profile) -> Iterator[Problem]:

    fields = {name: field for name, field in RunConfig.model_fields.items() if not field.exclude}
    for name, value in profile.values.items():
        field = fields.get(name)
        model = field.annotation if field else None
        if field is None:
            yield Problem((name,), str(unknown_name("table or option", name, [*fields, "extends"])))
        elif isinstance(model, type) and issubclass(model, BaseModel):
            if isinstance(value, Mapping):
                yield from model_problems(model, value, (name,))
            else:
                yield Problem((name,), f"must be a table, found {value!r}.")
    platform = profile.values.get("platform", {})
    if isinstance(platform, Mapping) and "name" not in platform:
        yield Problem(("platform", "name"), "a platform needs a name. Without one a file is only there to be extended.")


def model_problems(model: type[BaseModel], values: Mapping[str, Any], at: Key) -> Iterator[Problem]:
    """What is wrong with a table's values: keys the model does not know, at any depth, and values it refuses."""
    unknown = list(_unknown(model, values, at))
    yield from unknown
    try:
        model.model_validate(dict(values))
    except LeserError as error:
        yield Problem(at, str(error))
    except ValidationError as error:
        for item in error.errors():
            key = (*at, *(str(part) for part in item["loc"] if part != "options"))
            given = "missing" if item["type"] == "missing" else f"got {item.get('input')!r}"
            if item["type"] != "extra_forbidden":
                yield Problem(key, f"{item['msg'].removeprefix('Value error, ')} ({given}).")
            elif key not in {problem.key for problem in unknown}:  # within a table of tables
                yield Problem(key, "there is no such option.")


def _unknown(model: type[BaseModel], values: Mapping[str, Any], at: Key) -> Iterator[Problem]:

    for key, value in values.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field else None
        if field is None and not issubclass(model, PluginTable | RulesTable):
            yield Problem((*at, key), str(unknown_option(model, key, f"[{'.'.join(at)}]")))
        elif isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, Mapping):
            yield from _unknown(inner, value, (*at, key))
