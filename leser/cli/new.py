"""`leser new`: write a plugin's first package, which installs and passes its kit as it is."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("kind", metavar="KIND")
@click.argument("name", metavar="NAME")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to write to; default: one named after the plugin, here.",
)
def command(kind: str, name: str, out: Path | None) -> None:
    """Write a package for a plugin called NAME. KIND is backend, reward, rule, baseline, reader,
    store or rollout.

    The package works as it is: it has an entry point, a small plugin, and tests that inherit LESER's kit. Nothing that
    exists is overwritten.
    """
    from leser.plugins import load_plugins
    from leser.scaffold import write_package

    folder = write_package(kind, name, load_plugins(), out)
    click.echo(f"Wrote the {kind} '{name}' to {folder}. Next:")
    click.echo(f"  pip install '{folder.absolute() if out else f'./{folder}'}[test]'")
    click.echo(f"  python -m pytest {folder}")
