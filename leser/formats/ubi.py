"""UBI: logs of searches and what was done with their results, as judgments (User Behavior Insights, version 1.3).

Lines of JSON, with or without the action lines of a bulk request: queries (`query_id`, `user_query`, and perhaps
`query_response_hit_ids`, what was shown) and events (`action_name`, `query_id`, `event_attributes.object.object_id`,
`event_attributes.position.ordinal`). Of events impressions and clicks are read. A query without impression events was shown
its hit ids. Ordinals may begin at 0 or 1: the lowest in the log is the first rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from leser.errors import LeserError
from leser.formats.clicks import ClickOptions, Counts, Pair, Shown, judge_clicks, told_apart
from leser.formats.files import bad_line, json_corpus, json_lines
from leser.formats.folder import data_file, data_files, plain_name
from leser.formats.split import assemble
from leser.reader import Reader, ReaderOptions
from leser.task import Query, Task

CLICKS = frozenset({"click", "click_through", "add_to_cart", "purchase"})
"""Actions that say a result was wanted; each counts once for a search and document."""
_ENDINGS = (".ndjson", ".jsonl", ".json")
_FIRST_LINES = 4


@dataclass(slots=True)
class _Search:
    """One search of the log: what was typed, what was shown at which ordinal, and what was clicked."""

    text: str = ""
    listed: tuple[str, ...] = ()
    shown: dict[str, int] = field(default_factory=dict)
    clicked: dict[str, int | None] = field(default_factory=dict)


class Ubi(Reader):
    """UBI log (ubi_queries and ubi_events as lines of JSON): clicks become judgments, ranks' bias taken out."""

    name = "ubi"

    class Options(ReaderOptions, ClickOptions):
        """Options of the UBI reader."""

        thresholds: tuple[float, ...] = Field(
            (0.5, 1.0, 2.0),
            min_length=1,
            description="a document's grade is the number of these that its lift reaches; 1 is an average document",
        )
        title_field: str = Field("title", description="document field that holds the title")

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a file whose first lines hold UBI queries or events, or a folder with such a file."""
        try:
            return bool(_log_files(path))
        except (LeserError, OSError):
            return False

    def read(self) -> Task:
        """Read the log; queries are distinguished by their text, with capitals and repeated blanks as one."""
        path = self.options.path
        files = _log_files(path) if path else []
        if path is None or not files:
            raise LeserError(
                f"The reader 'ubi' needs a UBI log, a file or a folder with it (task.path), given: {path}."
            )
        counts = read_log(files)
        judged = judge_clicks(counts, self.options)
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        for text, _ in counts:
            qrels.setdefault(ids.setdefault(text, f"q{len(ids) + 1}"), {})
        for (text, document), judgment in judged.items():
            qrels[ids[text]][document] = sum(judgment.lift >= least for least in self.options.thresholds)
        folder = path if path.is_dir() else path.parent
        corpus = data_file(folder, "corpus.jsonl")
        return assemble(
            path.resolve().name if path.is_dir() else Path(plain_name(path)).stem,
            {id: Query(id, text) for text, id in ids.items()},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            notes=_notes(counts, len(judged), self.options),
            unjudged=self.options.unjudged,
        )


def _notes(counts: Counts, judged: int, options: ClickOptions) -> list[str]:
    rare = len(counts) - judged
    notes = [
        f"{judged} pairs of query and document are judged by clicks ({options.model}), {rare} were shown too rarely."
    ]
    if options.model == "ips" and not told_apart(counts):
        notes.append(
            "No document was shown for a query at two ranks: position bias and relevance cannot be separated, and the ranks' "
            "click-through rates stand for it."
        )
    return notes


def normal_text(text: str) -> str:
    """A query's text as logs are joined by: small letters, one blank between words."""
    return " ".join(text.casefold().split())


