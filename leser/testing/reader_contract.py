"""ReaderContract: what every reader must hold to, as tests a plugin author inherits.

    import pytest
    from leser.testing import ReaderCase, ReaderContract

    def write_clicks(folder):
        path = folder / "clicks.csv"
        path.write_text("query,document,clicks\\nred sofa,d1,4\\n...")
        return path                                                # what --task names

    class TestClicks(ReaderContract):
        @pytest.fixture
        def case(self):
            return ReaderCase(
                Clicks,
                write=write_clicks,
                grades={"red sofa": {"d1": 2}, ...},               # what must be read: each query's text, its judgments
                bad_lines={"clicks.csv": "red sofa,d1"},           # lines that nobody can read, by file
                options={"min_clicks": 3},
            )

An example needs three queries with a relevant document, so that each split gets one. A reader that makes its task itself
gives no `write`; what needs a file is then left out of its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from leser.errors import LeserError
from leser.formats.split import check_splits
from leser.options import validate_options
from leser.reader import Reader, ReaderOptions
from leser.task import Split, Task
from leser.testing.kit import Kit, check_declared, check_message
from leser.testing.shop import registry, write_shop

Write = Callable[[Path], Path]
Damage = Callable[[bytes], bytes]

DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: 2 * len(data) // 3],
    "no text": lambda _: bytes(range(256)) * 4,
    "a byte that is not UTF-8": lambda data: data[: len(data) // 2] + b"\xff\xfe\xe4" + data[len(data) // 2 :],
    "nulls": lambda data: data.replace(b"e", b"\x00"),
    "one long line": lambda data: data.replace(b"\n", b" "),
}
"""What happens to files between a team's systems; each is read, or an error that names the file."""


@dataclass(frozen=True)
class ReaderCase:
    """A reader with its options, an example in its format, and what must be read of it.

    `write` writes the example into an empty folder and returns the path that --task names. `grades` maps each query's text to
    its judgments (document id to grade). `bad_lines` maps files of the example to a line that, added at the end, nobody can
    read.
    """

    reader: type[Reader]
    write: Write | None = None
    grades: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    bad_lines: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def read(self, path: Path | None, **options: Any) -> Task:
        """The task at a path, read as a run reads it; raises LeserError."""
        values = {**self.options, **options, **({"path": path} if path else {})}
        return self.reader(validate_options(self.reader.Options, values, f"task '{self.reader.name}'")).read()


