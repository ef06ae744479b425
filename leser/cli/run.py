"""`leser run`: train a policy on a task with a search engine as the teacher, and evaluate it."""

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
    "run",
    short_help="Train a policy and evaluate it.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@reward_weights
@click.option(
    "--recipe",
    metavar="NAME",
    help="Settings by teacher: judgments, encoder or encoder-smollm2; what else is given wins.",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="A published algorithm: grpo, dr-grpo, dapo, gspo or rloo; what else is given wins.",
)
@click.option("--policy", metavar="P", help="smollm2, tiny, a hub id, or a folder with a saved model.")
@click.option("--steps", type=int, metavar="N", help="GRPO updates, after the warm-up.")
@click.option("--minutes", type=float, metavar="T", help="Time of the whole run, final evaluation included.")
@click.option("--group-size", type=int, metavar="G", help="Completions of each query.")
@click.option("--queries-per-step", type=int, metavar="B", help="Queries in one update.")
@click.option(
    "--from-rollouts",
    metavar="RUN|FILE",
    help="Warm up on the best completions of an earlier run, or of a file of `leser rescore`.",
)
@click.option("--seed", type=int, metavar="S", help="Seed of everything that is drawn.")
@click.option("--out", type=click.Path(file_okay=False), metavar="DIR", help="Run folder.")
@plugin_files
@click.option(
    "--resume", is_flag=True, help="Continue the run in the run folder from its last checkpoint, or begin one."
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the resolved configuration, train nothing.")
def command(platform: Path | None, config: Path | None, assignments: tuple[str, ...], **flags: Any) -> None:
    """Train a policy to expand queries, with a search engine as the teacher, and evaluate it against baselines.

    Each of these overrides the one before: defaults, --recipe, --preset, --platform, --config, flags, -o. Relative paths in a
    platform profile start from its file, all others from here. The run folder keeps the result: --resume needs no profile.
    """
    from leser.api import configure
    from leser.run.runner import run

    run(*configure(flags, config=config, platform=platform, assignments=assignments), own_process=True)
