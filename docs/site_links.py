"""A hook of the site (mkdocs.yml): links that leave docs/ lead to the repository, where the pages' own readers find them too.

On GitHub `../examples/platforms/us.toml` is a link like any other; on the site there is no such file. A link to something
that the checkout does not hold stops the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
REPOSITORY = "https://github.com/leser-search/leser"
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with links out of docs/, and to folders in it, made absolute; code blocks stay as they are."""
    source = DOCS / page.file.src_uri
    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(lambda found: _resolved(found, source), part) for part in parts[::2]]
    return "".join(parts)


def _resolved(found: re.Match[str], source: Path) -> str:
    target, anchor = found["target"], found["anchor"] or ""
    if ":" in target:
        return found[0]
    path = (source.parent / target).resolve()
    if path.is_relative_to(DOCS) and not path.is_dir():
        return found[0]
    if not path.exists() or not path.is_relative_to(ROOT):
        raise PluginError(f"{source.relative_to(ROOT)}: the link {target} leads to nothing in the checkout.")
    kind = "tree" if path.is_dir() else "blob"
    return f"{REPOSITORY}/{kind}/main/{path.relative_to(ROOT).as_posix()}{anchor}"
