"""What an export of expansions keeps of their gain, on a real Solr with querqy and a real Elasticsearch.

    python -m benchmarks.exported TASK|small [--engine solr|elasticsearch] [--json FILE]

Verified search chooses expansions of all judged queries on each engine, by nDCG@10 on all judgments: what it gains is no
evidence of anything, and only the shares that survive are read. The entries are exported, every form is loaded into the
server, and the queries are searched as they were typed (queries.jsonl and entries.jsonl: as the file says). Queries of one
word and of several are counted apart; the last column says how many of the queries without an entry change. `small` is the
corner of the demo task that the tests have.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from leser.backend import Backend, ExpandedQuery, Term
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.engine.words import EngineWords
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import paired
from leser.evaluation.systems import SystemRun
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export
from leser.export.rules import querqy_rule
from leser.inspect.precomputing import Source, open_job
from leser.task import Query, Split

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

MEASURE = "nDCG@10"


@dataclass(frozen=True)
class Row:
    """One form on one engine for one kind of query; `share` and `overlap` are against LESER's own search."""

    engine: str
    form: str
    kind: str
    queries: int
    original: float
    gain: float
    low: float
    high: float
    share: float
    overlap: float
    others_changed: int


@dataclass(frozen=True)
class Shop:
    """An engine with its documents, all judged queries, and the entries that were exported from it to `files`."""

    engine: str
    backend: Backend
    split: Split
    entries: dict[str, StoredEntry]
    files: Path

    def searched(self, entries: dict[str, StoredEntry]) -> SystemRun:
        """LESER's own search, with the expansions of these entries."""
        known = {text: tuple(Term(e.text, e.weight) for e in entry.expansions) for text, entry in entries.items()}
        asked = [ExpandedQuery(q.id, q.text, known.get(q.text, ())) for q in self.split.queries]
        answers = self.backend.search(asked, 10)
        return SystemRun("leser", {q.id: answer for q, answer in zip(asked, answers, strict=True)})


def rows(shop: Shop, form: str, leser: SystemRun, before: SystemRun, plain: SystemRun, run: SystemRun) -> Iterator[Row]:
    """The form's rows; `before` is LESER's search of the typed queries, `plain` the form's own way without its rules."""
    from exported_shop import overlap

    values = [Measurer(shop.split, [MEASURE])(r)[MEASURE] for r in (before, leser, plain, run)]
    judged = [q for q in shop.split.queries if q.text in shop.entries and q.id in values[0]]
    others = [q.id for q in shop.split.queries if q.text not in shop.entries]
    changed = sum(plain.ranking(q).ids != run.ranking(q).ids for q in others)  # type: ignore[union-attr]
    for kind, wanted in (("one word", lambda n: n == 1), ("several", lambda n: n > 1), ("all", lambda n: n > 0)):
        ids = [q.id for q in judged if wanted(len(q.text.split()))]
        if not ids:
            continue
        old, best, own, new = (np.array([v[q] for q in ids]) for v in values)
        (result,) = paired((new - own)[:, None])
        both = [SystemRun("", {q: r.rankings[q] for q in ids}) for r in (leser, run)]
        share = (new - own).sum() / (best - old).sum()
        figures = (float(own.mean()), result.delta, *result.ci95, float(share), overlap(*both))
        yield Row(shop.engine, form, kind, len(ids), *figures, changed)


