"""`leser doctor`: try out a backend, and say what to do where it is not fit to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files, task_source

if TYPE_CHECKING:
    from rich.console import Console

    from leser.doctor import Finding

STYLES = {"note": "dim", "ok": "green", "warning": "bold yellow", "problem": "bold red", "down": "bold red"}
WIDTHS = (8, 16)
"""Columns of a finding: its state, its topic; what was seen takes the rest."""
LONGEST = 2000


@click.command(
    "doctor",
    short_help="Check whether a backend is fit to learn from.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@click.option("--query", metavar="TEXT", help="A query to try; default: the task's, else common words.")
@plugin_files
def command(
    platform: Path | None,
    config: Path | None,
    task: str | None,
    backend: str | None,
    assignments: tuple[str, ...],
    query: str | None,
    plugins: tuple[Path, ...],
) -> int:
    """Try out a backend: what it holds, how fast it is, and whether a model can learn from it. Writes nothing.

    Ends with "ok" (exit code 0) or with what to do (1; 75 when the engine is down).
    """
    from rich.console import Console

    from leser.config.build import complete, task_of
    from leser.config.load import load_config
    from leser.doctor import examine, exit_code
    from leser.plugins import load_plugins

    given = {"task.name": task, "backend.name": backend, "plugins": plugins or None}
    flags = {key: value for key, value in given.items() if value is not None}
    loaded = load_config(config, flags, assignments, platform)
    registry = load_plugins(loaded.plugins)
    resolved = complete(loaded, registry)
    in_process = registry.get("backend", resolved.backend.name).takes_documents
    wanted = "task" in loaded.model_fields_set or (in_process and "documents" not in resolved.backend.options)
    console = Console(highlight=False, markup=False)
    findings = []
    for finding in examine(resolved, registry, task_of(resolved, registry) if wanted else None, query):
        findings.append(finding)
        _show(console, finding)
    _conclude(console, findings)
    return exit_code(findings)


def _show(console: Console, finding: Finding) -> None:
    from rich.table import Table
    from rich.text import Text

    from leser.printable import printable

    cells = (finding.state, finding.topic, printable(finding.seen, LONGEST))
    if not console.is_terminal:
        console.print(f"{cells[0]:<{WIDTHS[0]}} {cells[1]:<{WIDTHS[1]}} {cells[2]}", soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 1))
    for width in WIDTHS:
        grid.add_column(width=width)
    grid.add_column(overflow="fold")
    grid.add_row(Text(cells[0], STYLES[finding.state]), Text(cells[1], "bold"), Text(cells[2]))
    console.print(grid)


def _conclude(console: Console, findings: list[Finding]) -> None:
    """The last lines: ok, or what to do, the gravest first."""
    from leser.printable import printable

    to_do = [f for f in findings if f.state in ("problem", "down")] + [f for f in findings if f.state == "warning"]
    if not to_do:
        console.print("\nok", style="bold green")
        return
    grave = any(finding.state != "warning" for finding in to_do)
    console.print("\nWhat to do:" if grave else "\nok, but:", style="bold red" if grave else "bold yellow")
    for number, finding in enumerate(to_do, 1):
        console.print(f"  {number}. {finding.topic}: {printable(finding.advice, LONGEST)}", soft_wrap=True)
