"""A good reader, and the same with one fault each. `FIRST` says which test of the kit must be the first to fail."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import ClassVar

import pytest

from leser.backend import Document
from leser.errors import LeserError
from leser.formats.files import add_judgment, bad_line, grade_of, numbered_lines
from leser.formats.split import assemble
from leser.reader import Reader
from leser.task import Query
from leser.testing import ReaderCase, ReaderContract

FILE = "judged.tsv"
GRADES = {
    "red sofa": {"d1": 2, "d2": 0}, "blue couch": {"d1": 1, "d3": 1}, "desk lamp": {"d2": 3}, "mat": {"d4": 1},
    "hammock": {"d4": 0},
}  # fmt: skip


def write(folder: Path) -> Path:
    rows = [f"{text}\t{doc}\t{grade}\n" for text, own in GRADES.items() for doc, grade in own.items()]
    (folder / FILE).write_text("".join(rows), encoding="utf-8")
    return folder


class Good(Reader):
    """A folder with judged.tsv: query, document, grade."""

    name = "judged"

    @classmethod
    def recognises(cls, path):
        return (path / FILE).is_file()

    def read(self):
        file = self.file()
        ids, qrels = {}, {}
        for number, line in numbered_lines(file):
            text, document, grade = self.columns(line.split("\t"), file, number)
            add_judgment(
                qrels, ids.setdefault(text, f"q{len(ids)}"), document, grade_of(grade, file, number), file, number
            )
        queries = {id: Query(id, text) for text, id in ids.items()}
        return assemble(file.parent.name, queries, {"all": qrels}, seed=self.options.seed, documents=self.documents())

    def columns(self, row, file, number):
        if len(row) != 3 or not all(map(str.strip, row)):
            raise bad_line(file, number, f"expected query, document and grade, found {len(row)} columns")
        return row

    def documents(self):
        return lambda: iter([Document(f"d{n}", {"title": "a thing"}) for n in range(1, 5)])

    def file(self):
        if self.options.path is None or not self.recognises(self.options.path):
            raise LeserError(f"The reader 'judged' needs a folder with {FILE} (task.path), given: {self.options.path}.")
        return self.options.path / FILE


class Kit(ReaderContract):
    """The kit on `cls`."""

    __test__ = False
    cls: ClassVar[type[Reader]] = Good

    @pytest.fixture
    def case(self):
        return ReaderCase(self.cls, write, GRADES, {FILE: "red sofa\td9"})


FIRST: dict[str, str | None] = {}


def planted(first):
    """The kit on a faulty reader; `first` is the test that must fail first."""

    def make(cls):
        test = type(f"Test{cls.__name__}", (Kit,), {"cls": cls, "__test__": True, "__module__": __name__})
        globals()[test.__name__] = test
        FIRST[test.__name__] = first
        return cls

    return make


planted(None)(Good)


@planted("test_is_declared")
class ForeignOptions(Good):
    """Options without path and seed."""

    class Options:
        pass


@planted("test_reads_a_task")
class GivesAPair(Good):
    """Queries and judgments in a tuple."""

    def read(self):
        task = super().read()
        return task.train, task.test


@planted("test_splits_are_sound")
class OneSplit(Good):
    """Everything in train."""

    def read(self):
        task = super().read()
        return replace(task, dev=replace(task.dev, queries=()), test=replace(task.test, queries=()))


@planted("test_splits_are_sound")
class TwiceTheSame(Good):
    """Test queries are train queries."""

    def read(self):
        task = super().read()
        return replace(task, test=replace(task.train, name="test"))


@planted("test_queries_and_grades_are_plain")
class GradesAreFloats(Good):
    """Grades as they are written in a spreadsheet."""

    def read(self):
        task = super().read()
        qrels = {id: {doc: float(grade) for doc, grade in own.items()} for id, own in task.train.qrels.items()}
        return replace(task, train=replace(task.train, qrels=qrels))


@planted("test_reads_what_the_file_says")
class LosesTheFirstLine(Good):
    """Takes the first line for a header."""

    def read(self):
        file = self.file()
        rest = file.read_text(encoding="utf-8").split("\n", 1)[1]
        (file.parent / "rest").mkdir(exist_ok=True)
        (file.parent / "rest" / FILE).write_text(rest, encoding="utf-8")
        return Good(self.options.model_copy(update={"path": file.parent / "rest"})).read()


@planted("test_reads_what_the_file_says")
class LosesGradeZero(Good):
    """Leaves out what is judged not relevant."""

    def read(self):
        task = super().read()
        qrels = {id: {doc: grade for doc, grade in own.items() if grade} for id, own in task.train.qrels.items()}
        return replace(task, train=replace(task.train, qrels=qrels))


@planted("test_queries_without_a_relevant_document_stand_apart")
class KeepsNoResult(Good):
    """Queries that nothing is relevant to among the others."""

    def read(self):
        task = super().read()
        splits = {s.name: replace(s, queries=(*s.queries, *s.no_result), no_result=()) for s in task.splits}
        return replace(task, **splits)


@planted("test_reads_the_same_twice")
class DrawsSplits(Good):
    """A new split each time."""

    seeds = cycle((0, 1))  # they split these queries differently

    def read(self):
        self.options = self.options.model_copy(update={"seed": next(DrawsSplits.seeds)})
        return super().read()


@planted("test_documents_can_be_read_again")
class DocumentsOnce(Good):
    """A generator that is used up."""

    def documents(self):
        documents = super().documents()()
        return lambda: documents


@planted("test_documents_can_be_read_again")
class NumbersInFields(Good):
    """A price as a number."""

    def documents(self):
        return lambda: iter([Document("d1", {"title": "a thing", "price": 3})])


@planted("test_reads_nothing_before_it_is_asked")
class OpensAtOnce(Good):
    """Looks at the folder when it is made."""

    def __init__(self, options):
        super().__init__(options)
        self.found = list(options.path.iterdir()) if options.path else []


@planted("test_a_missing_path_is_an_error")
class NoMessage(Good):
    """A traceback for a path that is not there."""

    def file(self):
        return Path(self.options.path) / FILE if (self.options.path / FILE).stat() else None


@planted("test_recognises_its_own")
class RecognisesFiles(Good):
    """Expects the file itself."""

    @classmethod
    def recognises(cls, path):
        return path.name == FILE and path.is_file()

    def file(self):
        if self.options.path is None or not (self.options.path / FILE).is_file():
            raise LeserError(f"no {FILE} in {self.options.path}")
        return self.options.path / FILE


@planted("test_recognises_nothing_else")
class RecognisesAll(Good):
    """Every folder is its own."""

    @classmethod
    def recognises(cls, path):
        return path.is_dir()

    def file(self):
        if self.options.path is None or not (self.options.path / FILE).is_file():
            raise LeserError(f"no {FILE} in {self.options.path}")
        return self.options.path / FILE


@planted("test_the_catalogue_is_the_tasks_documents")
class HalfACatalogue(Good):
    """Serves half of the documents."""

    def catalogue(self):
        return lambda: list(self.documents()())[:2]


@planted("test_lines_that_cannot_be_read")
class SkipsBadLines(Good):
    """Leaves out, in silence, what it cannot read."""

    def read(self):
        file = self.file()
        good = [line for line in file.read_text(encoding="utf-8").splitlines() if line.count("\t") == 2]
        file.write_text("".join(f"{line}\n" for line in good), encoding="utf-8")
        return super().read()


@planted("test_lines_that_cannot_be_read")
class NoLineNumber(Good):
    """An error without a place."""

    def columns(self, row, file, number):
        if len(row) != 3:
            raise LeserError("a line of the file cannot be read")
        return row


@planted("test_damaged_files")
class DecodesByItself(Good):
    """A traceback for what is not UTF-8."""

    def read(self):
        self.file().read_text(encoding="utf-8")
        return super().read()


@planted("test_files_written_on_windows")
class KeepsTheMark(Good):
    """A byte-order mark becomes part of the first query."""

    def read(self):
        file = self.file()
        if file.read_bytes().startswith(b"\xef\xbb\xbf"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
        return super().read()


class TestDropped(Kit):
    """A test of the kit replaced."""

    __test__ = True

    def test_damaged_files(self):
        """Nothing."""


FIRST["TestDropped"] = "test_no_overrides"
