"""Opening a store by its address: NAME:PLACE, or a place that only one kind of store can mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from leser.errors import LeserError
from leser.expansion_store import Store
from leser.options import CREDENTIALS, validate_options
from leser.plugins import Registry, load_plugins


def open_store(
    spec: str, plugins: Registry | None = None, *, create: bool = False, options: Mapping[str, Any] | None = None
) -> Store:
    """The store at an address: "head.db", "head.jsonl", "redis://host:6379/0", or "NAME:PLACE" for any store by its name.

    An address with "://" may name options of its store after "?", as in "redis://host:6379/0?key=shop". `options` are further
    options of that store, `create` makes it where there is none. Raises LeserError where no store has such an address, an
    option is not valid, or the store cannot be opened. `verify` of the store compares its checksum.
    """
    if CREDENTIALS.search(spec) or _password_in(spec):
        raise LeserError(
            "The address of a store may not hold a password. Give the name of an environment variable that holds it: "
            "redis://HOST:PORT/0?password_env=NAME."
        )
    known = (plugins or load_plugins()).all("store")
    name, colon, place = spec.partition(":")
    if colon and name in known and not place.startswith("//"):
        kind = known[name]
    else:
        kinds, place = [cls for cls in known.values() if cls.recognises(spec)], spec
        if len(kinds) != 1:
            raise LeserError(
                f"'{spec}' is not a valid address of a store: its kind cannot be told from it. Write NAME:PLACE with one of "
                f"{', '.join(known)}, such as sqlite:head.db."
            )
        kind = kinds[0]
    place, own = _own_options(place, kind)
    given = {"place": place, "create": create, **own, **(options or {})}
    return kind(validate_options(kind.Options, given, f"store '{kind.name}'"))


def _password_in(spec: str) -> bool:
    """Whether the query of an address names a password, which clients would take, and messages and notes would repeat."""
    before, _, query = spec.partition("?")
    return "://" in before and any(name == "password" for name, _ in parse_qsl(query, keep_blank_values=True))


def _own_options(place: str, kind: type[Store]) -> tuple[str, dict[str, str]]:
    """The place without the options of its kind that stand in its query; the rest of the query is its client's."""
    before, mark, query = place.partition("?")
    if "://" not in before or not mark:
        return place, {}
    pairs = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in pairs if name in kind.Options.model_fields.keys() - {"place", "create"}}
    left = urlencode([pair for pair in pairs if pair[0] not in own])
    return f"{before}?{left}" if left else before, own


def assigned(assignments: Iterable[str]) -> dict[str, str]:
    """Options of a store as they are typed, KEY=VALUE; raises LeserError for one without "="."""
    for text in assignments:
        if "=" not in text:
            raise LeserError(f"'{text}' is not a valid option of a store: it has no '='. Write KEY=VALUE.")
    return {key: value for key, _, value in (text.partition("=") for text in assignments)}
