"""`leser judgments check` and `leser evaluate --judged`, on real engines and a real run of seconds."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from bad_input import DOCUMENTS, shop, write
from inspected_runs import refused, said
from report_world import assert_self_contained

PLUGIN = """
from leser.hooks import hookimpl
from leser.reward import Reward

class Shared(Reward):
    '''Share of the query's words that the titles of the top k hold.'''
    name, fields = "shared", ("title",)
    def score(self, outcomes):
        return [self.one(o) for o in outcomes]
    def one(self, o):
        words = set(o.query.text.split())
        titles = [o.documents[id].fields["title"] for id in o.expanded.ids[: self.depth] if id in o.documents]
        return sum(len(words & set(title.split())) / len(words) for title in titles) / self.depth

@hookimpl
def leser_rewards(): return [Shared]
"""


def graded() -> dict[str, str]:
    """The shop with every document judged for every train query: 2 for its own, 1 for its colour, else 0."""
    own = ("d1", "d2", "d3", "d4")
    words = (("red",), ("blue",), ("red",), ("blue",))
    rows = [
        f"q{n}\t{id}\t{2 if id == own[n] else int(any(word in title for word in words[n]))}\n"
        for n in range(4)
        for id, title in DOCUMENTS.items()
    ]
    return shop({"qrels/train.tsv": "query-id\tcorpus-id\tscore\n" + "".join(rows)})


@pytest.fixture
def task(tmp_path: Path) -> Path:
    write(tmp_path / "shop", graded())
    write(tmp_path, {"mine.py": PLUGIN})
    raters = "query-id\tcorpus-id\trater1\trater2\n" + "".join(f"q0\td{n}\t{n % 2}\t1\n" for n in range(1, 6))
    write(tmp_path / "shop", {"raters.tsv": raters})
    return tmp_path / "shop"


def test_a_check_says_everything_on_the_terminal_and_on_a_page(task: Path, tmp_path: Path) -> None:
    page = tmp_path / "check.html"
    arguments = ["judgments", "check", task, "--backend", "memory", "--judge", "shared", "--out", page]
    text = said(*arguments, "--plugin", tmp_path / "mine.py", "-o", "evaluation.resamples=200")
    words = " ".join(text.split())
    assert "24 judgments of 8 queries" in words
    assert (
        "5 pairs by 2 raters, 0 of them by one alone; of the others all agree on 60.0%, and 40.0% are relevant" in words
    )
    assert "judge shared orders " in words
    for name in ("original", "rm3", "dictionary", "verified search"):
        assert f"\n{name} " in text, name
    assert "nDCG(holes=skip)@10" in text
    assert "Nothing to learn shows" in text or "There is something to learn" in text
    assert_self_contained(page.read_text(encoding="utf-8"))
    assert not (tmp_path / "runs").exists()


def test_a_check_without_a_judge_says_what_it_leaves_out(task: Path) -> None:
    text = " ".join(said("judgments", "check", task, "--backend", "memory", "-o", "evaluation.resamples=200").split())
    assert "verified search: no judge that reads documents is named. Set -o evaluation.judge=encoder." in text
    assert "holes=expected" not in text


def test_a_judge_that_reads_no_document_is_refused(task: Path) -> None:
    given = ("judgments", "check", task, "--backend", "memory")
    assert "'R' cannot judge single documents" in refused(*given, "--judge", "R@10")
    assert "Unknown reward 'encodr'" in refused(*given, "--judge", "encodr")
    assert "does not read judgments document by document" in refused(
        *given, "-o", "evaluation.measures=['coverage@10']"
    )


def test_a_run_keeps_its_primary_measure_and_ratings_come_back_into_it(run: Path, tmp_path: Path) -> None:
    primary = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))["evaluation"]["primary"]
    content = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert content["primary"] == primary
    forms = content["holes"]["forms"]
    assert next(iter(content["systems"]["original"])) == primary
    assert {forms["plain"], forms["condensed"], forms["judged"]} <= set(content["systems"]["leser"])
    # every hit of the original's is rated, so that nothing in its top 10 is a hole any more
    task = Path(tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))["task"]["name"])
    base = task if task.is_absolute() else run / task
    texts = {row["_id"]: row["text"] for row in map(json.loads, (base / "queries.jsonl").read_text().splitlines())}
    judged = {
        tuple(line.split("\t")[:2]) for file in (base / "qrels").glob("*.tsv") for line in file.read_text().splitlines()
    }
    found = [line.split() for line in (run / "trec" / "original.run").read_text().splitlines()]
    rows = [(query, id) for query, _, id, rank, *_ in found if int(rank) <= 10 and (query, id) not in judged]
    rated = tmp_path / "rated.csv"
    rated.write_text(
        "query,docid,rating\n" + "".join(f'"{texts[query]}",{id},0\n' for query, id in dict.fromkeys(rows))
    )
    said("evaluate", run, "--judged", rated, "--name", "rated")
    again = json.loads((run / "evaluation-rated.json").read_text(encoding="utf-8"))
    assert content["systems"]["original"]["Judged@10"] < 1
    assert again["systems"]["original"]["Judged@10"] > content["systems"]["original"]["Judged@10"]
    assert again["primary"] == primary
