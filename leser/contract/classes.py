"""What a plugin's class must declare, by kind: checked when it is loaded, so that nothing is found out in training.

A name misspelled among the capabilities would switch a feature off without a word, and a field given as a text would be read
letter by letter. `fault_of` says what is wrong with a class, in words.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from math import isfinite
from typing import Any, get_args

from leser.backend import Backend, Capability
from leser.errors import unknown_name

API = 1
"""The plugin API this LESER speaks; a class that declares a newer one is reported as broken."""
_NAME = re.compile(r"\w[\w.+-]{0,59}")
RESERVED = {
    "baseline": frozenset({"leser", "ideal", "prompted", "warmup", "warmup+"}),
    "rule": frozenset({"options", "locale"}),
}
"""Names that a run's own systems and the table [rules] have."""
_METHODS: Mapping[str, str] = {name: name for name in ("index", "analyze", "doc_freq", "documents")}
"""Capabilities that are a method of their own."""
_CALLS: Mapping[str, Mapping[str, tuple[tuple[Any, ...], Mapping[str, Any]]]] = {
    "backend": {"search": (([], 1), {"total": True}), "fetch": (([], ()), {}), "check": ((), {}), "close": ((), {})},
    "reward": {"score": (([],), {})},
    "rule": {"check": ((None,), {}), "sentence": ((), {})},
    "reader": {"read": ((), {})},
    "baseline": {"fit": ((None,), {}), "terms": (([],), {})},
    "store": {
        "get": (("",), {"platform": ""}),
        "entries": ((), {}),
        "write": (([],), {"note": "", "keep_decided": True}),
        "put": (([],), {}),
        "changes": ((0,), {}),
        "rollback": ((), {}),
        "close": ((), {}),
    },
    "rollout": {
        "check": ((), {}),
        "open": ((None, None), {}),
        "sync_weights": ((None, 0), {}),
        "sample": (([], None), {}),
        "rest": ((), {}),
        "close": ((), {}),
    },
}
"""How each method is called, after `self`."""


def fault_of(kind: str, hook: str, cls: Any, bases: tuple[type[Any], type[Any]]) -> str:
    """What keeps a class from being used as a plugin of this kind; an empty text where nothing does.

    `bases` are the class that it must inherit from, and that of its Options.
    """
    if not inspect.isclass(cls):
        return f"{hook}() must return a list of classes, it holds {cls!r}"
    base, options = bases
    where = f"{cls.__module__}.{cls.__qualname__}"
    if wrong := _name_fault(kind, cls, where):
        return wrong
    if not issubclass(cls, base):
        return f"{where} must inherit from {base.__module__}.{base.__qualname__}"
    return (
        _api_fault(cls)
        or (
            f"{cls.__qualname__} lacks {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}"
            if inspect.isabstract(cls)
            else ""
        )
        or _options_fault(cls, where, options)
        or _call_fault(kind, cls, where)
        or next((wrong for look in _LOOKS.get(kind, ()) if (wrong := look(cls, where))), "")
    )


def reward_fault(reward: Any) -> str:
    """What is wrong with what a reward, class or instance, says of itself: range, fields, requires; empty where nothing is."""
    cls = reward if inspect.isclass(reward) else type(reward)
    where = f"{cls.__module__}.{cls.__qualname__}"
    return next((wrong for look in _LOOKS["reward"] if (wrong := look(reward, where))), "")


def _name_fault(kind: str, cls: type[Any], where: str) -> str:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        return f"{where} has no class attribute `name`"
    if kind == "reward" and not name.isidentifier():
        return f"{where} has the name '{name}', which no reward's text can hold (NAME@k). Use letters, digits and _"
    if not _NAME.fullmatch(name):
        return f"{where} has the name '{name}'. Use letters, digits and . + - _, 60 at most"
    if name in RESERVED.get(kind, ()) or (kind == "baseline" and name.startswith("best-of-")):
        return f"{where} has the name '{name}', which LESER uses itself. Give it another"
    return ""


def _api_fault(cls: type[Any]) -> str:
    api = getattr(cls, "api", 1)
    if isinstance(api, bool) or not isinstance(api, int) or api < 1:
        return f"{cls.__module__}.{cls.__qualname__} declares api = {api!r}, which must be a whole number such as {API}"
    return f"made for plugin API {api}, this LESER speaks {API}; upgrade leser" if api > API else ""


