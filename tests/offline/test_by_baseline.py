"""`leser precompute --by NAME`: a baseline's clauses become guarded expansions that search as the baseline's own row does."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from settings import small_task

from leser.backend import Term
from leser.cli.main import group
from leser.config.build import complete
from leser.config.load import load_config
from leser.errors import LeserError
from leser.evaluation.builtin import run_baseline
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.systems import SystemRun
from leser.expansion_store import EntryState, StoredEntry, line_of
from leser.inspect.precomputing import Source, open_job, proposers_of
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.refresh import Refreshed, refresh
from leser.plugins import load_plugins
from leser.session import context_of, open_session
from leser.stores import open_store
from leser.task import Query, Split

NOTHING_REFUSED = ("precompute.overlap=0", "precompute.margin=0")
DICTIONARY = "evaluation.baseline_options.dictionary"
QUICK = {f"{DICTIONARY}.weights": (0.2, 0.75), f"{DICTIONARY}.candidates": 2, f"{DICTIONARY}.queries": 3}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


def flags_of(shop: Path, **more: object) -> dict[str, object]:
    return {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("nDCG@10",), **QUICK, **more}


def texts_of(shop: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (shop / "queries.jsonl").read_text().splitlines()]


def plugin(folder: Path, body: str) -> Path:
    """A file with a baseline `own`."""
    file = folder / "own_baseline.py"
    file.write_text(
        "from leser.backend import Term\nfrom leser.baseline import Baseline\nfrom leser.hooks import hookimpl\n\n\n"
        f'class Own(Baseline):\n    """A team\'s own."""\n\n    name = "own"\n\n'
        "    def fit(self, context):\n        self.task = context.task\n\n"
        f"    def terms(self, queries):\n        {body}\n"
        "\n\n@hookimpl\ndef leser_baselines():\n    return [Own]\n"
    )
    return file


def refreshed(shop: Path, place: Path, by: str = "dictionary", **more: object) -> Refreshed:
    assignments = more.pop("assignments", NOTHING_REFUSED)
    plugins = tuple(more.pop("plugins", ()))
    source = Source(flags=flags_of(shop, **more), assignments=tuple(assignments), plugins=plugins)
    wanted = [FrequentQuery(text, 1) for text in texts_of(shop)]
    with open_job(source, by, "train+dev") as job, open_store(str(place), create=True) as store:
        return refresh(job, store, wanted, BlockJournal(place.with_suffix(".journal")))


def entries(place: Path) -> dict[str, StoredEntry]:
    with open_store(str(place)) as store:
        store.verify()
        return {entry.query: entry for entry in store.entries()}


def leser(*arguments: object) -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)])


def test_stored_expansions_search_as_the_baselines_own_row_does(shop: Path, tmp_path: Path) -> None:
    place = tmp_path / "head.db"
    refreshed(shop, place)
    found = {query: entry for query, entry in entries(place).items() if entry.expansions}
    loaded = load_config(None, flags_of(shop))
    registry = load_plugins(loaded.plugins)
    config = complete(loaded, registry)
    with open_session(config, registry) as session:
        task, context = session.task, context_of(session)
        options = config.evaluation.baseline_options["dictionary"]
        own: dict[str, SystemRun] = {}
        for split in task.splits:
            own[split.name] = run_baseline(Dictionary(Dictionary.Options(**options)), context, split)
        compared = 0
        for split in task.splits:
            queries = [query for query in split.queries if query.text in found]
            stored = [[Term(e.text, e.weight) for e in found[q.text].expansions] for q in queries]
            for query, answer in zip(queries, context.search(queries, stored), strict=True):
                assert answer == own[split.name].ranking(query.id), query
                assert any(e.text for e in own[split.name].expansions[query.id])
                compared += 1
    assert compared == len(found)
    assert compared > 20
    for entry in found.values():
        assert entry.by == "dictionary"
        assert entry.policy.startswith("dictionary@")
    untouched = [entry for entry in entries(place).values() if not entry.expansions]
    assert {entry.by for entry in untouched} == {"dictionary"}


def test_a_refresh_redoes_what_was_fitted_on_other_judgments_or_with_other_options(tmp_path: Path) -> None:
    shop, place = small_task(tmp_path / "shop"), tmp_path / "head.db"
    made = refreshed(shop, place).done
    assert refreshed(shop, place).generation is None
    changed = {f"{DICTIONARY}.weights": (0.2, 0.35)}
    assert refreshed(shop, place, **changed).stale == Counter(policy=made)
    assert refreshed(shop, place).stale == Counter(policy=made)
    judged = json.loads((shop / "corpus.jsonl").read_text().splitlines()[-1])["_id"]
    train = shop / "qrels" / "train.tsv"
    query = train.read_text().splitlines()[1].split("\t")[0]
    with train.open("a") as file:
        file.write(f"{query}\t{judged}\t1\n")
    assert refreshed(shop, place).stale == Counter(policy=made, judgments=1)


