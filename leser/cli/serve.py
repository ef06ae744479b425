"""`leser serve`: the service that a shop asks for expansions."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.options import plugin_files

_LINE = "KEY=VALUE"


@click.command(
    "serve",
    short_help="Serve expansions to a shop.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--store", required=True, metavar="STORE", help="A file (head.db, head.jsonl) or redis://host:6379/0.")
@click.option(
    "--run",
    "--policy",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run whose policy (or --by NAME) and engine answer new queries.",
)
@click.option(
    "--by",
    default="policy",
    show_default=True,
    metavar="NAME",
    help="Who answers new queries: the run's policy, or a baseline that it keeps, e.g. encoder-feedback.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 chooses a free one."
)
@click.option("--events", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="File of UBI events.")
@click.option("--log-queries", is_flag=True, help="Write query texts into the log.")
@click.option("-o", "assignments", multiple=True, metavar=_LINE, help="Option of the service, e.g. budget_ms=100.")
@click.option("-s", "store_options", multiple=True, metavar=_LINE, help="Option of the store, e.g. key=shop.")
@plugin_files
def command(
    store: str,
    run: Path | None,
    by: str,
    host: str,
    port: int,
    events: Path | None,
    log_queries: bool,
    assignments: tuple[str, ...],
    store_options: tuple[str, ...],
    plugins: tuple[Path, ...],
) -> None:
    """Answer GET /v1/expand?q=...: frequent queries from a store, others by a policy or a baseline within a time budget.

    Whatever fails, the answer is the original query. API keys come from the environment variable LESER_API_KEYS. The page at /
    shows expansions and both result lists, and takes decisions.
    """
    from leser.errors import LeserError
    from leser.options import validate_options
    from leser.plugins import load_plugins
    from leser.serving.options import ServingOptions
    from leser.serving.service import Service
    from leser.store.fitted import POLICY, check_served
    from leser.stores.opening import assigned, open_store

    try:
        from leser.serving.running import serve
    except ImportError as error:
        raise LeserError(
            f"The service needs more packages ({error}). Install them: pip install 'leser[serve]'"
        ) from error
    given = {**assigned(assignments), "log_queries": log_queries, **({"events": events} if events else {})}
    options = validate_options(ServingOptions, given, "the service")
    if run is not None:
        check_served(run, by)  # before a large store is read
    elif by != POLICY:
        raise LeserError(f"--by {by} needs the run that keeps it. Name it with --run RUN; `leser fit` makes one.")
    opened = open_store(store, load_plugins(plugins), options=assigned(store_options))
    serve(Service(opened, options, run, by), host, port)
