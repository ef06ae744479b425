"""Runs a kit's tests in process, in pytest's order, until the first fails: cheap enough for a hundred plugins with a fault."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest


def tests_of(kit: type) -> Iterator[str]:
    """Names of the tests that pytest collects from a class, in its order: bases first, each name where it was set last."""
    placed: dict[str, type] = {}
    for base in reversed(kit.__mro__):
        for name in vars(base):
            if name.startswith("test_"):
                placed[name] = base
    for base in reversed(kit.__mro__):
        yield from (n for n in vars(base) if placed.get(n) is base and callable(getattr(kit, n)))


def first_failure(kit: type, fixtures: dict[str, Callable[[], Any]]) -> tuple[str, str] | None:
    """The first test that fails, with its message; a fixture that is a generator function is finished after the test."""
    for name in tests_of(kit):
        test = getattr(kit(), name)
        for values in _parameters(test):
            try:
                _run(test, values, fixtures)
            except (Exception, pytest.fail.Exception) as error:
                return name, f"{type(error).__name__}: {error}"
    return None


def _run(test: Callable[..., None], values: dict[str, Any], fixtures: dict[str, Callable[[], Any]]) -> None:
    open_, arguments = [], dict(values)
    for name in inspect.signature(test).parameters:
        if name not in arguments:
            made = fixtures[name]()
            if inspect.isgenerator(made):
                open_.append(made)
                made = next(made)
            arguments[name] = made
    try:
        test(**arguments)
    finally:
        for generator in open_:
            next(generator, None)


def _parameters(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    names = [mark.args[0] for mark in marks]
    for values in product(*(mark.args[1] for mark in marks)):
        yield dict(zip(names, values, strict=True))