def exported(engine: str, backend: Backend, task: Path, assignments: Sequence[str], folder: Path) -> Shop:
    """Verified search over all queries on the engine, and the export of what it found in every form."""
    flags = {"task.name": str(task), "backend.name": engine, "rewards.weights": (MEASURE,)}
    source = Source(flags=flags, assignments=tuple(assignments))
    read = source.read()
    found = task_of(*read)
    queries = tuple(q for split in found.splits for q in split.queries)
    split = Split("all", queries, {q: grades for s in found.splits for q, grades in s.qrels.items()})
    with open_job(source, "search", "none", read) as job:
        proposed = job.proposers[0].propose(queries, split)
    entries = [
        StoredEntry(q.text, p.expansions, state=EntryState.LIVE)
        for q, p in zip(queries, proposed, strict=True)
        if p.expansions
    ]
    analyse = EngineWords(backend).analyze
    for form in ("querqy", engine, "jsonl"):
        done = export(entries, form, folder / form, analyse=analyse, request=backend.request)  # type: ignore[arg-type]
        print(
            f"{engine} {form}: {done.entries} of {len(entries)} entries", *(f"; {row.reason}" for row in done.left_out)
        )
    rules = (folder / engine / "synonyms.txt").read_text()
    kept = {
        entry.query: entry
        for entry in entries
        if any(line.startswith(entry.query.lower() + " =>") for line in rules.splitlines())
    }
    words = [e.text for entry in kept.values() for e in entry.expansions]
    print(f"{len(words)} expansions, {sum(' ' in w for w in words)} of several words:", *sorted(words)[:40])
    return Shop(engine, backend, split, kept, folder)


def replayed(shop: Shop, ask: Callable[[dict[str, Any]], list[str]], before: SystemRun) -> dict[str, SystemRun]:
    """queries.jsonl sent to the server as it stands, and entries.jsonl read back and searched."""
    from exported_shop import ranked

    lines = map(json.loads, (shop.files / shop.engine / "queries.jsonl").read_text().splitlines())
    requests = {row["query"]: row["request"] for row in lines}
    sent = {
        q.id: ask(requests[q.text]) if q.text in requests else before.rankings[q.id].ids for q in shop.split.queries
    }  # type: ignore[union-attr]
    read = [
        StoredEntry.of(json.loads(line)) for line in (shop.files / "jsonl" / "entries.jsonl").read_text().splitlines()
    ]
    return {"queries.jsonl": ranked(sent), "entries.jsonl": shop.searched({entry.query: entry for entry in read})}


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder that everyone may enter."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o755)
        yield Path(place)


def on_solr(task: Path) -> Iterator[Row]:
    """Every form on Solr, with querqy's plugin in the server."""
    from exported_solr import AS_LESER, core, parsed, querqy_request, searched_by_querqy, with_querqy, with_synonyms
    from leser_solr import SolrBackend
    from servers.solr import CONFIGSET, start_solr

    with temporary() as place, start_solr(place, querqy=True, quick=False) as solr:
        backend = SolrBackend(SolrBackend.Options(url=solr.url, index="exported", configset=CONFIGSET))
        backend.index(task_documents(task))
        shop = exported("solr", backend, task, (f"url={solr.url}", "index=exported"), place / "export")
        before, leser = shop.searched({}), shop.searched(shop.entries)
        yield from rows(shop, "LESER's search", leser, before, before, leser)

        def ask(request: dict[str, Any]) -> list[str]:
            answer = solr.get(f"{core(backend)}/select?{urlencode(request, doseq=True)}&wt=json")
            return [doc["id"] for doc in answer["response"]["docs"]]

        for form, run in replayed(shop, ask, before).items():
            yield from rows(shop, form, leser, before, before, run)
        samples = examples(shop)
        for weights, rules in (
            ("", (shop.files / "querqy" / "rules.txt").read_text()),
            (", weights not shared", undivided(shop.entries.values())),
        ):
            with_querqy(solr, backend, rules)
            for named, params in (("tie 1", AS_LESER), ("its own tie and frequencies", {"mm": "0%"})):
                plain, run = (
                    searched_by_querqy(solr, backend, shop.split.queries, params, rules=r) for r in (False, True)
                )
                yield from rows(shop, f"querqy, {named}{weights}", leser, before, plain, run)
                for query in samples:
                    asked = querqy_request(backend, query.text, params, 10, True)
                    print(named, weights, query.text, "|", parsed(solr, backend, asked))
        for form in ("synonyms.txt", "managed-synonyms.json"):
            with_synonyms(solr, backend, shop.files / "solr" / form)
            yield from rows(shop, form, leser, before, before, shop.searched({}))
            for query in samples:
                asked = backend.request(ExpandedQuery("q", query.text), 10) or {}
                print(form, ":", query.text, "|", parsed(solr, backend, asked))


