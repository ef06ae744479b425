"""Prompt methods: what they ask, how their words become clauses, and that a text which failed is never a score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server
from leser_prompts import CSQE, GEPA, GenQR, MuGI, QAExpand, Query2E
from leser_prompts.base import PromptMethod
from leser_prompts.passages import _copied, _questions
from prompted_shop import Method, context_of, method
from toy_policies import SHAPE
from transformers import LlamaConfig, LlamaForCausalLM

from leser.backend import Ranking, SearchError, Term
from leser.errors import LeserError
from leser.evaluation.builtin import run_baseline
from leser.policy.options import PolicyOptions
from leser.policy.passages import passage_writer
from leser.policy.tiny import train_tokenizer
from leser.task import Query, Split
from leser.testing import BaselineContract

METHODS = (GenQR, Query2E, QAExpand, MuGI, CSQE, GEPA)


class Noting:
    """A writer of one text that keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[list[tuple[str, str]]] = []
        self.given: list[dict[str, float]] = []

    def __call__(self, prompts: Any, most_tokens: int, **given: float) -> list[str]:
        self.asked += [[(turn.role, turn.content) for turn in turns] for turns in prompts]
        self.given.append({**given, "tokens": most_tokens})
        return [self.text] * len(prompts)


class _Contract(BaselineContract):
    cls: Method

    @pytest.fixture
    def baseline(self) -> PromptMethod:
        return method(self.cls)


class TestGenQR(_Contract):
    cls = GenQR


class TestQuery2E(_Contract):
    cls = Query2E


class TestQAExpand(_Contract):
    cls = QAExpand


class TestMuGI(_Contract):
    cls = MuGI


class TestCSQE(_Contract):
    cls = CSQE


class TestGEPA(_Contract):
    cls = GEPA


@pytest.mark.parametrize("cls", METHODS)
def test_good_words_of_an_endpoint_find_what_the_query_does_not(cls: Method) -> None:
    with chat_server(lambda *_: (200, "A settee, that is: a settee.")) as server:
        context = context_of()
        run = run_baseline(method(cls, server.address), context, context.task.test)
    assert [run.rankings[q.id].ids[0] for q in context.task.test.queries] == ["settee4", "settee5"]  # type: ignore[union-attr]
    assert {e.text for q in context.task.test.queries for e in run.expansions[q.id]} == {"settee"}


@pytest.mark.parametrize("cls", METHODS)
def test_a_text_that_failed_is_a_failed_search_of_that_query_alone(cls: Method) -> None:
    def answer(body: dict[str, Any], _: int) -> tuple[int, str]:
        about = " ".join(turn["content"] for turn in body["messages"])
        return (400, "no") if "Query: white couch" in about else (200, "a settee")

    with chat_server(answer) as server:
        context = context_of()
        run = run_baseline(method(cls, server.address), context, context.task.test)
    brown, white = context.task.test.queries
    failed = run.rankings[white.id]
    assert isinstance(failed, SearchError)
    assert "answered 400" in failed.message
    assert isinstance(run.rankings[brown.id], Ranking)
    assert run.rankings[brown.id].ids[0] == "settee4"  # type: ignore[union-attr]


@pytest.mark.parametrize("cls", METHODS)
def test_an_endpoint_that_answers_nothing_is_an_error_with_its_reason(cls: Method) -> None:
    with (
        chat_server(lambda *_: (401, "wrong key")) as server,
        pytest.raises(
            LeserError, match=f"{cls.name} has no text for any of 2 dev queries. The endpoint .* answered 401"
        ),
    ):
        method(cls, server.address).fit(context_of())


@pytest.mark.parametrize("cls", METHODS)
def test_without_a_model_or_dev_queries_it_says_what_to_do(cls: Method) -> None:
    with pytest.raises(LeserError, match=rf"name a model in \[evaluation.baseline_options.{cls.name}.endpoint\]"):
        method(cls).fit(context_of())
    context = context_of(Noting("x"))
    with pytest.raises(LeserError, match="no dev queries"):
        method(cls).fit(replace(context, task=replace(context.task, dev=Split("dev", (), {}))))


def test_each_query_text_is_asked_about_once_and_samples_are_numbered() -> None:
    writer = Noting("settee")
    baseline, context = method(GenQR), replace(context_of(writer), seed=3)
    baseline.fit(context)
    baseline.terms(context.task.dev.queries)
    assert [given["sample"] for given in writer.given] == [0, 1, 2, 3, 4]
    assert {(given["seed"], given["temperature"], given["tokens"]) for given in writer.given} == {(3, 0.8, 128)}
    greedy = Noting("settee")
    method(GenQR, temperature=0.0).fit(context_of(greedy))
    assert len(greedy.given) == 1, "five times the same text would be five times its weight"


