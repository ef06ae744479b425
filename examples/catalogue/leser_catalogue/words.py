"""The words of the shop: TOML files, one folder a language, to be read and changed by hand."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@lru_cache
def data(name: str, language: str = "en") -> dict[str, Any]:
    """The content of a TOML file of a language."""
    return tomllib.loads(files("leser_catalogue").joinpath(language, f"{name}.toml").read_text(encoding="utf-8"))


World = Literal["plain", "hits"]
"""plain: shoppers use other words than the catalogue. hits: what their words mean stands in the titles found."""
