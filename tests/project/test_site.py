"""The site is built strictly and without a network; each command and each link on a page leads to what exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from places import ROOT

from leser.cli.main import group, run_main

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
FROM_ELSEWHERE = re.compile(
    r'<(?:script|img|iframe|source)[^>]+src="?(?:https?:)?//[^>]*>|<link[^>]+stylesheet[^>]+//[^>]*>'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | NO_NETWORK, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built_and_loads_nothing_from_another_host(site: Path) -> None:
    pages = list(site.rglob("index.html"))
    assert len(pages) >= len([page for page in PAGES if page.parent == DOCS])
    for page in pages:
        assert not FROM_ELSEWHERE.findall(page.read_text(encoding="utf-8")), page.relative_to(site)


def test_the_reference_names_the_contract_and_every_command(site: Path) -> None:
    contract = (site / "api" / "backend" / "index.html").read_text(encoding="utf-8")
    for name in ("search", "fetch", "close"):
        assert f'id="leser.backend.Backend.{name}"' in contract
    commands = (site / "command-line" / "index.html").read_text(encoding="utf-8")
    for name in group.list_commands(click.Context(group)):
        assert f'id="leser-{name}"' in commands, name
    assert "--queries-per-step" in commands


def test_a_link_out_of_the_pages_leads_to_the_repository(site: Path) -> None:
    page = (site / "writing-a-backend" / "index.html").read_text(encoding="utf-8")
    assert 'href="https://github.com/leser-search/leser/tree/main/examples/custom_backend"' in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r'\]\(([^)\s#]+)[^)]*\)|(?:src|srcset|href)="([^"]+)"', text)
    links = {target for pair in targets for target in pair if target and ":" not in target}
    assert [link for link in sorted(links) if not (page.parent / link).exists()] == []


def commands_of(page: Path) -> list[str]:
    """The `leser` commands of a page's code blocks, continued lines joined, comments left out."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4}(leser(?:-run)? .*)$", text, re.MULTILINE)
    return [shlex.join(shlex.split(line, comments=True)) for line in lines]


COMMANDS = sorted({(page.name, command) for page in PAGES for command in commands_of(page)})


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_on_a_page_is_one_that_the_command_line_takes(page: str, command: str) -> None:
    program, *arguments = shlex.split(command)
    current: click.Command | None = group
    if program == "leser-run":
        assert callable(run_main)
        arguments.insert(0, "run")
    while isinstance(current, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        current = current.get_command(click.Context(current), name)
        assert current is not None, f"{page}: no command '{name}'"
    assert current is not None
    with suppress(click.exceptions.Exit):  # --version has printed it
        current.make_context(program, arguments, resilient_parsing=not arguments)


def test_the_tutorials_profile_is_sound(tmp_path: Path) -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    for name, language in (("my-shop.toml", "toml"), ("query.json", "json")):
        (block,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        (tmp_path / name).write_text(block, encoding="utf-8")
    queries = re.findall(r'^ {4}(\{"_id".*)$', text, re.MULTILINE)
    judgments = re.findall(r"^ {4}(\S+\t\S+\t\S+)$", text, re.MULTILINE)
    (tmp_path / "data" / "my-shop" / "qrels").mkdir(parents=True)
    (tmp_path / "data" / "my-shop" / "queries.jsonl").write_text("\n".join(queries))
    (tmp_path / "data" / "my-shop" / "qrels" / "train.tsv").write_text("\n".join(judgments))
    command = [sys.executable, "-c", "from leser.cli.main import main; main()", "platforms", "check", "my-shop.toml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Engine: elasticsearch, url https://search:9200, " in done.stdout
    assert "index products, template query.json" in done.stdout
    assert "brands: Acme, Nordwind" in done.stdout
