"""A hook of the site (mkdocs.yml): the page of the command line, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import click

from leser.cli.main import group

MARK = "<!-- every command -->"
"""Stands on the page where the commands go."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the commands in the mark's place; other pages have no mark."""
    return markdown.replace(MARK, "\n".join(described(group, "leser"))) if MARK in markdown else markdown


def described(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[str]:
    """A command's usage, what it does, its options as a table, and then its own commands."""
    context = click.Context(command, parent, info_name=path.rpartition(" ")[2], **command.context_settings)
    yield f"## {path}\n"
    yield f"    {command.get_usage(context).removeprefix('Usage: ')}\n"
    yield f"{cleandoc(command.help or '')}\n"
    yield from _table(command, context)
    if isinstance(command, click.Group):
        subs = {name: command.get_command(context, name) for name in command.list_commands(context)}
        for name, sub in subs.items():
            assert sub is not None, name
            yield from described(sub, f"{path} {name}", context)


def _table(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    yield "| Option | Meaning |\n|---|---|"
    for option, meaning in records:
        yield f"| `{option}` | {meaning} |"  # the sign | parts no cell within a code span
    yield ""
