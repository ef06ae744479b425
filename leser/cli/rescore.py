"""`leser rescore`: a run's stored completions judged by other rewards, without sampling anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leser.cli.console import say
from leser.cli.options import (
    assignments,
    backend_name,
    plugin_files,
    reward_weights,
    site_file,
    task_source,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leser.replay.summary import Gain, Summary


@click.command(
    "rescore",
    short_help="Judge stored completions by other rewards.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@reward_weights
@site_file
@task_source
@backend_name
@assignments
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.parquet",
    help="Write the completions with their new rewards; `leser run --from-rollouts` reads it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@plugin_files
def command(
    run: Path,
    rewards: tuple[str, ...],
    platform: Path | None,
    task: str | None,
    backend: str | None,
    assignments: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    plugins: tuple[Path, ...],
) -> None:
    """Search once more with the completions that a run sampled in training, and say what other rewards would have taught.

    Nothing is sampled or trained. Rewards, task, backend and options are the run's own unless given here.
    """
    from leser.errors import LeserError
    from leser.inspect.opening import configured, open_folder
    from leser.lesson import prepare
    from leser.replay.rescore import rescore, write_rescored
    from leser.replay.stored import queries_of, read_stored
    from leser.replay.summary import summarised
    from leser.session import open_session
    from leser.store.weights import kept_weights

    if out is not None and out.suffix != ".parquet":
        raise LeserError(
            f"--out {out} is not valid: the file is written as Parquet. Give it a name that ends in .parquet."
        )
    folder = open_folder(run)
    stored = read_stored(run)
    flags = {"rewards.weights": list(rewards) or None, "task.name": task, "backend.name": backend}
    config, registry = configured(folder, flags, assignments, plugins, platform)
    with open_session(config, registry) as session:
        split = session.task.train
        queries = queries_of(split, stored, run)
        if (weight := kept_weights(run).get("grpo")) is not None:
            session.environment.weigh(weight)
        prepare(session.environment.rewards.rewards, session.reporter)
        found = rescore(session.environment, split, queries, stored)
        formula = session.environment.rewards.formula
    summary = summarised(found, config.grpo.zero_variance_range)
    if out is not None:
        write_rescored(out, found)
    if as_json:
        say(json.dumps(summary.row()))
        return
    say(f"Reward: {formula}.")
    for line in _lines(summary):
        say(line)
    if out is not None:
        say(f"Written: {out}")


def _lines(found: Summary) -> Iterator[str]:
    yield (
        f"{found.completions} completions ({found.distinct} different) in {found.groups} groups of {found.queries} queries"
        + (f"; {found.failed} have no reward: their search failed, or none applies." if found.failed else ".")
    )
    yield f"Means: {', '.join(f'{name} {_number(value)}' for name, value in found.means.items())}."
    yield f"  {'steps':<12}{'trained reward':>16}{'this reward':>14}{'zero variance, trained':>25}{'zero variance, this':>22}"
    for part in found.parts:
        steps = f"{part.first} to {part.last}"
        shares = f"{part.zero_variance_trained:>25.0%}{part.zero_variance:>22.0%}"
        yield f"  {steps:<12}{_number(part.trained):>16}{_number(part.reward):>14}{shares}"
    yield (
        f"Correlation with the trained reward: {_number(found.correlation)}; within groups, which is what advantages see: "
        f"{_number(found.correlation_in_groups)}."
    )
    yield (
        f"Over the original: best of a group {_gain(found.best)}; the best by the trained reward {_gain(found.best_by_trained)}; "
        f"a group's mean {_gain(found.mean)}."
    )


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _gain(gain: Gain | None) -> str:
    return "not known" if gain is None else f"{gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}]"