def _options_fault(cls: type[Any], where: str, base: type[Any]) -> str:
    options = getattr(cls, "Options", None)
    if inspect.isclass(options) and issubclass(options, base):
        return ""
    return (
        f"{where}: Options must be a class that inherits from {base.__module__}.{base.__qualname__}, it is {options!r}"
    )


def _call_fault(kind: str, cls: type[Any], where: str) -> str:
    """A method that does not take what it is called with, and one that is async."""
    for method, (values, named) in _CALLS[kind].items():
        function = inspect.getattr_static(cls, method)
        if not inspect.isfunction(function):
            continue  # a descriptor of the plugin's own: its first call shows
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return f"{where}.{method} is async, and is called without await. Let it return its answer"
        try:
            inspect.signature(function).bind(None, *values, **named)
        except TypeError as error:
            taken = ", ".join([*("..." for _ in values), *(f"{name}=..." for name in named)])
            return f"{where}.{method} cannot be called as {method}({taken}): {error}"
    return ""


def _capabilities_fault(cls: Any, where: str) -> str:

    declared, known = cls.capabilities, get_args(Capability)
    if not isinstance(declared, frozenset):
        kind = type(declared).__name__
        return f"{where}: capabilities must be a frozenset, it is {declared!r} (type {kind}): frozenset({{'filters'}})"
    for capability in sorted(declared, key=str):
        if capability not in known:
            return f"{where}: {unknown_name('capability', str(capability), known)}"
        method = _METHODS.get(capability)
        if method and getattr(cls, method) is getattr(Backend, method):
            return f"{where} declares the capability '{capability}', but has no method {method}()"
    return ""


def _documents_fault(cls: Any, where: str) -> str:

    if not isinstance(cls.takes_documents, bool):
        return f"{where}: takes_documents must be True or False, it is {cls.takes_documents!r}"
    if cls.takes_documents and cls.load is Backend.load:
        return f"{where} says takes_documents, but has no method load()"
    return ""


def _range_fault(reward: Any, where: str) -> str:
    bounds = reward.range
    if _is_made_later(bounds):
        return ""
    if (
        isinstance(bounds, tuple)
        and len(bounds) == 2
        and all(isinstance(bound, int | float) and isfinite(bound) for bound in bounds)
        and bounds[0] < bounds[1]
    ):
        return ""
    return f"{where}: range must be two numbers, the least and the greatest value, such as (0.0, 1.0); it is {bounds!r}"


def _fields_fault(reward: Any, where: str) -> str:
    fields = reward.fields
    if _is_made_later(fields) or (isinstance(fields, tuple) and all(isinstance(name, str) and name for name in fields)):
        return ""
    hint = f" ({fields!r},)" if isinstance(fields, str) else ""
    return f"{where}: fields must be a tuple of field names, it is {fields!r}.{' Write' + hint if hint else ''}"


def _requires_fault(reward: Any, where: str) -> str:
    if hasattr(reward, "needs"):
        return f"{where}: needs has a new name. Write requires = frozenset({{'per_expansion'}})"
    requires = reward.requires
    if _is_made_later(requires):
        return ""
    if not isinstance(requires, frozenset):
        return f"{where}: requires must be a frozenset, it is {requires!r}: frozenset({{'per_expansion'}})"
    unknown = next((need for need in sorted(requires, key=str) if need != "per_expansion"), None)
    return (
        ""
        if unknown is None
        else f"{where}: {unknown_name('requirement', str(unknown), ['per_expansion'], 'a reward')}"
    )


def _flags_fault(*names: str) -> Callable[[Any, str], str]:
    def look(cls: Any, where: str) -> str:
        for name in names:
            value = getattr(cls, name)
            if not isinstance(value, bool) and not _is_made_later(value):
                return f"{where}: {name} must be True or False, it is {value!r}"
        return ""

    return look


def _is_made_later(value: object) -> bool:
    """A property, seen on the class: what it gives is known of an instance alone."""
    return isinstance(value, property | cached_property)


_LOOKS: Mapping[str, tuple[Callable[[Any, str], str], ...]] = {
    "backend": (_capabilities_fault, _documents_fault),
    "reward": (_range_fault, _fields_fault, _requires_fault, _flags_fault("gate", "unsearched")),
    "rule": (_flags_fault("compares_readings"),),
    "rollout": (_flags_fault("shared"),),
}
