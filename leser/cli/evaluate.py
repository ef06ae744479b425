"""`leser evaluate`: a finished run's policy once more, on the same engine or another."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import say
from leser.cli.options import assignments, backend_name, plugin_files, site_file, task_source


@click.command(
    "evaluate",
    short_help="Evaluate a saved policy, here or on another engine.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@site_file
@task_source
@backend_name
@assignments
@click.option(
    "--split", type=click.Choice(["test", "dev"]), default="test", show_default=True, help="Queries to evaluate on."
)
@click.option(
    "--judged",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.csv",
    help="More ratings, such as a filled-in judge-next.csv (Quepid's form); they add to the task's.",
)
@click.option("--name", metavar="NAME", help="Write evaluation-NAME.json; default: after backend and split.")
@plugin_files
def command(
    run: Path,
    platform: Path | None,
    task: str | None,
    backend: str | None,
    assignments: tuple[str, ...],
    split: str,
    judged: Path | None,
    name: str | None,
    plugins: tuple[Path, ...],
) -> None:
    """Evaluate the policy that a finished run saved, with its baselines, and print the table with intervals.

    Task, backend and options are the run's own unless given here; another engine is a fair test of what was learned. The
    result is written to RUN/evaluation-NAME.json; the run's own evaluation.json is never touched.
    """
    from dataclasses import replace

    from leser.holes.next import with_ratings
    from leser.inspect.opening import configured, open_finished
    from leser.inspect.reevaluate import reevaluate
    from leser.policy.threads import choose_threads
    from leser.run.systems_table import table
    from leser.session import open_session

    finished = open_finished(run)
    config, registry = configured(
        finished.folder, {"task.name": task, "backend.name": backend}, assignments, plugins, platform
    )
    say(str(choose_threads(config.policy)), err=True)
    with open_session(config, registry) as opened:
        session = replace(opened, task=with_ratings(opened.task, judged)) if judged else opened
        done = reevaluate(finished, session, "dev" if split == "dev" else "test", name)
    say(f"{split.capitalize()}, {done.result.queries} queries, backend {config.backend.name}:")
    for line in table(done.result):
        say(line)
    say(f"Written: {done.path}")
