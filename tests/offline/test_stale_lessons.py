"""A judge that has learned is another judge once what it learned from has changed: its entries are stale."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from leser_relevance import NDCG
from settings import small_task
from verified_shop import SPLIT, Shiny, environment_of, taught_by

from leser.expansion_store import StoredEntry
from leser.holes.expected import ExpectedGrades, bind
from leser.holes.judge import DocumentJudge
from leser.inspect.precomputing import Source, open_job
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.recipe import recipe_of
from leser.offline.refresh import Refreshed, refresh
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.stores import open_store
from leser.task import Query, Split

MORE = Split("train", SPLIT.queries, {**SPLIT.qrels, "q1": {"rug1": 1}})


def taught(train: Split) -> str:
    return recipe_of(taught_by(train), ["search"], "", []).judge


def test_the_judge_of_a_recipe_changes_with_what_it_learned_from() -> None:
    plain = environment_of(rewards=[Shiny(parse_spec("shiny@2"))])
    judge = recipe_of(plain, ["search"], "", []).judge
    assert judge == plain.rewards.formula, "what learns nothing is the judge it always was"
    assert taught(SPLIT) == taught(SPLIT) != taught(MORE)
    assert taught(SPLIT).startswith(f"{judge}; learned from ")


def test_what_holes_are_worth_is_learned_too_also_within_a_product() -> None:
    def judge(train: Split, text: str) -> str:
        rewards = RewardSet.from_specs([text], {"nDCG": NDCG, "shiny": Shiny})
        environment = environment_of(rewards=rewards.rewards)
        environment.expected = ExpectedGrades(
            DocumentJudge.of("shiny", {"shiny": Shiny}, environment.client.fetch), train
        )
        bind(rewards.rewards, environment.expected)
        return recipe_of(environment, ["search"], "", []).judge

    many = {q.id: {f"couch{n}": n % 2 for n in range(20)} for q in SPLIT.queries}
    asked = tuple(Query(f"t{n}", f"couch {n}") for n in range(10))
    one, other = (Split("train", asked, {q.id: {**many["q1"], **more} for q in asked}) for more in ({}, {"rug1": 1}))
    for text in ("nDCG(holes='expected')@5", "nDCG(holes='expected')@5 * shiny@5"):
        assert judge(one, text) == judge(one, text) != judge(other, text)
        assert "learned from" in judge(one, text)
    assert "learned from" not in judge(one, "nDCG@5")


def refreshed(shop: Path, place: Path) -> Refreshed:
    flags = {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("learned@10",)}
    wanted = [FrequentQuery(f"new query {n}", 1) for n in range(5)]
    with (
        open_job(Source(flags=flags), "search", "none") as job,
        open_store(str(place), create=True) as store,
    ):
        return refresh(job, store, wanted, BlockJournal(place.with_suffix(".journal")))


def test_a_changed_judgment_of_train_makes_all_entries_of_a_learned_judge_stale(tmp_path: Path) -> None:
    shop, place = small_task(tmp_path / "shop"), tmp_path / "head.db"
    assert refreshed(shop, place).done == 5
    assert refreshed(shop, place).stale == Counter()
    with open_store(str(place)) as store:
        entries: list[StoredEntry] = list(store.entries())
    assert entries
    qrels = shop / "qrels" / "train.tsv"
    query = qrels.read_text().splitlines()[1].split("\t")[0]
    document = json.loads((shop / "corpus.jsonl").read_text().splitlines()[-1])["_id"]
    with qrels.open("a") as file:
        file.write(f"{query}\t{document}\t1\n")
    assert refreshed(shop, place).stale == Counter(judge=len(entries))