def on_elasticsearch(task: Path) -> Iterator[Row]:
    """Every form on Elasticsearch, in which a plugin of ours stands for the missing filter `synonym_graph`."""
    from elastic import made, opened
    from exported_elastic import parsed, with_synonyms
    from exported_shop import ranked
    from servers.elasticsearch import start_elasticsearch

    with temporary() as place, start_elasticsearch(place, synonyms=True, quick=False) as server:
        index = made(server, tuple(task_documents(task)))
        backend = opened(server, index)
        shop = exported("elasticsearch", backend, task, (f"url={server.url}", f"index={index}"), place / "export")
        before, leser = shop.searched({}), shop.searched(shop.entries)
        yield from rows(shop, "LESER's search", leser, before, before, leser)

        def ask(body: dict[str, Any]) -> list[str]:
            found = server.request("POST", f"/{index}/_search", body)
            return [hit["_id"] for hit in found["hits"]["hits"]]

        for form, run in replayed(shop, ask, before).items():
            yield from rows(shop, form, leser, before, before, run)
        with_synonyms(server, index, (shop.files / "elasticsearch" / "synonyms.txt").read_text().splitlines())
        yield from rows(shop, "synonyms.txt", leser, before, before, shop.searched({}))
        bodies = {q.id: backend.request(ExpandedQuery(q.id, q.text), 10) or {} for q in shop.split.queries}
        for query in examples(shop):
            print("synonyms.txt :", query.text, "|", parsed(server, index, bodies[query.id]["query"]))
        for body in bodies.values():
            body["query"]["match"]["contents"]["auto_generate_synonyms_phrase_query"] = False
        run = ranked({query: ask(body) for query, body in bodies.items()})
        yield from rows(shop, "synonyms.txt, no phrases", leser, before, before, run)
        for query in examples(shop):
            print("no phrases :", query.text, "|", parsed(server, index, bodies[query.id]["query"]))


def undivided(entries: Iterable[StoredEntry]) -> str:
    """querqy's rules with the whole weight at each word of the query, as a first guess would have them."""
    grown = (
        replace(
            entry,
            expansions=tuple(replace(e, weight=e.weight * len(entry.query.split())) for e in entry.expansions),
        )
        for entry in entries
    )
    return "\n\n".join(str(querqy_rule(entry)) for entry in grown) + "\n"


def examples(shop: Shop) -> list[Query]:
    """A query of one word and one of several, with entries, as far as there are."""
    known = [q for q in shop.split.queries if q.text in shop.entries]
    return [q for several in (False, True) for q in [q for q in known if (" " in q.text) is several][:1]]


def task_documents(task: Path) -> Any:
    """The documents of a task."""
    found = task_of(*Source(flags={"task.name": str(task), "backend.name": "memory"}).read())
    assert found.documents is not None
    return found.documents()


ENGINES = {"solr": on_solr, "elasticsearch": on_elasticsearch}


def main() -> None:
    """Print the table as it grows, in Markdown."""
    from settings import small_task

    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("task", type=Path)
    given.add_argument("--engine", choices=sorted(ENGINES), action="append")
    given.add_argument("--json", type=Path)
    options = given.parse_args()
    found = []
    with temporary() as place:
        task = small_task(place / "small") if str(options.task) == "small" else options.task
        for row in (row for engine in options.engine or ENGINES for row in ENGINES[engine](task)):
            found.append(row)
            gain = f"{row.original:.3f} | {row.gain:+.3f} [{row.low:+.3f}, {row.high:+.3f}] | {row.share:.0%}"
            named = f"| {row.engine} | {row.form} | {row.kind} | {row.queries}"
            print(f"{named} | {gain} | {row.overlap:.2f} | {row.others_changed} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=1))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
