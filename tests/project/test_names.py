"""Names: each public class exists once, so that a name in a message, a traceback or a search means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict

from places import ROOT


def test_every_public_class_name_exists_once() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for top in ("leser", "adapters", "rewards"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 200, "the classes are not where this test looks"
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
