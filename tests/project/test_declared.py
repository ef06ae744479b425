"""A fresh environment holds what is imported: each package is one that pyproject.toml asks for, or one that those bring."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
(EXTRAS,) = re.findall(r"--editable '\.\[([\w,]+)\]'", MAKEFILE)
ALONE = {
    canonicalize_name(name)
    for line in re.findall(r"--no-deps (.+)", MAKEFILE)
    for name in re.findall(r"([\w-]+)==", line)
}
WHERE_INSTALLED = {"IPython", "bitsandbytes", "pandas", "peft", "vllm"}
"""Packages that LESER uses where they are installed, and does without where they are not."""


@cache
def needed(name: str, extras: tuple[str, ...]) -> frozenset[str]:
    """All distributions that installing one brings, itself included."""
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), extra) for extra in ("", *extras)]
    while waiting:
        name, extra = item = waiting.pop()
        if item in found:
            continue
        found.add(item)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # asked for by a platform's marker alone
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    return frozenset(name for name, _ in found)


def imported(folder: str) -> Iterator[tuple[str, str]]:
    """The packages that the folder's files import, with the file."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition(".")[0], path.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.partition(".")[0], path.name


@pytest.mark.parametrize(
    ("folder", "extras", "besides"),
    [
        ("leser", ("all",), WHERE_INSTALLED),
        ("adapters", ("all",), set[str]()),
        ("rewards", ("all",), set[str]()),
        ("benchmarks", tuple(EXTRAS.split(",")), set[str]()),
        ("tests", tuple(EXTRAS.split(",")), set[str]()),
    ],
)
def test_each_import_is_asked_for(folder: str, extras: tuple[str, ...], besides: set[str]) -> None:
    distributions, brought = packages_distributions(), needed("leser", extras) | ALONE
    unasked = {
        (package, file)
        for package, file in imported(folder)
        if package in distributions
        and package not in sys.stdlib_module_names | besides
        and not brought & set(map(canonicalize_name, distributions[package]))
    }
    assert not unasked, "not in pyproject.toml, nor brought by what is"


def test_the_search_finds_a_package_nobody_asks_for() -> None:
    assert {"ipython", "pluggy"} <= needed("leser", ("test",))
    assert "ipython" not in needed("leser", ())
