"""Passages as baselines: what the policy is asked, how its words become clauses, and what dev chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from toy_policies import toy_policy

from leser.backend import Document, Term
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.evaluation.options import EvaluationOptions
from leser.evaluation.pseudo_documents import PseudoDocument, Query2Doc, baselines_of
from leser.feedback import FeedbackOptions, rm3_terms
from leser.policy.options import PolicyOptions
from leser.policy.passages import PassageWriter, passage_writer
from leser.prompt import Message
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

COLOURS = ("red", "green", "navy", "grey", "brown", "white")
SHELF = [
    Document(f"{kind}{number}", {"title": f"{colour} {kind}"})
    for number, colour in enumerate(COLOURS)
    for kind in ("lamp", "settee")
]


def split(name: str, numbers: range) -> Split:
    """Shoppers say couch, the catalogue says settee: colour alone finds the lamp first."""
    queries = tuple(Query(f"{name}{n}", f"{COLOURS[n]} couch") for n in numbers)
    return Split(name, queries, {q.id: {f"settee{n}": 1} for q, n in zip(queries, numbers, strict=True)})


class Writer:
    """Writes the same passage for every query, and keeps what it was asked."""

    def __init__(self, passage: str) -> None:
        self.passage = passage
        self.asked: list[Sequence[Message]] = []

    def __call__(self, prompts: Sequence[Sequence[Message]], most_tokens: int) -> list[str]:
        self.asked += prompts
        return [self.passage] * len(prompts)


def context_of(writer: Writer | PassageWriter | None) -> BaselineContext:
    task = Task("shop", split("train", range(3)), split("dev", range(3, 5)), split("test", range(5, 6)))
    rewards = RewardSet.from_specs(["nDCG@10"], {"nDCG": NDCG})
    return BaselineContext(SearchClient(MemoryBackend.of(SHELF)), task, rewards, k=10, write=writer)


@pytest.mark.parametrize("cls", [Query2Doc, PseudoDocument])
def test_a_good_writer_is_put_to_use(cls: type[Query2Doc | PseudoDocument]) -> None:
    writer = Writer("A settee is a settee to lounge on.\n\nQuery: something else")
    baseline, context = cls(), context_of(writer)
    baseline.fit(context)
    asked = len(writer.asked)
    terms = baseline.terms(context.task.test.queries)
    assert len(writer.asked) == asked + 1, "one passage for each query, dev's are not written again"
    assert "settee" in {term.text for term in terms[0]}
    assert not {"something", "query"} & {term.text for term in terms[0]}, "the passage ends where the next query begins"
    values = context.reward(context.task.test, context.task.test.queries, terms)
    alone = context.reward(context.task.test, context.task.test.queries, [()])
    assert values[0] == 1.0 > alone[0]


@pytest.mark.parametrize("cls", [Query2Doc, PseudoDocument])
def test_a_bad_writer_does_little_harm_at_the_setting_dev_prefers(cls: type[Query2Doc | PseudoDocument]) -> None:
    baseline, context = cls(), context_of(Writer("a lamp, a lamp, and nothing but a lamp"))
    baseline.fit(context)
    dev = context.task.dev
    alone = context.reward(dev, dev.queries, [()] * len(dev.queries))
    assert baseline.dev_reward >= sum(alone) / len(alone) - 1e-9
    heaviest = baseline._terms(dev.queries, 40, max(baseline._weights()) if cls is Query2Doc else 0.2)
    harmed = context.reward(dev, dev.queries, heaviest)
    assert sum(harmed) < sum(alone), "the grid holds settings that do harm"


def test_query2doc_weighs_a_passage_against_repetitions_of_the_query() -> None:
    clauses = Query2Doc()._clauses("red couch", "The settee: a red settee, in the lounge", 3, 1 / 5)
    assert clauses == (Term("settee", 0.4), Term("red", 0.2), Term("lounge", 0.2))
    assert len(Query2Doc()._clauses("red couch", "The settee: a red settee, in the lounge", 2, 1 / 5)) == 2


def test_a_pseudo_document_is_taken_as_rm3_takes_a_document() -> None:
    options = FeedbackOptions(docs=1, terms=5, keep_query_words=True)
    passage = "a velvet settee"
    mine = PseudoDocument()._clauses("red couch", passage, 5, 0.3)
    assert mine == rm3_terms("red couch", [passage], None, options, original_weight=0.3)


def test_query2doc_shows_train_examples_and_asks_the_engine_nothing() -> None:
    writer, baseline = Writer("x"), Query2Doc()
    baseline.fit(context_of(writer))
    turns = writer.asked[0]
    assert [turn.role for turn in turns] == ["system", *["user", "assistant"] * 3, "user"]
    assert {turn.content for turn in turns if turn.role == "assistant"} == {f"{c} settee" for c in COLOURS[:3]}
    assert turns[-1].content == "Query: grey couch\nPassage:"


def test_a_pseudo_document_reads_what_the_engine_found() -> None:
    writer, baseline = Writer("x"), PseudoDocument()
    baseline.fit(context_of(writer))
    turns = writer.asked[0]
    assert [turn.role for turn in turns] == ["system", "user"]
    assert turns[1].content.splitlines() == [
        "Search: grey couch", "Found so far:", "- grey lamp", "- grey settee", "Passage:",
    ]  # fmt: skip


@pytest.mark.parametrize("cls", [Query2Doc, PseudoDocument])
def test_without_a_writer_or_dev_queries_it_says_what_to_do(cls: type[Query2Doc | PseudoDocument]) -> None:
    with pytest.raises(LeserError, match=f"take the baseline {cls.name} out"):
        cls().fit(context_of(None))
    context = context_of(Writer("x"))
    with pytest.raises(LeserError, match="no dev queries"):
        cls().fit(replace(context, task=replace(context.task, dev=Split("dev", (), {}))))


def test_tiny_is_asked_for_no_passage_and_others_are() -> None:
    tiny, real = PolicyOptions(name="tiny"), PolicyOptions(name="smollm2")
    usual = EvaluationOptions()
    assert baselines_of(usual, tiny) == ("original", "rm3", "dictionary")
    assert baselines_of(usual, real) == ("original", "rm3", "dictionary", "query2doc", "pseudo-document")
    assert baselines_of(EvaluationOptions(passages=False), real) == ("original", "rm3", "dictionary")
    assert passage_writer(tiny) is None
    assert passage_writer(real) is not None
    with pytest.raises(LeserError, match="take the baseline query2doc out"):
        baselines_of(EvaluationOptions(baselines=("query2doc",)), tiny)


def test_a_saved_tiny_policy_is_known_by_its_markers(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": ["<query>", "<terms>", "<found>", "<answer>"]}')
    assert passage_writer(PolicyOptions(name=str(tmp_path))) is None
    (tmp_path / "tokenizer.json").write_text('{"added_tokens": ["<query>"]}')
    assert passage_writer(PolicyOptions(name=str(tmp_path))) is not None


class Letters:
    """A tokenizer of a toy: one token a letter."""

    bos_token_id = 1

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [3 + ord(letter) % 100 for letter in text]}

    def decode(self, tokens: Sequence[int], **_: object) -> str:
        return "".join(chr(96 + token % 26) for token in tokens)


def test_examples_are_dropped_until_a_prompt_fits_the_context() -> None:
    policy = toy_policy("llama")
    policy.tokenizer = Letters()
    writer = PassageWriter(PolicyOptions())
    writer._policy = policy
    turns = [Message("system", "s" * 20), *[Message("user", "q" * 40), Message("assistant", "a" * 40)] * 4]
    asked = [*turns, Message("user", "the last")]
    assert len(writer._encode(policy, asked, 200)) <= 200
    assert len(writer._encode(policy, asked, 1000)) > 340
    short = writer._encode(policy, asked, 10)
    assert len(short) == 10, "a prompt that cannot fit keeps its end"
    first, second = writer([asked, asked[-1:]], 12)
    assert 0 < len(first) <= 12
    assert writer([asked[-1:]], 12) == [second], "what is written for one query does not depend on the others"


def test_smollm2_writes_a_passage() -> None:
    writer = passage_writer(PolicyOptions(name="smollm2", device="cpu"))
    assert writer is not None
    turns = [
        Message("system", "Write a passage that answers the given query."),
        Message("user", "Query: what is a sofa?\nPassage:"),
    ]
    text = writer([turns], 24)[0]
    assert len(text.split()) >= 8
    assert "sofa" in text.casefold()
