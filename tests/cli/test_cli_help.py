"""The summaries of `leser --help`: a whole sentence per command, on a terminal of 80 columns."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from leser.cli.main import group

GROUPS = {"leser": group} | {
    f"leser {name}": group.get_command(click.Context(group), name) for name in ("platforms", "judgments", "entries")
}


@pytest.mark.parametrize("name", GROUPS)
def test_no_summary_is_cut_at_80_columns(name: str) -> None:
    command = GROUPS[name]
    assert isinstance(command, click.Group)
    shown = CliRunner().invoke(command, ["--help"], prog_name=name, terminal_width=80, max_content_width=80)
    assert shown.exit_code == 0
    rows = [row.split(maxsplit=1) for row in shown.output.partition("Commands:\n")[2].splitlines()]
    assert [row[0] for row in rows] == command.list_commands(click.Context(command))
    for sub, summary in rows:
        assert re.search(r"[^.][.?]$", summary), sub
        assert "  " not in summary, sub
