"""Recipes: whole configurations by name, one for each kind of teacher. A recipe lies under everything that is given.

Each is a TOML file of this folder that begins with a comment: one sentence that says what it is for, then what it needs and what
it brought on real queries. It names no task and no engine.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from leser.errors import unknown_name

_ENDING = ".toml"


def recipe(name: str) -> dict[str, Any]:
    """The tables that a recipe sets; raises LeserError for a name that is not known."""
    known = recipe_texts()
    if name not in known:
        raise unknown_name("recipe", name, known)
    return tomllib.loads(known[name])


def recipe_texts() -> dict[str, str]:
    """Each recipe's file by its name, in alphabetical order."""
    found = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(_ENDING): entry.read_text(encoding="utf-8")
        for entry in found
        if entry.name.endswith(_ENDING)
    }
