"""A prompt method in the place of the policy: `leser fit --by gepa` finds a prompt, and live queries are answered under it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_server import chat_server
from inspected_runs import refused, said
from leser_prompts.keywords import KEYWORDS_FOR_A_QUERY
from prompted_model import Model, Reply, prompt_of

from leser.inspect.opening import configured, open_folder
from leser.serving.live import LiveProposer
from leser.serving.options import ServingOptions
from leser.store.fitted import file_of

OPTIONS = ServingOptions(hung_s=600, sure_title=False)
TAUGHT = "Write the words of a title that fits."


class Shopkeeper(Model):
    """Who tells it so is given the words of a title that fits; its server fails on one query."""

    def __init__(self, task: Path) -> None:
        super().__init__(TAUGHT)
        texts = {row["_id"]: row["text"] for row in map(json.loads, (task / "queries.jsonl").read_text().splitlines())}
        titles = {row["_id"]: row["title"] for row in map(json.loads, (task / "corpus.jsonl").read_text().splitlines())}
        rows = [line.split("\t") for part in ("train", "dev") for line in read_qrels(task, part)]
        self.fitting = {texts[query]: titles[document] for query, document, _ in rows}

    def keywords(self, prompt: str, asked: str) -> Reply:
        query = asked.splitlines()[0].removeprefix("Query: ")
        if query == "a bad one":
            return 400, "no"
        return 200, self.fitting.get(query, "wardrobe") if prompt == TAUGHT else "wardrobe"


def read_qrels(task: Path, part: str) -> list[str]:
    return (task / "qrels" / f"{part}.tsv").read_text().splitlines()[1:]


def flags(made: Path, address: str) -> tuple[str, ...]:
    options = {"endpoint.url": address, "endpoint.model": "m", "endpoint.attempts": 1, "examples": 2, "passes": 1}
    table = "evaluation.baseline_options.gepa"
    given = [f"{table}.{key}={value}" for key, value in options.items()]
    set_ = ['evaluation.baselines=["gepa"]', *given]
    return ("--config", str(made / "config.toml"), "--by", "gepa", *(part for one in set_ for part in ("-o", one)))


def test_it_is_fitted_kept_and_answers_live_queries(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    task = Path(configured(open_folder(made))[0].task.name)
    with chat_server(Shopkeeper(task)) as server:
        said("fit", *flags(made, server.address), "--out", out)
        state = json.loads(file_of(out, "gepa").read_text())["state"]
        assert set(state) == {"chosen", "prompt", "tried"}
        assert [one["prompt"] for one in state["tried"]] == [KEYWORDS_FOR_A_QUERY, TAUGHT]
        assert state["prompt"] == TAUGHT
        assert state["tried"][1]["dev_reward"] > state["tried"][0]["dev_reward"] + 0.05
        asked = len(server.bodies)
        live = LiveProposer(out, OPTIONS, "gepa")
        answers = live([(text, "") for text in ("a chair", "a bad one", "a lamp")])
        assert [[e.text for e in answer.expansions] for answer in answers] == [["wardrobe"], [], ["wardrobe"]]
        assert [answer.reason for answer in answers] == ["", "failed", ""]
        assert {prompt_of(body) for body in server.bodies[asked:]} == {TAUGHT}
    assert "A query is left as typed, gepa failed on it" in caplog.text
    assert "a bad one" not in caplog.text


def test_without_a_model_it_is_refused_with_what_to_do(made: Path, tmp_path: Path) -> None:
    why = refused("fit", "--config", made / "config.toml", "--by", "gepa", "--out", tmp_path / "out")
    assert "cannot write for the baseline gepa: name a model in [evaluation.baseline_options.gepa.endpoint]" in why
    assert not (tmp_path / "out" / "baselines").exists()
