"""`leser precompute`: guarded expansions of frequent queries into a store, by a policy, verified search or baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.cluster import cluster_of, ray_options
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
    "precompute",
    short_help="Expand frequent queries into a store.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--by",
    multiple=True,
    metavar="NAME",
    help="Who proposes: policy, search, both of them, or a baseline such as dictionary; of several (repeat it, or "
    "--by policy,dictionary) the better is kept. Default: policy where RUN is given, else search.",
)
@click.option(
    "--queries",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV with columns query and count, a UBI log, JSON lines, or one query per line.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the N most frequent queries.")
@click.option(
    "--out", required=True, metavar="STORE", help="head.db, head.jsonl, redis://...; made where there is none."
)
@platform_file
@config_file
@task_source
@click.option(
    "--judgments",
    type=click.Choice(["none", "train", "train+dev", "all"]),
    default="train+dev",
    show_default=True,
    help="The task's judgments that may be read; test's are kept for `leser promote`.",
)
@backend_name
@assignments
@judge_rewards
@plugin_files
@click.option(
    "--journal", type=_FILE, metavar="FILE", help="Where the job notes what is done; default: beside the store."
)
@click.option("--resume", is_flag=True, help="Go on with a job that was not finished.")
@ray_options
def command(run: Path | None, by: tuple[str, ...], queries: Path, limit: int | None, out: str, **given: Any) -> None:
    """Expand frequent queries and store what the rules and the engine let pass; only what is stale is done again.

    Guards: no rule is broken, something is found, the original's top hits stay (precompute.overlap), the judge's score rises
    (precompute.margin), and the half of the judgments that took no part in the choice does not speak against it. Entries that
    nothing could prove are proposed, not served. All settings are in [precompute], e.g. -o precompute.overlap=0.5.
    """
    from leser.inspect.precomputing import Source, baselines_named, check_by, job_for
    from leser.offline.blocks import BlockJournal, journal_of
    from leser.offline.frequent import read_frequent
    from leser.offline.refresh import refresh
    from leser.offline.words import said_of
    from leser.stores import open_store

    flags = {"task.name": given["task"], "backend.name": given["backend"], "rewards.weights": given["rewards"] or None}
    set_flags = {key: value for key, value in flags.items() if value is not None}
    source = Source(run, given["config"], given["platform"], set_flags, given["assignments"], given["plugins"])
    chosen = ",".join(by) or ("policy" if run else "search")
    check_by(source, chosen)  # before a store is made
    cluster = cluster_of(given)
    wanted = read_frequent(queries, limit)
    read = source.read()
    baselines_named(chosen, read)
    with (
        open_store(out, read[1], create=True) as store,
        job_for(source, chosen, given["judgments"], read, cluster) as job,
    ):
        journal = BlockJournal(given["journal"] or journal_of(out, store.options.place))
        done = refresh(job, store, wanted, journal, resume=given["resume"])
    click.echo(said_of(done, out))
