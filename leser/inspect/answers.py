"""The answers of a run, for its report: from answers.jsonl, or rebuilt from trec/ and the task for a run without that file.

Rebuilding reads the task once more and starts no engine; what the policy wrote is not in trec/ and stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from leser.backend import Hit, Ranking
from leser.config.build import task_of
from leser.errors import LeserError
from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.inspect.opening import FinishedRun, configured
from leser.report.answers import FILE, ShownAnswer, answers_of, read_answers
from leser.report.systems import measures_of
from leser.task import Split, Task


def answers_for(run: FinishedRun) -> tuple[list[ShownAnswer], str]:
    """What is known of each test query, and a remark for the reader where that is less than all."""
    saved = run.folder.path / FILE
    if saved.is_file():
        return read_answers(saved), ""
    if not measures_of(run.evaluation):
        return [], ""
    try:
        return _rebuilt(run), (
            "This run did not save what the policy wrote for each query. Rankings are read from trec/, titles and "
            "judgments from the task."
        )
    except (LeserError, OSError) as error:
        return [], f"Single queries cannot be shown: this run did not save them, and they cannot be rebuilt. {error}"


def _rebuilt(run: FinishedRun) -> list[ShownAnswer]:

    config, registry = configured(run.folder)
    task = task_of(config, registry)
    split = next((s for s in task.splits if s.name == run.evaluation.get("split")), task.test)
    if len(split.queries) != run.evaluation.get("queries"):
        raise LeserError(
            f"The task {task.name} now has {len(split.queries)} {split.name} queries, not {run.evaluation.get('queries')}."
        )
    measure = measures_of(run.evaluation)[0]
    runs = [_read_run(run.folder.path / "trec" / f"{name}.run", name, split) for name in (ORIGINAL, POLICY)]
    measurer = Measurer(split, [measure], registry.all("reward"))
    values = {found.name: measurer(found, runs[0]) for found in runs}
    return answers_of(split, runs, values, measure, lambda ids: _titles(task, ids))


def _read_run(path: Path, name: str, split: Split) -> SystemRun:
    """A system's rankings from its TREC run file; queries it does not name found nothing."""
    import ir_measures

    queries = _written(query.id for query in (*split.queries, *split.no_result))
    documents = _written(doc for grades in split.qrels.values() for doc in grades)
    hits: dict[str, list[Hit]] = {query.id: [] for query in split.queries}
    for row in ir_measures.read_trec_run(str(path)):  # type: ignore[no-untyped-call]
        query = queries.get(row.query_id, row.query_id)
        hits.setdefault(query, []).append(Hit(documents.get(row.doc_id, row.doc_id), row.score))
    return SystemRun(name, {query: Ranking(tuple(found)) for query, found in hits.items()})


def _written(ids: Iterable[str]) -> Mapping[str, str]:
    """Ids by what a TREC run holds in their place: white space is percent-encoded there."""
    return {quote(given, safe="") if given.split() != [given] else given: given for given in ids}


def _titles(task: Task, ids: Sequence[str]) -> dict[str, str]:
    wanted = set(ids)
    documents = task.documents() if task.documents else ()
    return {d.id: d.fields.get(task.title_field, "") for d in documents if d.id in wanted}