def test_query2e_shows_train_queries_with_words_of_their_relevant_documents() -> None:
    writer = Noting("settee")
    method(Query2E).fit(context_of(writer))
    shown = writer.asked[0]
    assert [role for role, _ in shown] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert {content for role, content in shown if role == "assistant"} == {"settee"}
    assert shown[-1][1] == "Query: navy couch\nKeywords:"


def test_qa_expand_asks_questions_answers_them_and_keeps_what_fits() -> None:
    replies = iter(["1. what is it?\n\n2) where?\n- why?\n4. more?", "It is a settee.", "A settee."])
    asked: list[str] = []

    def write(prompts: Any, *_: Any, **__: Any) -> list[str]:
        asked.append(prompts[0][-1].content)
        return [next(replies)] * len(prompts)

    baseline = method(QAExpand)
    baseline.fit(context_of(write))
    assert asked == [
        "Query: navy couch\nQuestions:",
        "1. what is it?\n2. where?\n3. why?",
        "Query: navy couch\nParagraphs:\nIt is a settee.",
    ]
    assert baseline.text(Query("x", "navy couch")) == "A settee."
    assert _questions("a?\nb?", 3) == "1. a?\n2. b?"


def test_csqe_shows_hits_and_keeps_only_words_that_one_of_them_holds() -> None:
    writer = Noting("navy settee of oak")
    baseline = method(CSQE, samples=1)
    baseline.fit(context_of(writer))
    shown = [turns[-1][1] for turns in writer.asked if "Documents:" in turns[-1][1]]
    assert shown[0] == "Query: navy couch\nDocuments:\n1. navy lamp\n2. navy settee"
    assert baseline.text(Query("x", "navy couch")) == "navy settee\nnavy settee of oak"
    assert _copied("Oak, navy. LAMP", ["navy lamp"]) == "navy lamp"


def test_the_query_counts_n_times_beside_a_text() -> None:
    baseline = method(GenQR)
    baseline._texts = {"red couch": "settee, settee, the sofa", "x": SearchError("no")}
    queries = [Query("1", "red couch"), Query("2", "x")]
    assert baseline._terms(queries, 5, 10) == [(Term("settee", 0.2), Term("sofa", 0.1)), ()]
    assert baseline._terms(queries, 1, 1) == [(Term("settee", 2.0),), ()]


def test_mugi_weighs_by_the_length_of_the_passages() -> None:
    baseline = method(MuGI)
    baseline._texts = {"red couch": "settee " * 40}
    assert baseline._terms([Query("1", "red couch")], 5, 4) == [(Term("settee", 40 / 5),)]
    assert baseline._terms([Query("1", "red couch")], 5, 1000) == [(Term("settee", 40.0),)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A chat model of random weights."""
    tokenizer: Any = train_tokenizer(["red settee; navy lamp; a query and keywords"], 320)
    tokenizer.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
    tokenizer.save_pretrained(tmp_path)
    for file in tmp_path.glob("*.json"):  # with its markers it would be a tiny policy's
        file.write_text(file.read_text().replace("<query>", "<q>").replace("<answer>", "<a>"))
    shape = {**SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": 2048}
    LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("cls", METHODS)
def test_the_untrained_policy_writes_for_every_method(cls: Method, model: Path) -> None:
    writer = passage_writer(PolicyOptions(name=str(model), device="cpu"))
    context = context_of(writer)
    runs = [run_baseline(method(cls, tokens=8), context, context.task.test) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(isinstance(ranking, Ranking) for ranking in runs[0].rankings.values())


def test_samples_of_the_policy_differ_and_depend_on_no_other_prompt(model: Path) -> None:
    from leser.prompt import Message

    writer = passage_writer(PolicyOptions(name=str(model), device="cpu"))
    assert writer is not None
    one, other = [Message("user", "red settee")], [Message("user", "navy lamp")]
    first = writer([one], 12, temperature=1.0, seed=1, sample=0)
    assert writer([other, one], 12, temperature=1.0, seed=1, sample=0)[1:] == first
    assert writer([one], 12, temperature=1.0, seed=1, sample=1) != first
    assert writer([one], 12, temperature=1.0, seed=2, sample=0) != first
