"""The playground in Chromium: what comes from outside is text, and nothing of it runs."""

from __future__ import annotations

import os
import re
import subprocess
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from served import Served, entry, serving, write_store

EVIL = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("page")
    store = write_store(folder / "head.db", entry("red sofa", "couch", EVIL), entry(EVIL, "safe"))
    with serving(folder, store) as running:
        yield running


def page_of(served: Served, query: str, folder: Path) -> str:
    """The page's DOM after it looked a query up."""
    command = [os.environ.get("CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000"]
    address = f"{served.client.base_url}/?q={quote(query)}"
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=False)
    assert "<h1>" in done.stdout, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "query", ["red sofa", EVIL, "</script><script>document.title='owned'</script>", "\x07\x1b[31m"]
)
def test_what_comes_from_outside_is_text(served: Served, query: str, tmp_path: Path) -> None:
    page = page_of(served, query, tmp_path)
    assert "<title>LESER: expansions of a query</title>" in page
    assert "<img" not in page
    assert page.count("<script>") == 1
    said = unescape(re.findall(r'<p id="said".*?</p>', page, re.DOTALL)[0])
    assert "from " in said
    if query == "red sofa":
        items = [unescape(text) for text in re.findall(r"<li>(.*?)</li>", page)]
        assert items == ["couch  ^0.5", f"{EVIL}  ^0.5"]
        assert 'id="decide"' in page
    if "\x07" not in query:
        assert query in said


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    answer = served.client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"https?://|\bsrc=|@import", answer.text)
    assert "innerHTML" not in answer.text
