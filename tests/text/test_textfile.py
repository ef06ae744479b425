"""Text files that users write are read with the marks that their editors put in front, and their lists with comments."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leser_elasticsearch.template import read_template as read_elasticsearch
from leser_memory import MemoryBackend
from leser_solr.template import read_template as read_solr

from leser.backend import Document
from leser.config.load import load_config
from leser.config.profile import read_profile
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.formats.files import json_lines
from leser.plugins import Registry, load_plugins
from leser.rules import build_book
from leser.rules.lexicon import read_list

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
ENDS = ("\n", "\r\n", "\r")
ELASTICSEARCH = '{"query": {"multi_match": {"query": "$query", "fields": ["größe^3"]}}}'
SOLR = '{"defType": "edismax", "q": "$query", "qf": "größe^3 text"}'


def _config(path: Path) -> Any:
    config = load_config(path)
    return config.seed, config.prompt.platform


READERS: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
    "configuration": ('seed = 7\n[prompt]\nplatform = "Stühle, 椅子"\n', _config, (7, "Stühle, 椅子")),
    "profile": ('[platform]\nname = "möbel"\n', lambda path: read_profile(path).values["platform"]["name"], "möbel"),
    "list": ("# Banned\nMöbel\n\nknife # sharp\n", lambda path: read_list(path, "banned"), ["Möbel", "knife"]),
    "elasticsearch": (ELASTICSEARCH, lambda path: dict(read_elasticsearch(path, rerank=False).fields), {"größe": 3.0}),
    "solr": (SOLR, lambda path: read_solr(path).fields, "größe^3 text"),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_read_as_its_first_bytes_say(tmp_path: Path, kind: str, encoding: str) -> None:
    text, read, expected = READERS[kind]
    path = tmp_path / "written.txt"
    for end in ENDS:
        path.write_bytes(text.replace("\n", end).encode(encoding))
        assert read(path) == expected, end


@pytest.mark.parametrize("kind", READERS)
def test_another_encoding_is_an_error_that_names_the_file(tmp_path: Path, kind: str) -> None:
    text, read, _ = READERS[kind]
    path = tmp_path / "written.txt"
    path.write_bytes(text.replace("椅子", "").encode("latin-1"))
    with pytest.raises(LeserError, match=r"written\.txt"):
        read(path)


def test_json_lines_may_begin_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"_id": "1", "text": "sofa"}).encode() + b"\n")
    assert list(json_lines(path)) == [(1, {"_id": "1", "text": "sofa"})]


def test_a_comment_begins_a_line_or_stands_after_a_space(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(
        "# knife\n  # gun\nknife#sharp\nknife  # x\nrifle\t# y\nbomb #\n#\n c# # a language\nair # jordan # 1\n#1 gun\nno.#7\n",
        encoding="utf-8",
    )
    assert read_list(path, "banned") == ["knife#sharp", "knife", "rifle", "bomb", "c#", "air", "no.#7"]


def test_joined_files_keep_no_mark_between_them(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("knife\n".encode("utf-8-sig") + "# guns\ngun\n".encode("utf-8-sig"))
    assert read_list(path, "banned") == ["knife", "gun"]


@pytest.mark.parametrize(
    ("table", "lines", "refused", "free"),
    [
        ({"banned": {"files": ["FILE"]}}, "knife # sharp\n", "knife", "sharp"),
        ({"banned": {"pattern_files": ["FILE"]}}, "kni[fv]e # sharp\n", "knive", "sharp"),
        ({"competitor": {"files": ["FILE"]}}, "Zeta # sharp\n", "zeta", "sharp"),
        ({"restricted": {"files": {"arms": "FILE"}}}, "knife # sharp\n", "knife", "sharp"),
        ({"vocabulary": {"file": "FILE"}}, "sharp lamp # knife\n", "knife", "sharp"),
        ({"protected": {"files": ["FILE"]}}, "Acme # ours\nZeta # theirs\n", "zeta", "theirs"),
    ],
)
def test_every_rule_reads_its_list_alike(
    tmp_path: Path, registry: Registry, table: dict[str, Any], lines: str, refused: str, free: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(lines, encoding="utf-8-sig")
    tables = json.loads(json.dumps(table).replace("FILE", str(path)))
    backend = MemoryBackend.of([Document("1", {"title": "lamp"})])
    book = build_book(tables, registry.all("rule"), EngineWords(backend), ExpansionOptions())
    (name,) = table
    broken = book.check("acme lamp", [Expansion(refused)])
    assert broken is not None
    assert broken.code == name
    assert book.check("acme lamp", [Expansion(free)]) is None
