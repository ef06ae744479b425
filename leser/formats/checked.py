"""What a reader gives, held to its contract: a task of queries, judgments and documents of the right types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from leser.backend import Document
from leser.engine.answers import WrongAnswer, shown
from leser.engine.checked import raised
from leser.errors import LeserError
from leser.reader import Reader, ReaderOptions
from leser.task import Query, Split, Task


def recognises(reader: type[Reader], path: Path) -> bool:
    """Whether a reader takes a path for its own; raises PluginFault for what it raises."""
    try:
        answer: object = reader.recognises(path)
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(_who(reader, "recognises"), error, reader) from error
    if not isinstance(answer, bool):
        raise WrongAnswer(_who(reader, "recognises"), shown(answer), "True or False")
    return answer


def read(reader: type[Reader], options: ReaderOptions) -> Task:
    """The task that a reader reads; raises PluginFault where it is none, and for what the reader raises."""
    who = _who(reader, "read")
    try:
        task: object = reader(options).read()
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(who, error, reader) from error
    if not isinstance(task, Task):
        raise WrongAnswer(who, shown(task), "a Task (leser.task)")
    for split in task.splits:
        _check_split(who, split)
    if not isinstance(task.name, str) or not isinstance(task.title_field, str):
        raise WrongAnswer(
            who, f"a Task with the name {shown(task.name)} and the title_field {shown(task.title_field)}", "texts"
        )
    if (ideal := task.ideal) is not None:
        task = replace(task, ideal=lambda query_id: _ideal(f"{who}, ideal()", reader, ideal, query_id))
    return replace(task, documents=_checked(who, task.documents, "a Task whose documents are "))


def catalogue(reader: type[Reader], options: ReaderOptions) -> Callable[[], Iterable[Document]] | None:
    """The documents alone that a reader finds; raises PluginFault where they are none, and for what the reader raises."""
    who = _who(reader, "catalogue")
    try:
        documents = reader(options).catalogue()
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(who, error, reader) from error
    return _checked(who, documents)


def _checked(
    who: str, documents: Callable[[], Iterable[Document]] | None, what: str = ""
) -> Callable[[], Iterable[Document]] | None:
    """A function whose documents are looked at as they come; None where there are none."""
    if documents is None:
        return None
    if not callable(documents):
        raise WrongAnswer(who, f"{what}{shown(documents)}", "a function that gives them, or None")
    return lambda: _documents(f"{who}, documents()", documents())


def _check_split(who: str, split: object) -> None:
    if not isinstance(split, Split):
        raise WrongAnswer(who, f"a Task with the split {shown(split)}", "train, dev and test as Split")
    for query in (*_tuple(who, split.queries), *_tuple(who, split.no_result)):
        if (
            not isinstance(query, Query)
            or not isinstance(query.id, str)
            or not isinstance(query.text, str)
            or not query.id
        ):
            raise WrongAnswer(
                who, f"the {split.name} query {shown(query)}", "Query(id, text), both as text, the id not empty"
            )
    if not isinstance(split.qrels, Mapping):
        raise WrongAnswer(
            who, f"the {split.name} judgments {shown(split.qrels)}", "a dictionary from query id to grades"
        )
    for query_id, grades in split.qrels.items():
        if not isinstance(grades, Mapping):
            raise WrongAnswer(
                who, f"the judgments {shown(grades)} of query {query_id!r}", "a dictionary from document id to grade"
            )
        if not {str}.issuperset(map(type, grades)) or not {int}.issuperset(map(type, grades.values())):
            doc, grade = next((d, g) for d, g in grades.items() if type(d) is not str or type(g) is not int)
            came = f"the grade {shown(grade)} of the document {shown(doc)} for query {query_id!r}"
            raise WrongAnswer(who, came, "document ids as text and grades as whole numbers")


def _tuple(who: str, queries: object) -> tuple[object, ...]:
    if not isinstance(queries, tuple):
        raise WrongAnswer(who, f"a Split whose queries are {shown(queries)}", "a tuple of Query")
    return queries


def _documents(who: str, documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        if not isinstance(document, Document) or not isinstance(document.id, str) or not document.id:
            raise WrongAnswer(who, shown(document), "Document(id, fields), the id as text, not empty")
        fields: object = document.fields
        if not isinstance(fields, Mapping) or not {str}.issuperset(map(type, (*fields, *fields.values()))):
            raise WrongAnswer(who, f"the fields {shown(fields)} of the document '{document.id}'", "text by field name")
        yield document


def _ideal(who: str, reader: type[Reader], ideal: Callable[[str], object], query_id: str) -> tuple[str, ...]:
    try:
        texts = ideal(query_id)
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(who, error, reader) from error
    if not isinstance(texts, tuple) or not {str}.issuperset(map(type, texts)):
        raise WrongAnswer(who, f"{shown(texts)} for the query {query_id!r}", "a tuple of expansions as text")
    return texts


def _who(reader: type[Reader], method: str) -> str:
    return f"Reader '{reader.name}' ({reader.__module__}.{reader.__qualname__}): {method}()"
