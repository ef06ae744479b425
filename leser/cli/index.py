"""`leser index`: build an engine's index from a task's documents; the only command that writes to an engine."""

from __future__ import annotations

from pathlib import Path

import click

from leser.cli.console import say
from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files, task_source


@click.command(
    "index",
    short_help="Build an engine's index from a task's documents.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@task_source
@backend_name
@assignments
@plugin_files
def command(
    platform: Path | None,
    config: Path | None,
    task: str | None,
    backend: str | None,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
) -> None:
    """Build the backend's index from the documents of a task."""
    from leser.config.build import backend_of, complete, task_of
    from leser.config.load import load_config
    from leser.engine.checked import CheckedBackend
    from leser.indexing import index_task
    from leser.plugins import load_plugins

    given = {"task.name": task, "backend.name": backend, "plugins": plugins or None}
    loaded = load_config(
        config, {key: value for key, value in given.items() if value is not None}, assignments, platform
    )
    registry = load_plugins(loaded.plugins)
    resolved = complete(loaded, registry)
    engine = backend_of(resolved, registry)
    try:
        read = task_of(resolved, registry)
        count = index_task(engine, read, lambda done: say(f"{done} documents ...", err=True))
    finally:
        CheckedBackend(engine).close()
    say(f"Indexed {count} documents of the task {read.name} in the backend {engine.name}.")
