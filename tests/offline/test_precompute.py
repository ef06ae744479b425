"""`leser precompute` from end to end: verified search and a policy on the memory engine, refreshes, kills."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from settings import small_task

from leser.cli.main import group
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import EntryState, Store, StoredEntry
from leser.inspect.precomputing import Source, open_job
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery, read_frequent
from leser.offline.job import PrecomputeJob
from leser.offline.refresh import refresh
from leser.stores import open_store


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_task(tmp_path_factory.mktemp("task") / "shop")
    texts = [json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text().splitlines()]
    rows = [f'"{text}",{len(texts) - n}\n' for n, text in enumerate(texts)]
    (folder / "log.csv").write_text("query,count\n" + "".join(rows) + f'"{texts[0].upper()}",500\n')
    return folder


def leser(*arguments: object) -> Result:
    return CliRunner().invoke(group, [*map(str, arguments)])


def command(shop: Path, out: Path, *more: object) -> Result:
    engine = ("--task", shop, "--backend", "memory", "--reward", "nDCG@10")
    return leser("precompute", "--queries", shop / "log.csv", *engine, "--out", out, *more)


def entries(out: Path) -> dict[str, StoredEntry]:
    with open_store(str(out)) as store:
        store.verify()
        return {entry.query: entry for entry in store.entries()}


def without_time(found: dict[str, StoredEntry]) -> dict[str, object]:
    return {query: {k: v for k, v in entry.row().items() if k != "time"} for query, entry in found.items()}


@pytest.fixture
def job(shop: Path) -> Iterator[PrecomputeJob]:
    flags = {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("nDCG@10",)}
    with open_job(Source(flags=flags, assignments=("precompute.queries_at_once=16",)), "search", "train+dev") as opened:
        yield opened


def test_a_store_is_written_and_the_second_run_has_nothing_to_do(shop, tmp_path):
    out = tmp_path / "head.db"
    done = command(shop, out)
    assert done.exit_code == 0, done.output
    found = entries(out)
    assert len(found) == 88  # 12 of test have no judgments that may be read, so nobody judges them
    assert "12 unjudged: without an answer, because no reward speaks of them" in done.output
    served = [entry for entry in found.values() if entry.served]
    assert len(served) > 5
    for entry in served:
        assert entry.scores["gain"] >= 0.01
        assert entry.scores["overlap@10"] >= 0.3
        assert entry.scores["nDCG(holes=skip)@10 confirmed"] > 0
        assert entry.policy == "search"
        assert entry.engine
        assert entry.profile.startswith("default@")
        assert entry.time
    alone = {entry.reason for entry in found.values() if not entry.expansions}
    assert alone <= {"none", "rules", "nothing_found", "overlap", "judge", "judgments"}
    assert alone
    assert not any(entry.reason for entry in found.values() if entry.expansions)
    proposed = [entry for entry in found.values() if entry.state is EntryState.PROPOSED]
    assert all(entry.scores.get("nDCG(holes=skip)@10 confirmed", 0) == 0 for entry in proposed)
    assert max(entry.scores["count"] for entry in found.values()) == 600  # 100 and, in capitals, 500
    again = command(shop, out)
    assert "88 fresh" in again.output
    assert "12 unjudged: without an answer, because no reward speaks of them" in again.output
    assert without_time(entries(out)) == without_time(found)


def test_only_what_is_stale_is_done_again_and_decisions_stay(shop, tmp_path):
    out = tmp_path / "head.db"
    command(shop, out, "--limit", 40)
    found = entries(out)
    first, second = [query for query, entry in found.items() if entry.served][:2]
    with open_store(str(out)) as store:
        store.put(
            [
                found[first].in_state(EntryState.WITHDRAWN),
                StoredEntry(second, (Expansion("by hand", 0.3),), state=EntryState.APPROVED, policy="person"),
                StoredEntry("elsewhere", (Expansion("there"),), platform="de", state=EntryState.LIVE, policy="search"),
            ]
        )
    fresh = command(shop, out, "--limit", 40)
    assert "Nothing to do" in fresh.output
    assert "38 fresh and 2 decided" in fresh.output
    changed = command(shop, out, "--limit", 40, "-o", "rules.banned.words=['planter']")
    assert "Stale because of: profile 38." in changed.output, changed.output
    with open_store(str(out)) as store:
        kept = {entry.key: entry for entry in store.entries()}
        assert (kept["", first].state, kept["", first].served) == (EntryState.WITHDRAWN, ())
        assert kept["", second].expansions == (Expansion("by hand", 0.3),)
        assert kept["de", "elsewhere"].expansions == (Expansion("there"),)
    assert not any("planter" in e.text for entry in entries(out).values() for e in entry.served)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.62, 0.999])
def test_a_killed_job_loses_one_block_at_most_and_ends_with_the_same_entries(shop, job, tmp_path, share):
    wanted = read_frequent(shop / "log.csv")
    with open_store(str(tmp_path / "whole.jsonl"), create=True) as whole:
        blocks = _journal_of(job, whole, wanted, tmp_path / "whole.journal")
    cut = tmp_path / "cut.journal"
    cut.write_bytes(blocks[: int(share * len(blocks))])
    done: list[int] = []
    with open_store(str(tmp_path / "cut.jsonl"), create=True) as store:
        with pytest.raises(LeserError, match="Continue it with --resume"):
            refresh(job, store, wanted, BlockJournal(cut))
        counted = _counting(job, done)
        result = refresh(counted, store, wanted, BlockJournal(cut), resume=True)
        assert result.done == 100
    assert sum(done) <= 100 - int(share * 100) + 16
    assert not cut.exists()
    assert without_time(entries(tmp_path / "cut.jsonl")) == without_time(entries(tmp_path / "whole.jsonl"))


def _journal_of(job: PrecomputeJob, store: Store, wanted: list[FrequentQuery], path: Path) -> bytes:
    """The journal as it stood just before it went."""
    kept: list[bytes] = []

    class Keeping(BlockJournal):
        def done(self) -> None:
            kept.append(self.path.read_bytes())
            super().done()

    refresh(job, store, wanted, Keeping(path))
    return kept[0]


def _counting(job: PrecomputeJob, done: list[int]) -> PrecomputeJob:
    class Counting(PrecomputeJob):
        def expand(self, queries):
            done.append(len(queries))
            return super().expand(queries)

    return Counting(job.proposers, job.guards, job.recipe, job.platform, job.ids, job.judged)


def test_two_jobs_are_never_mixed(shop, job, tmp_path):
    journal, wanted = BlockJournal(tmp_path / "j"), read_frequent(shop / "log.csv")
    with open_store(str(tmp_path / "a.jsonl"), create=True) as store:
        whole = _journal_of(job, store, wanted, tmp_path / "j")
    (tmp_path / "j").write_bytes(whole)
    with (
        open_store(str(tmp_path / "b.jsonl"), create=True) as store,
        pytest.raises(LeserError, match="other settings: platform differ"),
    ):
        refresh(replace(job, platform="de"), store, wanted, journal, resume=True)


def test_the_next_nights_log_goes_on_with_the_job_that_the_last_night_did_not_finish(shop, job, tmp_path):
    wanted = read_frequent(shop / "log.csv")
    with open_store(str(tmp_path / "whole.jsonl"), create=True) as whole:
        lines = _journal_of(job, whole, wanted, tmp_path / "whole.journal").splitlines(keepends=True)
    (tmp_path / "j").write_bytes(b"".join(lines[: 1 + 32]))  # two blocks of sixteen
    later = [FrequentQuery("seen since then", 900), *(FrequentQuery(q.text, q.count + 7) for q in wanted[8:60])]
    asked: list[int] = []
    with open_store(str(tmp_path / "b.jsonl"), create=True) as store:
        refresh(_counting(job, asked), store, later, BlockJournal(tmp_path / "j"), resume=True)
    assert sum(asked) == len(later) - (32 - 8)
    found = entries(tmp_path / "b.jsonl")
    assert set(found) <= {query.text for query in later}
    counts = {query.text: query.count for query in later}
    assert {text: entry.scores["count"] for text, entry in found.items()} == {text: counts[text] for text in found}


def test_entries_that_stay_know_how_often_their_query_is_typed_now(shop, tmp_path):
    out, log = tmp_path / "head.db", tmp_path / "log.csv"
    lines = (shop / "log.csv").read_text().splitlines()[:21]
    log.write_text("\n".join(lines))
    engine = ("--task", shop, "--backend", "memory", "--reward", "nDCG@10", "--queries", log, "--out", out)
    leser("precompute", *engine)
    before = entries(out)
    log.write_text("\n".join([lines[0], *(f"{line.rpartition(',')[0]},7" for line in lines[1:]), "new lamp,1"]))
    assert "20 fresh" in leser("precompute", *engine).output
    after = entries(out)
    assert {after[query].scores["count"] for query in before} == {7.0}
    assert {q: e.expansions for q, e in before.items()} == {q: after[q].expansions for q in before}


def test_a_policys_expansions_and_the_better_of_both(made, tmp_path):
    texts = [json.loads(line)["text"] for line in (made.parent / "task" / "queries.jsonl").read_text().splitlines()]
    queries = tmp_path / "typed.txt"
    queries.write_text("\n".join(texts[:30]) + "\nsomething new\n")
    out = tmp_path / "head.db"
    done = leser("precompute", made, "--queries", queries, "--out", out)
    assert done.exit_code == 0, done.output
    found = entries(out)
    assert len(found) == 31
    names = {entry.policy for entry in found.values()}
    assert len(names) == 1
    assert next(iter(names)).startswith("run@")
    both = leser("precompute", made, "--by", "both", "--queries", queries, "--out", out)
    assert "Stale because of: policy 31, profile 31." in both.output, both.output
    better = entries(out)
    assert {entry.policy for entry in better.values()} == {f"{next(iter(names))}+search"}
    by = Counter(entry.scores.get("by_search") for entry in better.values() if entry.expansions)
    assert by[1.0] > 0
    gains = [sum(e.scores.get("gain", 0) for e in group.values() if e.served) for group in (found, better)]
    assert gains[1] > gains[0]


def test_faults_are_said_before_anything_is_opened(shop, tmp_path):
    assert "need its run folder" in str(command(shop, tmp_path / "x.db", "--by", "policy").exception)
    assert "There is no file of queries" in str(
        leser("precompute", "--queries", tmp_path / "none.csv", "--out", tmp_path / "x.db").exception
    )
    assert not (tmp_path / "x.db").exists()
