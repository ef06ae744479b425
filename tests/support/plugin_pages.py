"""The plugins on docs/one-file-plugins.md."""

from __future__ import annotations

import re

from places import ROOT

PAGE = ROOT / "docs" / "one-file-plugins.md"


BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def plugin_files() -> dict[str, str]:
    """The page's Python blocks, each by the name of the file that its first line gives."""
    blocks: dict[str, str] = {}
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        name = re.match(r'"""(\w+\.py):', block)
        assert name, "a block starts with its file's name"
        blocks[name[1]] = block
    return blocks
