"""`leser report`: write a run's report again, or a page that compares several runs."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import say


@click.command(
    "report",
    short_help="Write a run's report again, or compare runs.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN2 ...]", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write; default: RUN/report.html, and for several runs compare.html beside the first run's folder.",
)
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write RUN/report.html again from what the run saved; with several runs, one page that compares them."""
    from leser.inspect.reports import write_again, write_comparison

    path = write_again(runs[0], out) if len(runs) == 1 else write_comparison(runs, out)
    say(f"Report: {path}")
