"""docs/design.md lists every room of the core and every package beside it, so that a reader finds each and misses none."""

from __future__ import annotations

import re

from places import ROOT


def test_every_room_is_in_the_list() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    listed = text[text.index("## Rooms") : text.index("No two modules or rooms import each other")]
    core = {p.name + "/" for p in (ROOT / "leser").iterdir() if (p / "__init__.py").is_file()}
    core |= {p.name for p in (ROOT / "leser").glob("*.py") if p.name != "__init__.py"}
    plugins = {p.name for top in ("adapters", "rewards") for p in (ROOT / top).glob("leser_*")}
    assert len(core) > 40
    assert sorted(core - set(re.findall(r"[\w.]+\.py|\w+/", listed))) == []
    assert sorted(plugins - set(re.findall(r"leser_\w+", listed))) == []
    gone = set(re.findall(r"\b\w+\.py", listed[: listed.index("adapters/")])) - core
    assert gone - {"builtin.py", "grpo.py", "warmup.py"} == set()
