"""What the command line prints, on whatever console: what that cannot show is replaced, and never ends a command."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence

import click

from leser.errors import LeserError, unknown_name
from leser.printable import printable


class CommandGroup(click.Group):
    """A group of sub-commands that says which one was probably meant by a name that none has."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The sub-command that the first argument names; raises LeserError for a name that none has."""
        if args and args[0][:1] != "-" and self.get_command(ctx, args[0]) is None:
            owner = "" if ctx.parent is None else f"'{ctx.command_path}'"
            raise unknown_name("command", printable(args[0], 100), self.list_commands(ctx), owner)
        return super().resolve_command(ctx, args)


def replace_what_cannot_be_shown() -> None:
    """From now on "?" stands on stdout for what its encoding lacks (cp1252, ASCII), on stderr the character's number.

    Called once, where a command begins.
    """
    for stream, errors in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def say(text: str, *, err: bool = False) -> None:
    """Print a line on stdout, or on stderr.

    The stream is named: left to itself click takes an ASCII console for a mistake and sends UTF-8.
    """
    click.echo(text, file=sys.stderr if err else sys.stdout)


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises LeserError for an argument whose bytes are not in the console's encoding: no text of it could be meant."""
    for number, argument in enumerate(arguments, 1):
        if re.search("[\ud800-\udfff]", argument):
            shown = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", argument)
            encoding = sys.getfilesystemencoding().upper()
            raise LeserError(
                f"Argument {number} is not valid {encoding}: '{printable(shown, 100)}'. Give it in that encoding; the terminal "
                "or the script that it comes from uses another."
            )
