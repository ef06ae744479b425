"""`leser search-expansions`: the expansions that the engine and a judge prove for queries, with labels or without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.options import (
    assignments,
    backend_name,
    config_file,
    judge_rewards,
    platform_file,
    plugin_files,
    task_source,
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "search-expansions",
    short_help="Find expansions by searching, without a policy.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@judge_rewards
@click.option(
    "--queries", type=_FILE, metavar="FILE", help="queries.jsonl, or one query per line; default: the task's."
)
@click.option(
    "--split",
    type=click.Choice(["train", "dev", "test", "all"]),
    default="all",
    show_default=True,
    help="The task's queries.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N queries.")
@click.option("--targets", type=_FILE, metavar="FILE", help="Earlier targets (JSON lines) to count a dictionary on.")
@click.option(
    "--run",
    "run_folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="RUN",
    help="A finished run: what its policy writes is tried, too.",
)
@click.option(
    "--samples", type=click.IntRange(1), metavar="N", help="With --run: answers sampled for a query. Default: 8."
)
@click.option("--seed", type=int, metavar="S", help="Seed of the halves of judgments (verified.confirm).")
@click.option(
    "--out", type=_FILE, required=True, metavar="FILE.jsonl", help="Where the answers go, one line per query."
)
@plugin_files
@click.option("--resume", is_flag=True, help="Continue the search that was begun in the file.")
def command(
    platform: Path | None,
    config: Path | None,
    assignments: tuple[str, ...],
    queries: Path | None,
    split: str,
    limit: int | None,
    targets: Path | None,
    run_folder: Path | None,
    samples: int | None,
    out: Path,
    resume: bool,
    **flags: Any,
) -> None:
    """Search for expansions of queries: candidates are tried on the engine, and kept where the judge's score rises.

    The judge is any reward: nDCG@10 on judgments, encoder@10 without any. What the original query found must still be found
    (verified.keep), and "none" is a good answer. All settings are in [verified], e.g. -o verified.keep=0.8.
    """
    from contextlib import nullcontext

    from leser.config.build import complete, task_of
    from leser.config.load import FLAGS, load_config
    from leser.inspect.policy_source import opened_policy
    from leser.plugins import load_plugins
    from leser.precompute import QueriesWanted, precompute
    from leser.session import open_environment

    if samples is not None and run_folder is None:
        raise click.UsageError("--samples are a policy's: name its run with --run.")
    given = {FLAGS[name]: value for name, value in flags.items() if value not in (None, ())}
    loaded = load_config(config, given, assignments, platform)
    registry = load_plugins(loaded.plugins)
    resolved = complete(loaded, registry)
    in_process = registry.get("backend", resolved.backend.name).takes_documents
    needed = queries is None or (in_process and "documents" not in resolved.backend.options)
    task_read = task_of(resolved, registry) if needed or "task" in loaded.model_fields_set else None
    environment, _ = open_environment(resolved, registry, task_read)
    policy = (
        opened_policy(run_folder, samples or 8, resolved.seed, plugins=loaded.plugins) if run_folder else nullcontext()
    )
    with environment.client, policy as source:
        kinds = precompute(
            environment,
            task_read,
            QueriesWanted(out, queries, split, targets, limit, resume),
            resolved.verified,
            seed=resolved.seed,
            configuration=resolved.resolved(),
            policy=source,
        )
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    click.echo(f"Written: {out} ({kinds.total()} queries: {counts})")
