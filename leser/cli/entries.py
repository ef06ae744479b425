"""`leser entries`: the life cycle of a store's entries, on the command line and as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.console import CommandGroup
from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files, task_source

_FILE = click.Path(dir_okay=False, path_type=Path)
_STATES = ["proposed", "approved", "live", "withdrawn"]
_store = click.argument("store", metavar="STORE")
_platform = click.option("--platform", metavar="NAME", help="Entries of this platform.")
_state = click.option("--state", type=click.Choice(_STATES), help="Entries in this state.")


@click.group(
    "entries",
    cls=CommandGroup,
    short_help="List, approve, withdraw or edit a store's entries.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Entries are proposed, approved, live or withdrawn; approved and live ones are served.

    Approved and withdrawn ones are a person's, and no refresh changes them.
    """


@command.command("list", short_help="Show entries, the most frequent query first.")
@_store
@_state
@_platform
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The most frequent N.")
def list_entries(store: str, state: str | None, platform: str | None, limit: int) -> None:
    """Show entries, the most frequent query first: state, how often it is typed, the judge's gain, expansions.

    A query that is left alone (-> none) says which guard did it: `leser precompute` explains them.
    """
    from leser.expansion import render
    from leser.expansion_store import EntryState
    from leser.offline.cycle import selected
    from leser.printable import printable
    from leser.stores import open_store

    with open_store(store) as opened:
        found = selected(opened, EntryState(state) if state else None, platform)
    for entry in found[:limit]:
        typed = f"{entry.scores['count']:g} x" if "count" in entry.scores else ""
        gain = f"{entry.scores['gain']:+.3f}" if "gain" in entry.scores and entry.expansions else ""
        why = f" ({entry.reason.replace('_', ' ')})" if entry.reason else ""
        said = f"{printable(entry.query)}  ->  {printable(render(entry.expansions))}{why}"
        click.echo(f"{entry.state:<10}{typed:>9}{gain:>8}  {said}")
    if len(found) > limit:
        click.echo(f"and {len(found) - limit} more (--limit)")


@command.command("export", short_help="Write entries as CSV, to be edited.")
@_store
@_state
@_platform
@click.option("--out", type=_FILE, required=True, metavar="FILE.csv", help="The CSV file.")
def export_entries(store: str, state: str | None, platform: str | None, out: Path) -> None:
    """Write entries as CSV; edit `expansions` and `state` there, and read it back with `leser entries import`."""
    from leser.expansion_store import EntryState
    from leser.offline.cycle import selected, write_entries
    from leser.stores import open_store

    with open_store(store) as opened:
        count = write_entries(out, selected(opened, EntryState(state) if state else None, platform))
    click.echo(f"Written: {out} ({count} entries)")


@command.command("import", short_help="Read an edited CSV file back.")
@_store
@click.argument("file", type=_FILE, metavar="FILE.csv")
@click.option("--run", type=click.Path(path_type=Path), metavar="RUN", help="A run whose rules and engine are asked.")
@platform_file
@config_file
@task_source
@backend_name
@assignments
@plugin_files
@click.option("--unchecked", is_flag=True, help="Ask no rule: whoever edited the file answers for it.")
def import_entries(store: str, file: Path, unchecked: bool, **given: Any) -> None:
    """Read an edited CSV file back. Changed expansions become approved; lines that are as before change nothing.

    The rules of the site are asked about every changed entry with expansions: name the run, the profile or the configuration
    that holds them. Where one is broken nothing is imported.
    """
    from leser.errors import LeserError
    from leser.inspect.importing import check_rules, to_check
    from leser.inspect.precomputing import Source
    from leser.offline.cycle import read_entries
    from leser.plugins import load_plugins
    from leser.stores import open_store

    flags = {"task.name": given["task"], "backend.name": given["backend"]}
    set_flags = {key: value for key, value in flags.items() if value is not None}
    source = Source(given["run"], given["config"], given["platform"], set_flags, given["assignments"], given["plugins"])
    with open_store(store, load_plugins(given["plugins"])) as opened:
        changed = read_entries(file, opened)
        if to_check(changed) and not unchecked:
            if not any(given[name] for name in ("run", "config", "platform", "backend")):
                raise LeserError(
                    f"No rule was asked about the {len(to_check(changed))} changed entries with expansions. Name the rules of "
                    "the site (--run, --platform, --config or --backend), or write --unchecked."
                )
            check_rules(changed, source)
        if changed:
            opened.put(changed)
    click.echo(f"{len(changed)} entries changed in {store}.")


@command.command("approve", short_help="Approve queries' entries: they are served.")
@_store
@click.argument("queries", nargs=-1, required=True, metavar='"QUERY"...')
@_platform
def approve(store: str, queries: tuple[str, ...], platform: str | None) -> None:
    """Approve the entries of these queries: they are served, and survive every refresh."""
    _decide(store, queries, "approved", platform)


@command.command("withdraw", short_help="Withdraw queries' entries: they are not served.")
@_store
@click.argument("queries", nargs=-1, required=True, metavar='"QUERY"...')
@_platform
def withdraw(store: str, queries: tuple[str, ...], platform: str | None) -> None:
    """Withdraw the entries of these queries: they are searched as typed, also after every refresh."""
    _decide(store, queries, "withdrawn", platform)


def _decide(store: str, queries: tuple[str, ...], state: str, platform: str | None) -> None:
    from leser.expansion_store import EntryState
    from leser.offline.cycle import decide
    from leser.stores import open_store

    with open_store(store) as opened:
        changed = decide(opened, queries, EntryState(state), platform or "")
    click.echo(f"{state.capitalize()}: {len(changed)} of {store}.")
