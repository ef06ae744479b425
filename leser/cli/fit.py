"""`leser fit`: a baseline fitted on train and dev, and kept to be served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.options import (
    assignments,
    backend_name,
    config_file,
    platform_file,
    plugin_files,
    reward_weights,
    task_source,
)


@click.command(
    "fit",
    short_help="Fit a baseline to be served.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--by", multiple=True, required=True, metavar="NAME", help="A baseline that adds clauses; may be repeated."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="New folder for it, where no RUN is named."
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@reward_weights
@plugin_files
def command(run: Path | None, by: tuple[str, ...], out: Path | None, **given: Any) -> None:
    """Fit a baseline on train and dev and keep what it found, so that `leser serve --run FOLDER --by NAME` answers by it.

    A run's final evaluation keeps its own baselines. This is for a run of an earlier version, for a baseline that it did not
    name, and for a shop that trains no policy. The service needs no judgments then.
    """
    from leser.inspect.fitting import fit_to_serve
    from leser.inspect.precomputing import Source

    flags = {"task.name": given["task"], "backend.name": given["backend"], "rewards.weights": given["rewards"] or None}
    set_flags = {key: value for key, value in flags.items() if value is not None}
    source = Source(run, given["config"], given["platform"], set_flags, given["assignments"], given["plugins"])
    for path in fit_to_serve(source, ",".join(by), out):
        click.echo(f"{path} is written. Serve it: leser serve --store STORE --run {run or out} --by {path.parent.name}")
