"""`leser watch`: a live page of a run in the terminal."""

from __future__ import annotations

import time
from pathlib import Path

import click


@click.command(
    "watch",
    short_help="Show a run live in the terminal.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--every", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Print the page once and end.")
def command(run: Path, every: float, once: bool) -> None:
    """Show where a run stands: its figures, how they moved, and which of them are warning signs.

    Reads the run folder only, so it works for a run on another machine whose folder is shared. Ends with the run.
    """
    from rich.console import Console
    from rich.live import Live

    from leser.inspect.live import page, standing
    from leser.inspect.opening import open_folder

    folder, console = open_folder(run), Console(highlight=False, markup=False)
    now = standing(folder)
    if once or now.finished or not console.is_terminal:
        console.print(page(now))
        return
    with Live(page(now), console=console, screen=False, auto_refresh=False) as live:
        while not now.finished:
            time.sleep(every)
            now = standing(folder)
            live.update(page(now), refresh=True)
