"""encoder@k on the packaged MiniLM: its contract, values worked out from cosines, and what a failing model gets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from math import log2
from pathlib import Path

import numpy as np
import pytest
from leser_judges import EncoderSimilarity
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions
from leser_judges.similarity import open_vectors
from leser_judges.vectors import Vectors

from leser.backend import Document
from leser.errors import LeserError
from leser.expansion import Code
from leser.reward import Outcome, Reward, parse_spec
from leser.scoring import RewardSet
from leser.similarity import EncodingFailed, discounted_mean
from leser.task import Query
from leser.testing.reward_contract import RewardContract, ranking

TITLES = {"a": "red settee", "b": "navy couch for two", "c": "floor lamp", "e": ""}
DOCUMENTS = {id: Document(id, {"title": title, "text": "of oak"}) for id, title in TITLES.items()}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
def reward(cache: Path) -> EncoderSimilarity:
    return EncoderSimilarity(parse_spec(f"encoder(model=minilm, empty=zero, cache={str(cache)!r})@3"))


def outcome(*ids: str, query: str = "couch", group: int = 0, documents: dict[str, Document] | None = None) -> Outcome:
    found = ranking(*ids)
    held = DOCUMENTS if documents is None else documents
    return Outcome(Query(query, query), group, "", (), found, found, {}, Code.OK, documents=held)


class TestEncoder(RewardContract):
    @pytest.fixture(params=["", "@3"])
    def reward(self, request: pytest.FixtureRequest, cache: Path) -> Reward:
        return EncoderSimilarity(parse_spec(f"encoder(cache={str(cache)!r}){request.param}"))


def cosine(query: str, title: str) -> float:
    encoder = Encoder.of("minilm")
    return float(encoder.encode([query], query=True)[0] @ encoder.encode([title])[0])


def test_discounted_mean_by_hand() -> None:
    weights = 1 + 1 / log2(3)
    assert discounted_mean(np.array([[1.0, 0.0], [0.0, 1.0]]), 2).tolist() == pytest.approx(
        [1 / weights, 1 - 1 / weights]
    )
    assert discounted_mean(np.array([0.5]), 2) == pytest.approx(0.5 / weights)
    assert discounted_mean(np.array([1.0, 1.0, 0.0]), 2) == pytest.approx(1.0)


def test_it_is_the_discounted_mean_of_the_cosines_of_the_top_k(reward: EncoderSimilarity) -> None:
    near = {id: cosine("couch", TITLES[id]) for id in "abc"}
    weights = [1.0, 1 / log2(3), 1 / 2]
    full = sum(weights)
    expected = {
        ("a", "b", "c"): near["a"] + near["b"] / log2(3) + near["c"] / 2,
        ("b", "a", "c", "e"): near["b"] + near["a"] / log2(3) + near["c"] / 2,
        ("a", "a", "b"): near["a"] + near["b"] / log2(3),  # a document counts once, and the next one closes up
        ("e", "b"): near["b"] / log2(3),  # no text: nothing to compare
        ("gone", "b"): near["b"] / log2(3),
        (): 0.0,
    }
    scores = reward.score([outcome(*ids) for ids in expected])
    assert scores == pytest.approx(
        [value / full for value in expected.values()], abs=2e-4
    )  # vectors are kept in float16
    assert scores[1] > scores[0] > scores[5] == 0.0


def test_a_cosine_below_nothing_counts_nothing(reward: EncoderSimilarity) -> None:
    assert cosine("couch", "quantum chromodynamics") < 0
    documents = {"x": Document("x", {"title": "quantum chromodynamics"})}
    assert reward.score([outcome("x", documents=documents)]) == [0.0]


def test_fields_and_options_are_given_in_the_reward(cache: Path) -> None:
    where = f"empty=zero, cache={str(cache)!r}"
    rewards = RewardSet.from_specs(
        [
            f"encoder(model=minilm, {where})@3=0.5",
            f"encoder({where}, fields=['title', 'text'])@3",
            f"encoder({where}, fields=text)@3",
        ],
        {"encoder": EncoderSimilarity},
    )
    assert rewards.weights == (0.5, 1.0, 1.0)
    assert rewards.fields == ("title", "text")
    values = rewards.score([outcome("c")]).values[0]
    share = 1 / (1 + 1 / log2(3) + 1 / 2)
    expected = [cosine("couch", text) * share for text in ("floor lamp", "floor lamp of oak", "of oak")]
    assert values.tolist() == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("encoder(model=minlm)@10", "Encoder 'minlm' is not minilm, not a folder and not a hub id"),
        (
            "encoder(field=title)@10",
            "Unknown option 'field' of reward 'encoder.field=title.@10'. Did you mean 'fields'?",
        ),
        ("encoder(batch_size=0)@10", "batch_size: Input should be greater than or equal to 1"),
        ("encoder(model=a-b)@10", "Invalid reward"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_loaded(spec: str, said: str) -> None:
    with pytest.raises(LeserError, match=said):
        RewardSet.from_specs([spec], {"encoder": EncoderSimilarity})


def test_a_document_that_changed_is_encoded_again(reward: EncoderSimilarity) -> None:
    before = reward.score([outcome("c")])
    changed = {"c": Document("c", {"title": "couch"})}
    after = reward.score([outcome("c", documents=changed)])
    assert after[0] == pytest.approx(1 / (1 + 1 / log2(3) + 1 / 2), abs=1e-3)
    assert reward.score([outcome("c")]) == before


def test_what_was_encoded_once_needs_no_model_later(reward: EncoderSimilarity, cache: Path) -> None:
    before = reward.score([outcome("a", "b", "c")])
    open_vectors.cache_clear()
    again = EncoderSimilarity(reward.spec)
    assert again.score([outcome("a", "b", "c")]) == before
    assert "_model" not in vars(again.vectors.encoder)


class Breaks(Encoder):
    """MiniLM, which fails on what holds a given word: a fault that a real one has only without memory."""

    word = "lamp"

    def encode(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        if any(self.word in text for text in texts):
            raise EncodingFailed("Out of memory.")
        return super().encode(texts, query=query)


def broken(reward: EncoderSimilarity, cache: Path, word: str) -> EncoderSimilarity:
    options = EncoderOptions(cache=cache)
    encoder = Breaks(options)
    encoder.word = word
    reward.vectors = Vectors.of(encoder, options)
    return reward


def test_a_failure_is_none_for_the_whole_group_and_never_a_number(
    reward: EncoderSimilarity, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reward.score([outcome("a", "b")])  # these are on disk
    broken(reward, cache, "lamp")
    outcomes = [outcome("a"), outcome("a", "c"), outcome("b", query="sofa", group=1)]
    with caplog.at_level(logging.WARNING):
        scores = reward.score(outcomes)
    assert scores[:2] == [None, None]
    assert scores[2] is not None
    assert scores[2] == pytest.approx(cosine("sofa", TITLES["b"]) / (1 + 1 / log2(3) + 1 / 2), abs=2e-4)
    assert "Out of memory. 1 of 1 new texts are left out of what is judged." in caplog.text
    both = RewardSet([reward], [1.0]).score(outcomes)
    assert both.excluded.tolist() == [True, True, False]
    # and once the model works again, so does the reward
    broken(reward, cache, "no such word")
    assert reward.score(outcomes)[1] is not None


def test_a_query_on_which_the_model_fails_has_no_reward(reward: EncoderSimilarity, cache: Path) -> None:
    broken(reward, cache, "couch")
    documents = {id: replace(DOCUMENTS[id]) for id in "ac"}
    scores = reward.score([outcome("a", documents=documents), outcome("a", query="sofa", group=1, documents=documents)])
    assert scores[0] is None
    assert scores[1] is not None


def test_a_vector_that_is_not_finite_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.of("minilm")
    monkeypatch.setattr(encoder._model, "encode", lambda texts, size: np.full((len(texts), 384), np.nan))
    with pytest.raises(EncodingFailed, match="not finite for 'sofa'"):
        encoder.encode(["sofa"])
