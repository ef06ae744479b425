"""`leser promote`: a new store or policy against the old one; exit code 0 where it may take its place, 1 where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files, task_source


@click.command(
    "promote",
    short_help="Compare a new store or policy with the old one.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@platform_file
@config_file
@task_source
@click.option(
    "--split", type=click.Choice(["test", "dev", "train"]), default="test", show_default=True, help="Held-out queries."
)
@backend_name
@assignments
@plugin_files
@click.option(
    "--apply",
    is_flag=True,
    help="Both are stores: where NEW is promoted, write its entries into OLD as the next generation, in one step.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict and all figures as JSON.")
def command(
    old: str,
    new: str,
    platform: Path | None,
    config: Path | None,
    task: str | None,
    split: str,
    backend: str | None,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
    apply: bool,
    as_json: bool,
) -> Any:
    """Compare two systems on held-out judgments. OLD and NEW are stores, run folders, or the word `original`.

    With --apply, what people approved or withdrew in OLD counts in NEW and stays, and `leser store rollback OLD` goes back.
    Exit code 0: NEW may take OLD's place. 1: it may not, for the reasons given. 2 and above: the comparison could not be made.
    Limits are in [promote], e.g. -o promote.tolerance=0.005.
    """
    from leser.inspect.precomputing import Source
    from leser.inspect.promoting import promote

    flags = {key: value for key, value in {"task.name": task, "backend.name": backend}.items() if value is not None}
    verdict = promote(old, new, Source(None, config, platform, flags, assignments, plugins), split, apply=apply)
    click.echo(json.dumps(verdict.row(), indent=2) if as_json else str(verdict))
    click.get_current_context().exit(0 if verdict.promoted else 1)
