"""`leser export`: a store's expansions in a form that a search engine reads by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files, task_source

SHOWN = 5
"""Left-out entries that are printed; left-out.csv has all."""


@click.command(
    "export",
    short_help="Write a store's expansions for a search engine.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("store", metavar="STORE")
@click.option(
    "--format",
    "form",
    type=click.Choice(["querqy", "solr", "elasticsearch", "opensearch", "jsonl"]),
    required=True,
    help="querqy keeps weights; synonyms carry none; jsonl has everything.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="A folder.")
@click.option("--max-rules", type=click.IntRange(1), default=10_000, show_default=True, help="Most synonym rules.")
@click.option(
    "--load",
    metavar="NAME",
    help="Put the synonyms into the server too, by its own API, in place of all that its set NAME holds.",
)
@click.option(
    "-n", "--hits", type=click.IntRange(1), default=10, show_default=True, help="Hits that queries.jsonl asks for."
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@plugin_files
def command(store: str, form: Any, out: Path, max_rules: int, hits: int, load: str | None, **given: Any) -> None:
    """Write what the store serves (approved and live entries) into files of DIR.

    With --backend or --config every word is analysed by that engine before anything is written, and queries.jsonl holds the
    engine's own requests with the expansions in place. What a form cannot say is listed in left-out.csv. With --platform
    only that platform's entries are exported. --load gives the synonyms to the server as well: to the synonyms API of
    Elasticsearch, to the managed synonyms of Solr.
    """
    from leser.config.load import load_config
    from leser.export.forms import export
    from leser.inspect.exporting import export_for
    from leser.inspect.precomputing import Source
    from leser.plugins import load_plugins
    from leser.printable import printable
    from leser.stores import open_store

    if load is not None and not (given["backend"] or given["config"]):
        raise click.UsageError("--load needs the server: name it with --backend (or --config) and its options.")
    flags = {"task.name": given["task"], "backend.name": given["backend"]}
    set_flags = {key: value for key, value in flags.items() if value is not None}
    source = Source(None, given["config"], given["platform"], set_flags, given["assignments"], given["plugins"])
    platform = load_config(platform=given["platform"]).platform.name if given["platform"] else None
    with open_store(store, load_plugins(given["plugins"])) as opened:
        opened.verify()
        entries = [entry for entry in opened.entries() if platform in (None, entry.platform)]
    if given["backend"] or given["config"]:
        done = export_for(entries, form, out, source, limit=max_rules, hits=hits, load=load)
    else:
        done = export(entries, form, out, limit=max_rules, hits=hits)
    click.echo(f"Written: {', '.join(str(file) for file in done.files)} ({done.entries} queries)")
    if done.loaded:
        click.echo(done.loaded)
    if done.remark:
        click.echo(done.remark, err=True)
    if done.left_out:
        click.echo(f"{len(done.left_out)} queries are left out:", err=True)
        for row in done.left_out[:SHOWN]:
            click.echo(f"  {printable(row.entry.query, 60)}: {printable(row.reason)}", err=True)
