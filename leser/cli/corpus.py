"""`leser corpus`: the documents of an engine's index as a task's corpus.jsonl."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leser.cli.console import say
from leser.cli.options import assignments, backend_name, config_file, platform_file, plugin_files

if TYPE_CHECKING:
    from leser.corpus.writing import WrittenCorpus

_FILE = click.Path(path_type=Path)


@click.command(
    "corpus",
    short_help="Write an index's documents as corpus.jsonl.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@platform_file
@config_file
@backend_name
@assignments
@plugin_files
@click.option(
    "--title",
    multiple=True,
    metavar="FIELD",
    help="The field that is the title, or one of several; default: title, name, ...",
)
@click.option(
    "--text",
    multiple=True,
    metavar="FIELD",
    help="A field that is the text; may be repeated; default: text, description, ...",
)
@click.option("--out", type=_FILE, required=True, metavar="FILE.jsonl[.gz]", help="Where the documents go.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def command(
    platform: Path | None,
    config: Path | None,
    backend: str | None,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
    title: tuple[str, ...],
    text: tuple[str, ...],
    out: Path,
    overwrite: bool,
) -> None:
    """Write every document of an engine's index as corpus.jsonl, which a task's folder needs where nothing is judged.

    The index is only read. The file takes its place when the last document is written.
    """
    from leser.config.build import backend_of
    from leser.config.load import load_config
    from leser.corpus.writing import check_place, write_corpus
    from leser.engine.checked import CheckedBackend
    from leser.plugins import load_plugins
    from leser.progress import Reporter

    check_place(out, overwrite=overwrite)
    given = {"backend.name": backend, "plugins": plugins or None}
    loaded = load_config(
        config, {key: value for key, value in given.items() if value is not None}, assignments, platform
    )
    engine = backend_of(loaded, load_plugins(loaded.plugins))
    phase = False
    try:
        with Reporter() as reporter:

            def progress(done: int, total: int | None) -> None:
                nonlocal phase
                if not phase:
                    reporter.phase("documents", total)
                    phase = True
                reporter.step(done, {})

            written = write_corpus(
                engine, out, title=title, text=text, overwrite=overwrite, search=loaded.search, progress=progress
            )
    finally:
        CheckedBackend(engine).close()
    for line in _said(written):
        say(line)
    for line in _next(written, _flags(platform, config, backend, assignments, plugins)):
        say(line)


def _said(written: WrittenCorpus) -> list[str]:
    """What was written, and which field was taken for what."""
    from leser.corpus.fields import listed
    from leser.printable import printable_lines

    fields = written.fields
    text = " + ".join(fields.text) or "no field is called so; --text FIELD names one or several"
    lines = [
        f"Written: {written.path} ({written.documents} documents)",
        f"title: {' + '.join(fields.title)}",
        f"text: {text}",
        f"under their own names: {listed(fields.others)}",
        *written.notes,
    ]
    return [printable_lines(line) for line in lines]


def _flags(
    platform: Path | None,
    config: Path | None,
    backend: str | None,
    assignments: tuple[str, ...],
    plugins: tuple[Path, ...],
) -> list[str]:
    """The options of this command that a run on the same index needs, as they were typed."""
    from leser.options import CREDENTIALS

    named = [("--platform", platform), ("--config", config), ("--backend", backend)]
    pairs = [(flag, str(value)) for flag, value in named if value is not None]
    pairs += [("--plugin", str(file)) for file in plugins]
    pairs += [("-o", CREDENTIALS.sub("***@", one)) for one in assignments if not one.startswith("search.aliases.")]
    return [f"{flag} {shlex.quote(value)}" for flag, value in pairs]


def _next(written: WrittenCorpus, flags: list[str]) -> list[str]:
    """What to do now: queries, then a run that reads the index's fields under the names that the file has."""
    folder = written.path.parent
    named = [f"search.aliases.{name}={','.join(fields)}" for name, fields in written.fields.aliases.items()]
    aliases = [f"-o {shlex.quote(one)}" for one in named]
    task = f"--task {shlex.quote(str(folder))}"
    command = " ".join(["leser run --recipe encoder", *flags, *aliases, task, "-o task.unjudged=all"])
    return [
        f"Next: write what people typed into {folder / 'queries.txt'}, one query per line, if it has no queries yet. Then:",
        f"  {command} --dry-run",
    ]
