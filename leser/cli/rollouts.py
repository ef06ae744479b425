"""`leser rollouts`: what a policy wrote while it trained, the worst or the best of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leser.cli.console import say

if TYPE_CHECKING:
    from leser.inspect.rollouts import FoundRollouts

COUNT = 20


@click.command(
    "rollouts",
    short_help="List completions sampled in training.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--worst", type=click.IntRange(1), metavar="N", help=f"The N that earned least (default: {COUNT}).")
@click.option("--best", type=click.IntRange(1), metavar="N", help="The N that earned most.")
@click.option(
    "--code", metavar="CODE", help="Only ok, none, parse_error, rule_violation, engine_error or nothing_found."
)
@click.option("--query", metavar="TEXT", help="Only queries that hold this text, upper and lower case alike.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, with every column.")
def command(run: Path, worst: int | None, best: int | None, code: str | None, query: str | None, as_json: bool) -> None:
    """Show completions that a run sampled in training, with what each earned. Works while the run trains."""
    from leser.inspect.opening import open_folder
    from leser.inspect.rollouts import find_rollouts

    if worst is not None and best is not None:
        raise click.UsageError("Give --worst or --best, not both.")
    found = find_rollouts(open_folder(run), best or worst or COUNT, best=best is not None, code=code, query=query)
    if as_json:
        for row in found.rows:
            say(json.dumps(row))
        return
    _show(found, "best" if best is not None else "worst")


def _show(found: FoundRollouts, which: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from leser.printable import printable

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000  # one line a completion, for grep
    codes = ", ".join(f"{name} {count}" for name, count in found.codes.items())
    console.print(
        f"{found.matching} completions ({codes or 'none match'}); the {which} {len(found.rows)}:", soft_wrap=True
    )
    if not found.rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("step", "reward", "advantage"):
        table.add_column(name, justify="right", no_wrap=True)
    told = any(row.get("reason") for row in found.rows)  # rollouts of older runs have none
    texts = ("code", "query", "completion", *(("reason",) if told else ()))
    for name in texts:
        table.add_column(name, overflow="fold", no_wrap=name == "code")
    for row in found.rows:
        reward = "·" if row.get("reward") is None else f"{row['reward']:.3f}"
        words = [Text(printable(str(row[name] or ""))) for name in texts]
        table.add_row(str(row["step"]), reward, f"{row['advantage']:+.3f}", *words)
    console.print(table)
