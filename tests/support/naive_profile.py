"""A platform profile as the naive checker reads it: plain TOML, sharing no code with leser.platform and leser.rules."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from naive_checker import Forbidden


def read(path: Path) -> dict[str, Any]:
    """The file's tables laid over those of the file it extends; the paths of lists start from the file that names them."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for rule in table.get("rules", {}).values():
        if isinstance(rule, dict) and isinstance(rule.get("files"), list):
            rule["files"] = [str(path.parent / name) for name in rule["files"]]
        elif isinstance(rule, dict) and isinstance(rule.get("files"), dict):
            rule["files"] = {key: str(path.parent / name) for key, name in rule["files"].items()}
    below = table.pop("extends", None)
    return merged(read(path.parent / below), table) if below else table


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key, anything else replaces."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def forbidden_of(path: Path) -> Forbidden:
    """What the profile forbids; a rule that it does not switch on forbids nothing. Knows English and German shops."""
    profile = read(path)
    rules = {name: table for name, table in profile["rules"].items() if isinstance(table, dict)}
    locale = profile["rules"].get("locale", profile["platform"]["locale"])
    if locale[:2] not in ("en", "de"):
        raise ValueError(f"{path}: the naive checker reads English and German, no {locale}.")
    banned, protected, count = rules.get("banned", {}), rules.get("protected"), rules.get("count")
    expansion = profile.get("expansion", {})
    kinds = ("brand", "model", "size", "quantity", "negation")
    return Forbidden(
        banned=[*banned.get("words", ()), *lines_of(banned.get("files", ()))],
        banned_regexes=[*banned.get("patterns", ()), *lines_of(banned.get("pattern_files", ()))],
        competitors=_brands(rules.get("competitor", {})),
        categories=_categories(rules.get("restricted", {})),
        brands=_brands(protected or {}),
        kinds=() if protected is None else protected.get("kinds", kinds),
        max_weight=float("inf") if protected is None else protected.get("max_weight", 3.0),
        weight=expansion.get("weight", 0.5),
        most=(count or {}).get("most", 99),
        most_words=(count or {}).get("most_words", 99),
        most_characters=999 if count is None else count.get("most_characters", 60),
        least_characters=1 if count is None else count.get("least_characters", 2),
        latin_only="script" in rules,
        letters=rules.get("script", {}).get("letters"),
        no_contacts="contact" in rules,
        one_search=expansion.get("mode", "boost") == "boost",
        german=locale.startswith("de"),
    )


def _brands(rule: dict[str, Any]) -> list[str]:
    return [*rule.get("brands", ()), *lines_of(rule.get("files", ()))]


def _categories(rule: dict[str, Any]) -> dict[str, list[str]]:
    found = {name: list(words) for name, words in rule.get("categories", {}).items()}
    for name, file in rule.get("files", {}).items():
        found.setdefault(name, []).extend(lines_of([file]))
    return found


def lines_of(files: Iterable[str]) -> list[str]:
    """The entries of list files, one per line; # begins a comment."""
    lines = [line.strip() for file in files for line in Path(file).read_text(encoding="utf-8-sig").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
