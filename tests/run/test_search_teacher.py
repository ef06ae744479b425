"""A whole small run that verified search teaches: no label in training, targets in the run, the weight tuned, harm in numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from settings import small, small_task
from verified_shop import COUCH, SPLIT, Shiny, environment_of, shelf

from leser.config.build import complete
from leser.config.load import config_of
from leser.errors import LeserError
from leser.plugins import load_plugins
from leser.reward import parse_spec
from leser.run.runner import run
from leser.run.search_row import search_run
from leser.session import Session
from leser.task import Split, Task


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    values = small(
        folder / "run",
        task={"name": str(small_task(folder / "task"))},
        warmup={"targets": "search", "held_out": 0.2, "max_none": 0.3, "samples": 2},
        expansion={"tune_weight": True},
        training={"steps": 2},
        rewards={"weights": [f"encoder(cache='{folder}/vectors')@10=1.0"], "term_cost": 0.0},
        verified={"budget": 30, "weights": [0.5], "min_documents": 2},
        evaluation={"search": True, "abstain": 0.1, "warmup_plus": False, "best_of": 0, "baselines": ["original"]},
    )
    registry = load_plugins()
    run(complete(config_of(values), registry), registry)
    return folder / "run"


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_targets_are_what_verified_search_found(out: Path) -> None:
    found = {row["query_id"]: row for row in rows(out / "targets-search.jsonl")}
    assert len(found) == 60
    assert all(int(str(row["searches"])) <= 30 for row in found.values())
    targets = rows(out / "targets.jsonl")
    assert all(found[row["query_id"]]["answer"] in ("expansions", "none") for row in targets)
    gaining = {row["query_id"] for row in targets if float(str(row["gain"])) > 0}
    nothing = {row["query_id"] for row in targets} - gaining
    assert gaining
    assert len(nothing) <= 0.3 * len(gaining | nothing)


def test_held_out_likelihood_is_logged_and_the_likeliest_policy_kept(out: Path) -> None:
    looks = [row for row in rows(out / "metrics.jsonl") if row["phase"] == "warmup" and "held_out_loss" in row]
    assert looks
    assert all(
        float(str(row["held_out_unigram"])) > 0 and 0 <= float(str(row["held_out_predicted"])) <= 1 for row in looks
    )
    assert (out / "policies" / "warmup-likeliest" / "config.json").is_file()


def test_each_policy_has_the_weight_that_dev_likes_best(out: Path) -> None:
    weights = json.loads((out / "weight.json").read_text())
    assert set(weights) == {"grpo", "prompted", "warmup", "leser"}
    assert all(0.1 <= weight <= 2.8 for weight in weights.values())


def test_the_table_holds_the_teacher_and_the_sure_policy_and_whom_they_hurt(out: Path) -> None:
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert {"original", "search", "warmup", "leser", "leser-sure"} <= set(evaluation["systems"])
    assert "left_out" not in evaluation
    harm = evaluation["harm"]
    assert harm["measure"] == "nDCG@10"
    assert evaluation["abstain"]["bound"] == 0.1
    assert evaluation["abstain"]["share_hurt"] <= 0.1
    assert set(harm["systems"]) == {"search", "prompted", "warmup", "leser", "leser-sure"}
    for name, figures in harm["systems"].items():
        value = evaluation["systems"][name]["nDCG@10"]
        assert figures["oracle_gate"] >= max(value, evaluation["systems"]["original"]["nDCG@10"]) - 1e-9
    assert len(rows(out / "harm.jsonl")) == evaluation["queries"]


@pytest.mark.parametrize("reward", ["nDCG@10", "shiny@4"])
def test_the_search_row_never_reads_the_judgments(reward: str) -> None:
    judge = NDCG(parse_spec("nDCG@5")) if reward == "nDCG@10" else Shiny(parse_spec(reward))
    titles = {f"c{i}": "couch old" for i in range(3)} | {f"s{i}": "couch shiny" for i in range(3)}
    environment = environment_of(MemoryBackend.of(shelf(titles)), [judge])
    test = Split("test", (COUCH,), {"q1": {"s0": 1, "s1": 1, "s2": 1}})
    config = config_of({"verified": {"min_documents": 2, "weights": [0.5], "keep": 0.0, "trust": 1.0, "lift": 0.0}})
    task = Task("shop", SPLIT, SPLIT, test, lambda: shelf(titles))
    session = Session(config, load_plugins(), task, environment.client, environment, {})
    if reward == "nDCG@10":
        with pytest.raises(
            LeserError, match=r"None of the rewards nDCG@5 says anything of a query without its judgments"
        ):
            search_run(session, test, test.queries, 20)
        return
    found = search_run(session, test, test.queries, 20)
    assert [e.text for e in found.expansions["q1"]] == ["shiny"]
    assert set(found.ranking("q1").ids[:3]) == {"s0", "s1", "s2"}  # type: ignore[union-attr]
