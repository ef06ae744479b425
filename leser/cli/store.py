"""`leser store`: the generations of a store, whether they are whole, and the way back to the one before."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.options import plugin_files


@click.command(
    "store",
    short_help="List a store's generations, check it, or go back.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("action", type=click.Choice(["list", "verify", "rollback"]))
@click.argument("store", metavar="STORE")
@click.option("-o", "assignments", multiple=True, metavar="KEY=VALUE", help="Option of the store; may be repeated.")
@plugin_files
def command(action: str, store: str, assignments: tuple[str, ...], plugins: tuple[Path, ...]) -> None:
    """Look after a store of verified expansions: list its generations, verify its checksum, or roll back to the one before.

    STORE is a file (head.db, head.jsonl) or an address (redis://host:6379/0).
    """
    from leser.plugins import load_plugins
    from leser.printable import printable
    from leser.stores import open_store
    from leser.stores.opening import assigned

    with open_store(store, load_plugins(plugins), options=assigned(assignments)) as opened:
        if action == "verify":
            opened.verify()
            click.echo("The checksum holds.")
        if action == "rollback":
            click.echo(f"Generation {opened.rollback().number} is current again.")
        for place, generation in enumerate(opened.generations()):
            role = "before" if place else "current"
            click.echo(
                f"{role:<8} generation {generation.number}: {generation.entries} entries, {generation.edits} edits, "
                f"written {printable(generation.time)}  {printable(generation.note)}".rstrip()
            )
