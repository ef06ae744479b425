"""The commands `leser` and `leser-run`: finding the sub-command, and turning errors into messages and exit codes."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from leser.cli.console import CommandGroup, check_arguments, replace_what_cannot_be_shown, say
from leser.command import RUN_COMMAND
from leser.errors import LeserError
from leser.printable import printable_lines
from leser.version import installed_version

COMMANDS = {
    "run": "leser.cli.run",
    "index": "leser.cli.index",
    "corpus": "leser.cli.corpus",
    "encode": "leser.cli.encode",
    "doctor": "leser.cli.doctor",
    "judgments": "leser.cli.judgments",
    "report": "leser.cli.report",
    "evaluate": "leser.cli.evaluate",
    "expand": "leser.cli.expand",
    "search-expansions": "leser.cli.search_expansions",
    "precompute": "leser.cli.precompute",
    "promote": "leser.cli.promote",
    "fit": "leser.cli.fit",
    "entries": "leser.cli.entries",
    "export": "leser.cli.export",
    "serve": "leser.cli.serve",
    "store": "leser.cli.store",
    "watch": "leser.cli.watch",
    "make-queries": "leser.cli.make_queries",
    "rollouts": "leser.cli.rollouts",
    "rescore": "leser.cli.rescore",
    "new": "leser.cli.new",
    "plugins": "leser.cli.plugins",
    "platforms": "leser.cli.platforms",
}
"""Sub-command to the module that holds it as `command`; such a module imports the rest of LESER only when called."""


class LazyGroup(CommandGroup):
    """A group whose sub-commands are imported when they are named, so that `leser --help` loads nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the sub-commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The sub-command called `cmd_name`, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed_version(), prog_name="leser")
def group() -> None:
    """Fine-tune a language model to expand search queries, with your own search engine as the teacher."""


def main() -> None:
    """The console script `leser`."""
    _exit_with(group, "leser")


def run_main() -> None:
    """The console script `leser-run`: `leser run` by a name of its own."""
    _exit_with(import_module(COMMANDS["run"]).command, "leser-run")


def _exit_with(command: click.Command, name: str) -> None:
    """Run a command; a LeserError becomes its message and exit code, Ctrl-C 130, anything else a traceback."""
    replace_what_cannot_be_shown()
    typed = RUN_COMMAND.set("leser-run" if name == "leser-run" else "leser run")
    try:
        check_arguments(sys.argv[1:])
        code = command.main(prog_name=name, standalone_mode=False)
    except LeserError as error:
        say(f"Error: {printable_lines(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("Interrupted.", err=True)
        sys.exit(130)
    finally:
        RUN_COMMAND.reset(typed)  # another command of this process may have the other name
    sys.exit(code if isinstance(code, int) else 0)
