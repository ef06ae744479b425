"""`leser expand`: one query through a run's policy, with the results before and after side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leser.cli.options import assignments, backend_name, plugin_files, site_file, task_source

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leser.inspect.lookup import Looked
    from leser.report.moved import MovedHit

NARROW = 100
"""Columns below which the two lists stand one below the other."""
STYLES = {"up": "green", "new": "green", "down": "yellow", "gone": "yellow", "same": "dim"}


@click.command(
    "expand",
    short_help="Expand one query and show the results.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("query", metavar='"QUERY"')
@site_file
@task_source
@backend_name
@assignments
@click.option("-n", "--hits", type=click.IntRange(1, 100), default=10, show_default=True, help="Results of each list.")
@plugin_files
def command(
    run: Path,
    platform: Path | None,
    query: str,
    task: str | None,
    backend: str | None,
    assignments: tuple[str, ...],
    hits: int,
    plugins: tuple[Path, ...],
) -> None:
    """Expand a query with the policy of a run: what it was shown, what it wrote, and both result lists.

    The engine is the run's own unless --backend or -o says otherwise. A query of the task is shown with its judgments.
    """
    from rich.console import Console

    from leser.inspect.lookup import look_up
    from leser.inspect.opening import configured, open_folder, open_sampler
    from leser.session import open_session

    folder = open_folder(run)
    config, registry = configured(folder, {"task.name": task, "backend.name": backend}, assignments, plugins, platform)
    with open_session(config, registry) as session:
        looked = look_up(open_sampler(folder, session), session, query, hits)
    console = Console(highlight=False, markup=False)
    _tell(console, looked)
    _show(console, looked)


def _tell(console: Console, looked: Looked) -> None:
    """The query, what the policy saw of its results, and what it wrote."""
    from leser.printable import printable

    kind = f"  ({printable(looked.query.kind)})" if looked.query.kind else ""
    console.print(f"query       {printable(looked.query.text)}{kind}", soft_wrap=True)
    for number, held in enumerate(looked.constraints):
        console.print(f"{'held to' if not number else '':<12}{printable(held)}", soft_wrap=True)
    console.print(f"found       {looked.found} documents; the prompt has {looked.prompt_tokens} tokens", soft_wrap=True)
    for number, text in enumerate(looked.shown):
        console.print(f"{'shown' if not number else '':<12}{printable(text, 100)}", soft_wrap=True)
    if looked.dropped:
        console.print(
            f"dropped     {looked.dropped} of the hits: the prompt was too long for the model", soft_wrap=True
        )
    console.print(f"wrote       {printable(looked.completion) or '(nothing)'}", soft_wrap=True)
    if looked.reason:
        kind = looked.code.replace("_", " ")
        console.print(f"not served  {kind}: {printable(looked.reason)}; the original query is searched", soft_wrap=True)
    elif not looked.expansions:
        console.print("searched    the original query: the policy leaves it alone", soft_wrap=True)
    for number, expansion in enumerate(looked.expansions if not looked.reason else ()):
        weight = f"weight {looked.weight * expansion.weight:g}"
        console.print(f"{'searched' if not number else '':<12}{printable(expansion.text)}  ({weight})", soft_wrap=True)
    if looked.code == "engine_error":
        console.print("The engine failed on the expanded query.", style="bold red")


def _show(console: Console, looked: Looked) -> None:
    """Both lists, side by side where there is room."""
    from rich.table import Table

    from leser.report.moved import rows_of

    before, after = rows_of(looked.before, gone=True), rows_of(looked.after, gone=False)
    console.print()
    if console.width >= NARROW:
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        grid.add_row(_list("original query", before, looked.judged), _list("with expansions", after, looked.judged))
        console.print(grid)
    else:
        console.print(_list("original query", before, looked.judged))
        console.print()
        console.print(_list("with expansions", after, looked.judged))
    if looked.judged:
        console.print("\n● relevant (more dots, a higher grade)   ○ judged not relevant", style="dim")


def _list(title: str, rows: list[MovedHit], judged: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    from leser.printable import printable

    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold", expand=True)
    table.add_column("", justify="right", style="dim", width=3)
    if judged:
        table.add_column("", width=3)
    table.add_column(title, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", justify="right", width=6, no_wrap=True)
    for row in rows:
        mark = [Text(row.mark, "green" if row.relevant else "dim")] if judged else []
        shown = Text(printable(row.title), "bold" if row.relevant else "")
        table.add_row(Text(str(row.rank)), *mark, shown, Text(row.moved, STYLES[row.kind]))
    if not rows:
        table.add_row(Text(""), *([Text("")] if judged else []), Text("nothing was found", "dim"), Text(""))
    return table
