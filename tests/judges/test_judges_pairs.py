"""cross_encoder@k and guard@k: contracts, values from the model's own logits, the cache, and what failures get."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from math import log2
from pathlib import Path

import pytest
import torch
from leser_judges import CrossEncoder, Guard
from leser_judges.cross_encoder import open_reranker
from leser_judges.encoder import Encoder
from leser_judges.pairs import PairScores
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from leser.backend import Document
from leser.errors import LeserError
from leser.expansion import Code
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query
from leser.testing.reward_contract import RewardContract, ranking

TITLES = {"a": "red settee", "b": "navy couch for two", "c": "floor lamp", "e": ""}
DOCUMENTS = {id: Document(id, {"title": title}) for id, title in TITLES.items()}
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "couch",
    "red",
    "settee",
    "navy",
    "for",
    "two",
    "floor",
    "lamp",
    "12",
    "n/a",
]


def save_model(folder: Path, *, labels: int = 1, headless: bool = False) -> Path:
    """A tiny reranker drawn at random, as save_pretrained writes it."""
    torch.manual_seed(3)
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", sep_token="[SEP]", cls_token="[CLS]"
    )
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=1.0,
    )
    model = BertModel(config) if headless else BertForSequenceClassification(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("reranker"))


def cross(folder: Path, cache: Path, more: str = "", k: int = 3) -> CrossEncoder:
    return CrossEncoder(parse_spec(f"cross_encoder(model={str(folder)!r}, cache={str(cache)!r}{more})@{k}"))


def outcome(
    *ids: str, query: str = "couch", original: Sequence[str] = (), grades: dict[str, int] | None = None
) -> Outcome:
    found = ranking(*ids)
    return Outcome(
        Query(query, query), 0, "", (), ranking(*original), found, grades or {}, Code.OK, documents=DOCUMENTS
    )


class TestCrossEncoder(RewardContract):
    @pytest.fixture
    def reward(self, folder: Path, tmp_path: Path) -> Reward:
        return cross(folder, tmp_path)


class TestGuard(RewardContract):
    @pytest.fixture(params=["predict=False", "least=0.3", "max=0.5, least=0.3"])
    def reward(self, request: pytest.FixtureRequest, tmp_path: Path) -> Reward:
        return Guard(parse_spec(f"guard({request.param}, cache={str(tmp_path)!r})@5"))


def logit(folder: Path, query: str, title: str) -> float:
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    with torch.no_grad():
        return float(model(**tokenizer(query, title, return_tensors="pt")).logits[0, 0])


def test_it_is_the_discounted_mean_of_the_sigmoids(folder: Path, tmp_path: Path) -> None:
    near = {id: 1 / (1 + math.exp(-logit(folder, "couch", TITLES[id]))) for id in "abc"}
    assert max(near.values()) - min(near.values()) > 0.01, "a model that tells nothing apart shows nothing"
    full = 1 + 1 / log2(3) + 1 / 2
    expected = {
        ("a", "b", "c"): near["a"] + near["b"] / log2(3) + near["c"] / 2,
        ("b", "b", "a"): near["b"] + near["a"] / log2(3),
        ("e", "c"): near["c"] / log2(3),
        (): 0.0,
    }
    values = cross(folder, tmp_path).score([outcome(*ids) for ids in expected])
    assert values == pytest.approx([value / full for value in expected.values()], abs=2e-6)


def test_two_labels_are_a_softmax_and_three_want_a_name(tmp_path: Path) -> None:
    two, three = save_model(tmp_path / "two", labels=2), save_model(tmp_path / "three", labels=3)
    first, second = (cross(two, tmp_path, f", label={label}", k=1).score([outcome("a")])[0] for label in (0, 1))
    assert first + second == pytest.approx(1.0, abs=2e-6)
    assert cross(two, tmp_path, k=1).score([outcome("a")]) == [second]
    with pytest.raises(LeserError, match="Say which one means relevant"):
        cross(three, tmp_path).score([outcome("a")])
    with pytest.raises(LeserError, match="label=3 is not valid"):
        cross(three, tmp_path, ", label=3").score([outcome("a")])


def test_a_pair_is_judged_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reward = cross(folder, tmp_path)
    values = reward.score([outcome("a", "b")])
    monkeypatch.setattr(open_reranker(reward.options), "scores", lambda *_: pytest.fail("a pair was judged again"))
    assert cross(folder, tmp_path).score([outcome("a", "b"), outcome("b", "a")])[0] == values[0]


def test_scores_on_disk_are_bounded(tmp_path: Path) -> None:
    scores = PairScores(tmp_path / "pairs.sqlite", most=3)
    pairs = [("q", f"d{n}") for n in range(5)]
    for number, pair in enumerate(pairs):
        scores.add({pair: number / 10})
    assert PairScores(tmp_path / "pairs.sqlite", most=3).read(pairs) == {("q", f"d{n}"): n / 10 for n in (2, 3, 4)}
    assert scores.read([("qd", "3"), ("q", "d9")]) == {}


def test_a_model_that_fails_gives_no_value_to_the_group(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reward = cross(folder, tmp_path)
    model = open_reranker(reward.options)
    forward = model._forward

    def failing(pairs: Sequence[tuple[str, str]]) -> list[float]:
        if any("lamp" in document for _, document in pairs):
            raise RuntimeError("out of luck")
        return forward(pairs)

    monkeypatch.setattr(model, "_forward", failing)
    values = reward.score([outcome("a"), outcome("c"), outcome("a", query="red settee")])
    assert values[:2] == [None, None], "all completions of the query, never 0"
    assert values[2] is not None
    monkeypatch.undo()
    assert None not in reward.score([outcome("a"), outcome("c")]), "a failure is not kept"


def test_what_is_no_reranker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="not a folder with config"):
        cross(tmp_path / "nowhere", tmp_path)
    with pytest.raises(LeserError, match="its weights lack classifier"):
        cross(save_model(tmp_path / "headless", headless=True), tmp_path).score([outcome("a")])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(LeserError, match="cannot be loaded"):
        cross(tmp_path / "broken", tmp_path).score([outcome("a")])


def test_guard_by_hand(tmp_path: Path) -> None:
    encoder = Encoder.of("minilm")
    near = {id: float(encoder.encode(["couch"], query=True)[0] @ encoder.encode([TITLES[id]])[0]) for id in "abc"}
    assert near["c"] < 0.35 < near["b"]
    reward = Guard(parse_spec(f"guard(least=0.35, cache={str(tmp_path)!r})@3"))
    cases = [
        (outcome("a", "b", original=("a", "b")), 0.0),  # nothing is new
        (outcome("b", "c", original=("a",)), 1 / 2),  # the lamp is predicted bad
        (outcome("b", "c", original=("a",), grades={"c": 1, "b": 0}), 1 / 2),  # a judgment comes first
        (outcome("b", "c", original=("c",), grades={"b": 0}), 1.0),
        (outcome("b", "e", original=()), 1 / 2),  # a document without text
        (outcome("a", "a", "b", "c", original=("x", "y", "z", "c")), float(near["a"] < 0.35) / 3 + 1 / 3),
    ]
    assert reward.score([case for case, _ in cases]) == pytest.approx([value for _, value in cases])
    gate = Guard(parse_spec(f"guard(least=0.35, max=0.4, cache={str(tmp_path)!r})@3"))
    assert gate.gate
    assert gate.score([case for case, _ in cases[:2]]) == [1.0, 0.0]
    assert Guard(parse_spec("guard(predict=False)@3")).score([cases[1][0], cases[3][0]]) == [0.0, 1.0]
