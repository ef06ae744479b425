"""`leser make-queries`: train queries made of a catalogue, where nobody kept what people typed."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import say
from leser.cli.options import assignments, config_file, platform_file, plugin_files, task_source

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    "make-queries",
    short_help="Make train queries of a catalogue.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@assignments
@plugin_files
@click.option("--count", type=click.IntRange(1), metavar="N", help="Queries made at most.")
@click.option("--least", type=click.IntRange(1), metavar="N", help="Documents that must share a phrase or value.")
@click.option("--seed", type=int, metavar="S", help="Seed of the draw.")
@click.option("--sources", type=_FILE, metavar="FILE.tsv", help="Also write the documents each was made of, as qrels.")
@click.option("--out", type=_FILE, required=True, metavar="FILE.jsonl", help="Where the queries go.")
def command(
    platform: Path | None,
    config: Path | None,
    task: str | None,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
    sources: Path | None,
    out: Path,
    **given: int | None,
) -> None:
    """Make queries of a task's documents: types, attributes' values, makers with types, and titles cut short.

    None is a near-duplicate of a query that the task has, in whatever split.
    """
    from leser.config.build import complete, task_of
    from leser.config.load import load_config
    from leser.errors import LeserError
    from leser.made.make import make_queries
    from leser.made.options import MakingOptions
    from leser.made.writing import write_queries, write_sources
    from leser.options import validate_options
    from leser.plugins import load_plugins

    named = {"task.name": task, "plugins": plugins or None}
    chosen = {key: value for key, value in named.items() if value is not None}
    loaded = load_config(config, chosen, assignments, platform)
    registry = load_plugins(loaded.plugins)
    options = validate_options(
        MakingOptions, {key: value for key, value in given.items() if value is not None}, "make-queries"
    )
    read = task_of(complete(loaded, registry), registry)
    if read.documents is None:
        raise LeserError(
            f"The task {read.name} brings no documents to make queries of. Put corpus.jsonl beside its queries; "
            "`leser corpus` writes one of an engine's index."
        )
    held = [query for split in read.splits for query in (*split.queries, *split.no_result)]
    made = make_queries(read.documents(), options, held, read.title_field)
    write_queries(out, made)
    if sources is not None:
        write_sources(sources, made)
    say(f"Written: {out} ({len(made)} queries)")
