"""`leser platforms`: profiles of sites and markets, resolved, checked and said in words."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import CommandGroup, say
from leser.cli.options import plugin_files
from leser.errors import LeserError
from leser.printable import printable_lines


@click.group(
    "platforms",
    cls=CommandGroup,
    short_help="Check profiles of sites and markets.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """Look into platform profiles: one file per site or market, for `leser run --platform FILE`."""


@command.command("check", short_help="Check profiles and describe each.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@plugin_files
def check(files: tuple[Path, ...], plugins: tuple[Path, ...]) -> None:
    """Resolve profiles, check everything in them, and say what they reward and forbid.

    No engine is contacted: whether the index is there, `leser run --platform FILE --dry-run` tells. A mistake is named with
    its file and key, and the other files are checked all the same.
    """
    from leser.config.check import check_profile
    from leser.config.sentences import sentences_of

    failed: list[LeserError] = []
    for number, file in enumerate(files):
        try:
            checked = check_profile(file, plugins)
        except LeserError as error:
            if len(files) == 1:
                raise
            failed.append(error)
            say(("\n" if number else "") + f"Error: {printable_lines(str(error))}", err=True)
        else:
            say(("\n" if number else "") + "\n".join([*sentences_of(checked), "", "ok"]))
    if failed:
        raise LeserError(f"{len(failed)} of {len(files)} profiles cannot be used; see the errors above.")
