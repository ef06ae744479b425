"""OpenSearch's judgment lists, as its Search Relevance Workbench imports them: one JSON file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line, json_corpus, open_text
from leser.formats.folder import data_file, data_files, one_of, plain_name
from leser.formats.grades import GradeOptions, grade_from
from leser.formats.json_places import JsonPlaces
from leser.formats.split import assemble
from leser.reader import Reader
from leser.task import Query, Task

_KEY = "judgmentRatings"
_LOOKED_AT = 1 << 16


class OpenSearchJudgments(Reader):
    """OpenSearch judgment list: JSON with "judgmentRatings", the file or a folder with it; corpus.jsonl beside it."""

    name = "opensearch-judgments"

    class Options(GradeOptions):
        """Options of the reader of OpenSearch's judgment lists."""

    options: Options

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """True for a JSON file that begins with an object and names judgmentRatings near its start, or a folder with one."""
        return bool(_files(path))

    def read(self) -> Task:
        """Read the list; queries are told apart by their text. Raises LeserError naming file and line."""
        path = self.options.path
        files = _files(path) if path else []
        if not files:
            raise LeserError(
                f"The reader '{self.name}' needs a JSON file with \"{_KEY}\", or a folder with one (task.path), given: {path}."
            )
        file = one_of(files, "be the judgment list")
        ids: dict[str, str] = {}
        qrels: dict[str, dict[str, int]] = {}
        held = JsonPlaces(file)
        for entry in held.items(held.fields(held.start).get(_KEY, 0)):
            self._read_query(held, entry, ids, qrels)
        corpus = data_file(file.parent, "corpus.jsonl")
        return assemble(
            Path(plain_name(file)).stem,
            {id: Query(id, text) for text, id in ids.items()},
            {"all": qrels},
            seed=self.options.seed,
            documents=partial(json_corpus, corpus) if corpus else None,
            title_field=self.options.title_field,
            unjudged=self.options.unjudged,
        )

    def _read_query(self, held: JsonPlaces, entry: int, ids: dict[str, str], qrels: dict[str, dict[str, int]]) -> None:
        parts = held.fields(entry)
        text = _text(held, entry, parts, "query")
        id = ids.setdefault(text, f"q{len(ids) + 1}")
        qrels.setdefault(id, {})
        if "ratings" not in parts or held.text[parts["ratings"]] != "[":
            raise bad_line(held.path, held.line(entry), f"the query '{text[:80]}' has no list of \"ratings\"")
        for rating in held.items(parts["ratings"]):
            fields = held.fields(rating)
            document, given = (_text(held, rating, fields, key) for key in ("docId", "rating"))
            line = held.line(fields["rating"])
            add_judgment(qrels, id, document, grade_from(given, self.options, held.path, line), held.path, line)


def _text(held: JsonPlaces, start: int, fields: dict[str, int], key: str) -> str:
    """A required text; numbers are taken as they are written."""
    value = held.value(fields[key]) if key in fields else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    if not isinstance(value, str) or not value.strip():
        line = held.line(fields.get(key, start))
        raise bad_line(held.path, line, f'expected a text under "{key}", found {json.dumps(value)}')
    return value.strip()


def _files(path: Path) -> list[Path]:
    files = data_files(path) if path.is_dir() else [path] if path.is_file() else []
    return [file for file in files if plain_name(file).lower().endswith(".json") and _begins(file)]


def _begins(path: Path) -> bool:
    try:
        with open_text(path) as file:
            head = file.read(_LOOKED_AT)
    except (OSError, EOFError, ValueError):
        return False
    return head.lstrip().startswith("{") and f'"{_KEY}"' in head
