"""`leser platforms`: profiles of sites and markets, resolved, checked and said in words."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.options import plugin_files


@click.group("platforms", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Look into platform profiles: one file per site or market, for `leser run --platform FILE`."""


@command.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@plugin_files
def check(files: tuple[Path, ...], plugins: tuple[Path, ...]) -> None:
    """Resolve profiles, check everything in them, and say what they reward and forbid.

    No engine is contacted: whether the index is there, `leser run --platform FILE --dry-run` tells. A mistake is named with
    its file and key.
    """
    from leser.platform.check import check_profile
    from leser.platform.words import told

    for number, file in enumerate(files):
        checked = check_profile(file, plugins)
        click.echo(("\n" if number else "") + "\n".join([*told(checked), "", "ok"]))