def read_log(files: Sequence[Path]) -> dict[Pair, dict[int, Shown]]:
    """Counts by normal query text and document, then rank; raises LeserError naming file and line."""
    searches: dict[str, _Search] = {}
    for path in files:
        for line, row in json_lines(path):
            if "query_id" in row:
                _read(row, searches, path, line)
            elif not _is_action(row) and "action_name" not in row:  # an event beside any search is allowed
                raise bad_line(path, line, "neither a UBI query nor an event: it holds no query_id and no action_name")
    for search in searches.values():
        if not search.shown:
            search.shown = {document: place for place, document in enumerate(search.listed)}
    lowest = min((o for search in searches.values() for o in search.shown.values()), default=0)
    counts: dict[Pair, dict[int, Shown]] = {}
    for search in searches.values():
        text = normal_text(search.text)
        for document, ordinal in _seen(search).items() if text else ():
            at = counts.setdefault((text, document), {}).setdefault(ordinal - lowest, Shown())
            at.impressions += 1
            at.clicks += document in search.clicked
    return counts


def _seen(search: _Search) -> dict[str, int]:
    """What was shown, and what was clicked without an impression of its own, where its ordinal is known."""
    known = {document: ordinal for document, ordinal in search.clicked.items() if ordinal is not None}
    return {**known, **search.shown}


def _read(row: dict[str, Any], searches: dict[str, _Search], path: Path, line: int) -> None:
    search = searches.setdefault(_text(row, "query_id", path, line), _Search())
    if isinstance(row.get("user_query"), str):
        search.text = row["user_query"]
    if "action_name" not in row:
        if "user_query" not in row:
            raise bad_line(path, line, 'a UBI query without "user_query"')
        ids = row.get("query_response_hit_ids") or []
        if not isinstance(ids, list):
            raise bad_line(path, line, '"query_response_hit_ids" must be a list')
        search.listed = tuple(map(str, ids))
        return
    action = _text(row, "action_name", path, line)
    if action != "impression" and action not in CLICKS:
        return
    given = row.get("event_attributes")
    attributes: dict[str, Any] = given if isinstance(given, dict) else {}
    thing = attributes.get("object")
    if not isinstance(thing, dict) or thing.get("object_id") in (None, ""):
        raise bad_line(path, line, f"the event '{action}' names no event_attributes.object.object_id")
    document, ordinal = str(thing["object_id"]), _ordinal(attributes.get("position"), path, line)
    if action in CLICKS:
        search.clicked[document] = search.clicked.get(document) if ordinal is None else ordinal
    elif ordinal is None:
        raise bad_line(path, line, "the impression has no event_attributes.position.ordinal")
    else:
        search.shown[document] = min(ordinal, search.shown.get(document, ordinal))


def _ordinal(position: Any, path: Path, line: int) -> int | None:
    ordinal = position.get("ordinal") if isinstance(position, dict) else None
    if ordinal is None:
        return None
    if isinstance(ordinal, bool) or not isinstance(ordinal, int) or ordinal < 0:
        raise bad_line(path, line, f"the ordinal {ordinal!r} is not a whole number of 0 or more")
    return ordinal


def _text(row: dict[str, Any], key: str, path: Path, line: int) -> str:
    value = row[key]
    if not isinstance(value, str) or not value:
        raise bad_line(path, line, f'"{key}" must be a text that is not empty')
    return value


def _is_action(row: dict[str, Any]) -> bool:
    """A bulk request's action line."""
    return len(row) == 1 and next(iter(row)) in ("index", "create")


def log_files(path: Path) -> list[Path]:
    """The files of a log: the file itself, or those of a folder that hold UBI lines. Raises LeserError where there are none."""
    found = _log_files(path)
    if not found:
        raise LeserError(
            f"No UBI log at {path}. Name a file of queries and events as lines of JSON, or a folder with them."
        )
    return found


def _log_files(path: Path) -> list[Path]:
    files = data_files(path) if path.is_dir() else [path] if path.is_file() else []
    return [file for file in files if plain_name(file).lower().endswith(_ENDINGS) and _is_log(file)]


def _is_log(path: Path) -> bool:
    try:
        rows: Iterator[tuple[int, dict[str, Any]]] = islice(json_lines(path), _FIRST_LINES)
        return any("action_name" in row or {"user_query", "query_id"} <= row.keys() for _, row in rows)
    except LeserError:
        return False
