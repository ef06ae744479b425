"""`leser plugins`: what is installed, and what is wrong with what does not work."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from leser.cli.console import say
from leser.cli.options import plugin_files


@click.command("plugins", short_help="List backends, rewards, rules and their state.")
@plugin_files
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def command(plugins: tuple[Path, ...], as_json: bool) -> None:
    """List backends, rewards, rules, readers, baselines, stores and rollout engines, and the state of each."""
    from leser.plugins import load_plugins

    logging.getLogger("leser.plugins").setLevel(logging.ERROR)  # the table says what is broken
    rows = [
        {
            "kind": offer.kind,
            "name": offer.name,
            "description": offer.description,
            "distribution": offer.origin.distribution,
            "version": offer.origin.version,
            "state": offer.state,
        }
        for offer in load_plugins(plugins).offers()
    ]
    if as_json:
        say(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "name", "description", "from", "state", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        source = f"{row['distribution']} {row['version']}".strip()
        table.add_row(row["kind"], row["name"], row["description"], source, row["state"])
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # one line an entry, for grep
    console.print(table)