def test_a_teams_own_baseline_is_cut_by_the_limits_and_says_so(shop: Path, tmp_path: Path, capsys) -> None:
    place = tmp_path / "head.db"
    body = "return [(Term(q.text.split()[0], 9.0), *(Term(w, 0.1) for w in 'abc def ghi jkl mno pqr'.split())) for q in queries]"
    own = plugin(tmp_path, body)
    refreshed(shop, place, "own", plugins=[own])
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("The baseline 'own' proposes 6 expansions of a query, and expansion.max_expansions=5") == 1
    assert "max_weight" not in said, "a word of the query cannot be an expansion, whatever it weighs"
    kept = {tuple(e.text for e in entry.expansions) for entry in entries(place).values() if entry.expansions}
    assert kept == {("abc", "def", "ghi", "jkl", "mno")}
    more = (*NOTHING_REFUSED, "expansion.max_expansions=6")
    assert refreshed(shop, place, "own", plugins=[own], assignments=more).stale["profile"] > 0
    kept = {tuple(e.text for e in entry.expansions) for entry in entries(place).values() if entry.expansions}
    assert kept == {("abc", "def", "ghi", "jkl", "mno", "pqr")}
    assert "own" not in capsys.readouterr().err


def test_what_no_expansion_can_say_is_refused_and_nothing_stays_behind(shop: Path, tmp_path: Path) -> None:
    for clause in ("Term('sofa', 1.0, field='title')", "Term('sofa', negate=True)", "Term('red sofa', match='phrase')"):
        own = plugin(tmp_path, f"return [({clause},)] * len(queries)")
        with pytest.raises(LeserError, match=r"'own' cannot be stored: its clause Term\(.*more than an expansion"):
            refreshed(shop, tmp_path / "head.db", "own", plugins=[own])
        with open_store(str(tmp_path / "head.db")) as store:
            assert store.generations() == []
        assert not (tmp_path / "head.journal").exists()


def test_who_cannot_propose_is_said_before_a_store_is_made(shop: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "typed.txt", tmp_path / "head.db"
    log.write_text("red sofa\n")
    task = ("--task", shop, "--backend", "memory")

    def refused(*arguments: object) -> str:
        done = leser("precompute", "--queries", log, "--out", out, *arguments)
        assert isinstance(done.exception, LeserError)
        return str(done.exception)

    unknown = refused(*task, "--by", "dictionry")
    assert "Unknown proposer 'dictionry'. Did you mean 'dictionary'?" in unknown
    assert (
        "both, csqe, dictionary, encoder-feedback, encoder-proven, genqr, gepa, mugi, original, policy, pseudo-document, "
        "qa-expand, query2doc, query2e, rm3, search"
    ) in unknown
    assert "'encoder-rerank' ranks documents itself and adds no clauses" in refused(*task, "--by", "encoder-rerank")
    assert "Set -o expansion.mode=boost" in refused(*task, "--by", "rm3", "-o", "expansion.mode=fuse")
    assert "'rm3' is fitted on a task's train and dev" in refused("--backend", "memory", "--by", "rm3")
    assert "need its run folder" in refused(*task, "--by", "policy,rm3")
    assert "--by names nobody" in refused(*task, "--by", ",")
    assert not out.exists()


@pytest.mark.parametrize(("judgments", "read"), [("none", (0, 0)), ("train", (80, 0)), ("train+dev", (80, 8))])
def test_it_is_fitted_on_the_judgments_that_may_be_read(shop: Path, tmp_path: Path, judgments, read) -> None:
    own = plugin(
        tmp_path, "return [(Term(f'{len(self.task.train.qrels)} {len(self.task.dev.qrels)}'),)] * len(queries)"
    )
    with open_job(Source(flags=flags_of(shop), plugins=(own,)), "own", judgments) as job:
        (proposed,) = job.proposers[0].propose([Query("q", "red sofa")], Split("none", (), {}))
    assert [e.text for e in proposed.expansions] == [" ".join(map(str, read))]
    assert proposed.expansions[0].weight == 2.0, "times expansion.weight: the weight of the clause"


def test_names_of_proposers() -> None:
    assert proposers_of("both") == proposers_of("search, policy") == ("policy", "search")
    assert proposers_of("rm3,both,dictionary,rm3") == ("policy", "search", "rm3", "dictionary")


def test_the_better_of_a_policy_and_a_baseline_is_kept(made: Path, tmp_path: Path) -> None:
    texts = [json.loads(line)["text"] for line in (made.parent / "task" / "queries.jsonl").read_text().splitlines()]
    queries, out = tmp_path / "typed.txt", tmp_path / "head.db"
    queries.write_text("\n".join(texts[:30]))
    given = ("precompute", made, "--queries", queries, "--out", out, "-o", f"{DICTIONARY}.candidates=2")
    alone = {}
    for by in ("policy", "dictionary"):
        assert leser(*given, "--by", by).exit_code == 0
        alone[by] = entries(out)
    done = leser(*given, "--by", "dictionary", "--by", "policy")
    assert done.exit_code == 0, done.output
    best = entries(out)
    names = "+".join(next(iter(alone[by].values())).policy for by in ("policy", "dictionary"))
    assert {entry.policy for entry in best.values()} == {names}
    assert {entry.by for entry in best.values() if entry.expansions} == {"dictionary", names.split("+")[0]}
    for query, entry in best.items():
        gains = [a[query].scores["gain"] for a in alone.values() if query in a and a[query].expansions]
        assert (entry.scores["gain"] if entry.expansions else 0.0) >= max(gains, default=0.0) - 1e-9
    exported = tmp_path / "head.csv"
    assert leser("entries", "export", out, "--out", exported).exit_code == 0
    assert ",dictionary\n" in exported.read_text().replace("\r\n", "\n")


def test_entries_without_a_proposer_keep_their_line() -> None:
    entry = StoredEntry("red sofa", state=EntryState.LIVE, time="2026-11-27T10:00:00+00:00")
    assert '"by"' not in line_of(entry)
    assert StoredEntry.of(json.loads(json.dumps(replace(entry, by="rm3").row()))).by == "rm3"
