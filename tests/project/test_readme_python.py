"""The Python on README and tutorial: each name is one that `leser` has, and each call is one that it takes."""

from __future__ import annotations

import ast
import inspect
import re
from typing import get_type_hints

import pytest
from places import ROOT

import leser

PAGES = ("README.md", "docs/tutorial.md")
RETURNS_A_RUN = ("train", "open_run")


def blocks(page: str) -> list[ast.Module]:
    """The page's scripts: blocks marked py, where the files of plugins are marked python."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [ast.parse(block) for block in re.findall(r"^```py\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def found(name: ast.Attribute) -> object:
    """What `leser.NAME` or `run.NAME` stands for."""
    assert isinstance(name.value, ast.Name)
    if name.value.id == "leser":
        assert name.attr in leser.__all__, name.attr
        return getattr(leser, name.attr)
    assert name.value.id == "run"
    (run,) = {get_type_hints(getattr(leser, door))["return"] for door in RETURNS_A_RUN}
    assert hasattr(run, name.attr) or name.attr in get_type_hints(run), name.attr
    return getattr(run, name.attr, None)


@pytest.mark.parametrize("page", PAGES)
def test_every_call_is_one_that_leser_takes(page: str) -> None:
    scripts = blocks(page)
    assert scripts
    for script in scripts:
        for node in ast.walk(script):
            if isinstance(node, ast.Attribute):
                found(node)
            elif isinstance(node, ast.Call):
                assert isinstance(node.func, ast.Attribute)
                own = [None] if isinstance(node.func.value, ast.Name) and node.func.value.id == "run" else []
                function = found(node.func)
                assert callable(function)
                keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
                inspect.signature(function).bind(*own, *node.args, **keywords)