class ReaderContract(Kit, kit=True):
    """The contract of `leser.formats.Reader`; each test says where to look if it fails."""

    @pytest.fixture
    def case(self) -> ReaderCase:
        """The reader under test, with an example in its format."""
        raise NotImplementedError("override the fixture `case`: return ReaderCase(YourReader, write=..., grades=...)")

    @pytest.fixture
    def path(self, case: ReaderCase, tmp_path: Path) -> Path | None:
        """The example, written into a folder of its own; None for a reader that makes its task itself."""
        return written(case.write, tmp_path / "example") if case.write else None

    def test_is_declared(self, case: ReaderCase) -> None:
        """If this fails, check the class: name, api, docstring, and Options, which inherits ReaderOptions."""
        check_declared(case.reader, ReaderOptions)

    def test_reads_a_task(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check that `read` returns a Task, with the splits train, dev and test."""
        task = case.read(path)
        assert isinstance(task, Task), f"it is a {type(task).__name__}"
        assert tuple(split.name for split in task.splits) == ("train", "dev", "test")

    def test_queries_and_grades_are_plain(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check types: ids and texts are str with something in them, grades whole numbers (int)."""
        for split in case.read(path).splits:
            for query in (*split.queries, *split.no_result):
                for text in (query.id, query.text):
                    assert type(text) is str, f"{text!r} of {query} is a {type(text).__name__}"
                    assert text.strip(), f"{query} lacks its id or its text"
                assert "\n" not in query.text
            for query_id, grades in split.qrels.items():
                for document, grade in grades.items():
                    assert type(document) is str, f"document {document!r} of query {query_id}"
                    assert document.strip()
                    assert type(grade) is int, f"grade {grade!r} of query {query_id}"

    def test_splits_are_sound(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check the splits: each has a query with a relevant document, and no query is in two of them."""
        check_splits(case.read(path))

    def test_reads_what_the_file_says(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check columns and quoting: every query of the example, as typed, with all of its judgments."""
        if case.write is None:
            return
        assert case.grades, "say in the case what must be read: grades={text: {document: grade}}"
        assert _grades_of(case.read(path)) == {text: dict(grades) for text, grades in case.grades.items()}

    def test_queries_without_a_relevant_document_stand_apart(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check Split.no_result: a query with no grade above 0 can be neither rewarded nor measured."""
        for split in case.read(path).splits:
            for query in split.queries:
                assert _has_relevant(split, query.id), f"nothing is relevant to '{query.text}', a query of {split.name}"
            for query in split.no_result:
                assert not _has_relevant(split, query.id), f"'{query.text}' has a relevant document"

    def test_reads_the_same_twice(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check what is drawn: splits come from options.seed alone, and reading changes nothing."""
        first, second = case.read(path, seed=4), case.read(path, seed=4)
        assert first.splits == second.splits
        assert [list(split.qrels) for split in first.splits] == [list(split.qrels) for split in second.splits]

    def test_documents_can_be_read_again(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check Task.documents: a function that starts anew each time, or None where there are no documents."""
        task = case.read(path)
        if task.documents is None:
            return
        documents = list(task.documents())
        assert documents, "the task says that it holds documents, and gives none"
        assert list(task.documents()) == documents
        ids = [document.id for document in documents]
        assert len(set(ids)) == len(ids), "two documents have one id"
        for document in documents:
            assert type(document.id) is str
            assert all(type(name) is str and type(text) is str for name, text in document.fields.items()), document
        assert any(document.fields.get(task.title_field) for document in documents), f"no '{task.title_field}'"

    def test_the_catalogue_is_the_tasks_documents(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check `catalogue`: it gives the documents that `read` gives, or None where the task brings none."""
        values = {**case.options, **({"path": path} if path is not None else {})}
        alone = case.reader(validate_options(case.reader.Options, values, "task")).catalogue()
        documents = case.read(path).documents
        assert (alone is None) == (documents is None)
        if alone is not None and documents is not None:
            assert list(alone()) == list(documents())

    def test_reads_nothing_before_it_is_asked(self, case: ReaderCase, tmp_path: Path) -> None:
        """If this fails, check that __init__ only keeps its options: `read` opens files."""
        if case.write is not None:
            values = {**case.options, "path": tmp_path / "nowhere"}
            case.reader(validate_options(case.reader.Options, values, "task"))

    def test_a_missing_path_is_an_error(self, case: ReaderCase, tmp_path: Path) -> None:
        """If this fails, check that a path that is not there, or none, raises LeserError with the path in it."""
        if case.write is None:
            return
        (tmp_path / "empty").mkdir()
        for name in ("nowhere", "empty"):
            with pytest.raises(LeserError, match=name):
                case.read(tmp_path / name)
        with pytest.raises(LeserError):
            case.read(None)

    def test_recognises_its_own(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, check `recognises`: True for the example, as soon as its files are there."""
        assert path is None or case.reader.recognises(path) is True

    def test_recognises_nothing_else(self, case: ReaderCase, tmp_path: Path) -> None:
        """If this fails, check `recognises`: False for what is not there, for empty and other folders, for any other file."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "notes.txt").write_text("red sofa\n", encoding="utf-8")
        (tmp_path / "rubbish.csv").write_bytes(bytes(range(256)))
        (tmp_path / "folder.csv").mkdir()
        others = [tmp_path / name for name in ("nowhere", "empty", "notes.txt", "rubbish.csv", "folder.csv")]
        beir = write_shop(tmp_path / "beir")
        for path in (*others, *([] if _reads_beir(case) else [beir])):
            assert case.reader.recognises(path) is False, f"{path.name} is recognised"

    def test_nobody_else_recognises_it(self, case: ReaderCase, path: Path | None) -> None:
        """If this fails, choose other names for your files: a path that two readers recognise is read by neither."""
        readers = registry().all("reader") if path else {}
        twins = [name for name, cls in readers.items() if name != case.reader.name and path and cls.recognises(path)]
        assert twins == []

    def test_lines_that_cannot_be_read(self, case: ReaderCase, tmp_path: Path) -> None:
        """If this fails, check that a bad line raises LeserError with file and line (leser.formats.files.bad_line)."""
        if case.write is None:
            return
        assert case.bad_lines, "name a line that nobody can read: bad_lines={file: line}"
        for number, (name, line) in enumerate(case.bad_lines.items()):
            folder = tmp_path / str(number)
            path = written(case.write, folder)
            text = (folder / name).read_text(encoding="utf-8")
            (folder / name).write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
            with pytest.raises(LeserError) as caught:
                _read_all(case, path)
            assert Path(name).name in str(caught.value), "the message does not name the file"
            last = len(text.rstrip().splitlines()) + 1
            assert f"line {last}" in str(caught.value), f"the message does not name line {last}: {caught.value}"

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_damaged_files(self, case: ReaderCase, tmp_path: Path, damage: str) -> None:
        """If this fails, check what raises: a file that cannot be read is a LeserError that names it, never a traceback."""
        names = sorted(_files(written(case.write, tmp_path / "whole"))) if case.write else []
        for number, name in enumerate(names):
            assert case.write is not None
            folder = tmp_path / f"damaged-{number}"
            path = written(case.write, folder)
            (folder / name).write_bytes(DAMAGES[damage]((folder / name).read_bytes()))
            assert case.reader.recognises(path) in (True, False)
            try:
                _read_all(case, path)
            except LeserError as error:
                check_message(error, folder.name, Path(name).name, path.stem)

    @pytest.mark.parametrize("change", ["crlf", "bom"])
    def test_files_written_on_windows(self, case: ReaderCase, path: Path | None, tmp_path: Path, change: str) -> None:
        """If this fails, check line ends (CR LF) and the mark at a file's beginning (BOM): they are no part of the text."""
        if case.write is None or path is None:
            return
        folder = tmp_path / "windows"
        other = written(case.write, folder)
        for name in _files(other):
            data = (folder / name).read_bytes()
            changed = b"\xef\xbb\xbf" + data if change == "bom" else data.replace(b"\n", b"\r\n")
            (folder / name).write_bytes(changed)
        assert case.reader.recognises(other) is True
        assert _grades_of(case.read(other)) == _grades_of(case.read(path))
        documents, plain = case.read(other).documents, case.read(path).documents
        assert (list(documents()) if documents else None) == (list(plain()) if plain else None)


def written(write: Write, folder: Path) -> Path:
    """The example, written into a new folder; the path that --task names."""
    folder.mkdir()
    path = write(folder)
    assert isinstance(path, Path), "`write` returns the path that --task names"
    assert path.exists(), f"`write` wrote nothing at {path}"
    return path


def _files(path: Path) -> list[str]:
    """The example's files, by their paths in its folder."""
    folder = path if path.is_dir() else path.parent
    return [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]


def _read_all(case: ReaderCase, path: Path) -> None:
    documents = check_splits(case.read(path)).documents
    if documents is not None:
        list(documents())


def _grades_of(task: Task) -> dict[str, dict[str, int]]:
    """Judgments by the query's text, over all splits."""
    found: dict[str, dict[str, int]] = {}
    for split in task.splits:
        for query in (*split.queries, *split.no_result):
            assert query.text not in found, f"two queries have the text '{query.text}'"
            found[query.text] = dict(split.qrels.get(query.id, {}))
    return found


def _has_relevant(split: Split, query: str) -> bool:
    return any(grade > 0 for grade in split.qrels.get(query, {}).values())


def _reads_beir(case: ReaderCase) -> bool:
    return registry().all("reader").get("beir") is case.reader
