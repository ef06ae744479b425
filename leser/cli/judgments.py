"""`leser judgments check`: what a task's judgments hold, what they lack, and whether anything can be learned from them."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import CommandGroup, say
from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(
    "judgments",
    cls=CommandGroup,
    short_help="Check a task's judgments before training.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def command() -> None:
    """What a task's judgments hold, and whether a model can learn from them."""


@command.command("check", short_help="Is there anything to learn, and with which reward?")
@click.argument("task", metavar="TASK")
@platform_file
@config_file
@backend_name
@assignments
@click.option(
    "--judge",
    "judges",
    multiple=True,
    metavar="NAME",
    help="A judge, such as encoder; may be repeated. The first fills holes and proves verified search.",
)
@click.option(
    "--queries",
    type=click.IntRange(2),
    default=100,
    show_default=True,
    metavar="N",
    help="Train queries to search with.",
)
@click.option("--raters", type=_FILE, metavar="FILE", help="Each rater's own grades; default: raters.tsv of TASK.")
@click.option("--out", type=_FILE, metavar="FILE.html", help="Also write a page.")
@plugin_files
def check(
    task: str,
    platform: Path | None,
    config: Path | None,
    backend: str | None,
    assignments: tuple[str, ...],
    judges: tuple[str, ...],
    queries: int,
    raters: Path | None,
    out: Path | None,
    plugins: tuple[Path, ...],
) -> None:
    """Examine the judgments of TASK on an engine: depth, holes, contradictions, raters, judges, and head-room.

    Systems that need no training (RM3, a dictionary, verified search) are tried on train queries; nothing is trained, and
    test is not looked at. Ends with one sentence: is there anything to learn, with which reward, how many queries would show it.
    """
    from leser.config.build import complete
    from leser.config.load import load_config
    from leser.files import write_atomically
    from leser.judgments.examine import JudgmentsWanted, examine
    from leser.judgments.lines import facts, table
    from leser.judgments.page import render_examination
    from leser.judgments.raters import FILE, read_raters
    from leser.plugins import load_plugins
    from leser.session import open_session

    given = {"task.name": task, "backend.name": backend, "plugins": plugins or None}
    loaded = load_config(config, {k: v for k, v in given.items() if v is not None}, assignments, platform)
    registry = load_plugins(loaded.plugins)
    beside = Path(task) / FILE
    path = raters or (beside if beside.is_file() else None)
    agreement = read_raters(path) if path else None
    with open_session(complete(loaded, registry), registry) as session:
        found = examine(session, JudgmentsWanted(queries, judges), agreement, lambda said: say(said, err=True))
    for topic, said in facts(found):
        say(f"{topic:<16} {said}")
    say("")
    rows = table(found)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say(f"\n{found.conclusion.sentence}")
    if out is not None:
        write_atomically(out, render_examination(found))
        say(f"Page: {out}")
