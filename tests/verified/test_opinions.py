"""Second opinions: what further views of an encoder add to the judge's score, and what they change."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, DESK, Shiny, changed, environment_of, shelf, words_of

from leser.backend import Hit, Ranking
from leser.composition import RewardProduct
from leser.expansion import Code
from leser.reward import Outcome, parse_spec
from leser.similarity import NearestDocuments
from leser.task import Query
from leser.verified.opinions import Opinions
from leser.verified.options import VerifiedOptions
from leser.verified.result import VerifiedAnswer, VerifiedExpansions
from leser.verified.search import VerifiedSearch
from leser.verified.sources import DocumentWords


class Table:
    """Nearest documents whose cosines are given: with the query, and with the query and its nearest documents."""

    def __init__(self, cosines: dict[str, tuple[float, float]]) -> None:
        self.cosines = cosines
        self.asked: list[list[str]] = []

    def rank(self, queries: Sequence[str], n: int) -> list[Ranking]:
        return [Ranking(()) for _ in queries]

    def likeness(self, query: str, texts: Sequence[str]) -> np.ndarray:
        return np.zeros(len(texts), dtype=np.float32)

    def views(self, queries: Sequence[str], n: int) -> np.ndarray:
        assert n == 10
        self.asked.append(list(queries))
        return np.stack([np.eye(2, dtype=np.float32) for _ in queries])

    def compare(self, vectors: np.ndarray, ids: Sequence[str]) -> np.ndarray:
        rows = [self.cosines.get(id, (np.nan, np.nan)) for id in ids]
        return vectors @ np.array(rows, dtype=np.float32).reshape(-1, 2).T


class Seeming(Shiny):
    """Likes the word shiny, and can compare documents."""

    nearest: Table

    def nearest_documents(self, documents: object) -> NearestDocuments:
        return self.nearest  # type: ignore[return-value]


def ranking(ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, -float(rank)) for rank, id in enumerate(ids)))


def outcome(query: Query, original: str, expanded: str | None) -> Outcome:
    found = None if expanded is None else ranking(expanded)
    return Outcome(query, 0, "", (), ranking(original), found, {}, Code.OK)


def mean(*values: float) -> float:
    weights = [1 / log2(rank + 2) for rank in range(len(values))]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


OPTIONS = VerifiedOptions(keep_top=2, known=10)
COSINES = {"a": (0.2, 0.4), "b": (0.6, 0.8), "c": (0.4, 0.1), "x": (0.9, 0.3), "n": (-0.5, 0.2)}


def test_the_judges_view_is_averaged_with_the_known_hits_and_both_with_feedback() -> None:
    opinions = Opinions(Table(COSINES), 1.0, OPTIONS)  # type: ignore[arg-type]
    (added,) = opinions.read([outcome(COUCH, "abc", "xcba")])
    shown = mean(0.9, 0.4), mean(0.3, 0.1)
    known = mean(0.4, 0.6), mean(0.1, 0.8)
    # the judge says shown[0]: with what is added it is the mean of all four views
    assert shown[0] + added == pytest.approx((*shown, *known) @ np.full(4, 0.25), abs=1e-6)


def test_the_share_and_the_judges_own_weight_scale_what_is_added() -> None:
    whole = Opinions(Table(COSINES), 1.0, OPTIONS).read([outcome(COUCH, "abc", "xcba")])[0]  # type: ignore[arg-type]
    third = OPTIONS.model_copy(update={"opinions": 0.25})
    assert Opinions(Table(COSINES), 0.5, third).read([outcome(COUCH, "abc", "xcba")])[0] == pytest.approx(whole / 6)  # type: ignore[arg-type]


def test_empty_ranks_count_the_originals_mean_and_what_has_no_text_nothing() -> None:
    opinions = Opinions(Table(COSINES), 1.0, OPTIONS.model_copy(update={"opinions": 1.0}))  # type: ignore[arg-type]
    (short,) = opinions.read([outcome(COUCH, "ab", "x")])
    known = mean(0.2, 0.6), mean(0.4, 0.8)  # the ranking holds none of them: their old order
    shown = mean(0.9, (0.2 + 0.6) / 2), mean(0.3, (0.4 + 0.8) / 2)
    assert short == pytest.approx((shown[1] + known[0] + known[1]) / 3 - shown[0], abs=1e-6)
    (strange,) = opinions.read([outcome(COUCH, "ab", "?n")])
    assert strange == pytest.approx((mean(0, 0.2) + known[0] + known[1]) / 3 - 0.0, abs=1e-6)
    assert opinions.read([outcome(COUCH, "", None), outcome(DESK, "", "")]) == [0.0, 0.0]


def test_each_query_is_read_for_itself_and_its_vectors_are_asked_for_once() -> None:
    table = Table(COSINES)
    opinions = Opinions(table, 1.0, OPTIONS)  # type: ignore[arg-type]
    rows = [outcome(COUCH, "abc", "xcba"), outcome(DESK, "bc", "cb"), outcome(COUCH, "abc", "bxa")]
    together = opinions.read(rows)
    assert together == pytest.approx([opinions.read([row])[0] for row in rows], abs=1e-9)
    assert table.asked == [["couch", "desk"]]


TITLES = {f"c{i}": f"couch plain{i}" for i in range(4)} | {f"s{i}": f"couch shiny shiny long{i}" for i in range(4)}
FOOLING = {id: (1.0, 0.0) if id.startswith("s") else (0.0, 1.0) for id in TITLES}


def searched(cosines: dict[str, tuple[float, float]], **values: object) -> tuple[VerifiedSearch, VerifiedExpansions]:
    environment = environment_of(MemoryBackend.of(shelf(TITLES)), [Seeming(parse_spec("shiny@4"))])
    options = changed(weights=(0.5,), keep=0.0, keep_top=4, **values)
    sources = [DocumentWords(environment, options, Table(cosines))]  # type: ignore[arg-type]
    search = VerifiedSearch(environment, [COUCH], options, sources)
    probes = search.probe([0])
    (found,) = search.choose([0], probes, search.support(probes))
    return search, found


def test_a_word_that_the_judges_own_view_alone_likes_is_left_alone() -> None:
    _, fooled = searched(FOOLING, opinions=0.0)
    assert ([e.text for e in fooled.expansions], fooled.before, fooled.after) == (["shiny"], 0.0, 1.0)
    _, found = searched(FOOLING)
    assert found.answer is VerifiedAnswer.NONE
    agreeing = {id: (own, own) for id, (own, _) in FOOLING.items()}
    _, taken = searched(agreeing)
    assert ([e.text for e in taken.expansions], taken.after) == (["shiny"], 1.0), "the file says what the judge said"


def test_further_terms_must_bring_less_only_where_there_are_second_opinions() -> None:
    with_opinions, _ = searched(FOOLING)
    without, _ = searched(FOOLING, opinions=0.0)
    assert (with_opinions._limits().margin, with_opinions._limits().further) == (0.01, 0.002)
    assert without._limits().further == without._limits(0.0).margin == 0.01
    assert with_opinions._limits(0.1).further == pytest.approx(0.102)


def test_labels_alone_have_no_second_opinions() -> None:
    environment = environment_of()
    assert Opinions.of(environment, words_of(environment), VerifiedOptions()) is None
    near = [DocumentWords(environment, VerifiedOptions(), Table(COSINES))]  # type: ignore[arg-type]
    assert Opinions.of(environment, near, VerifiedOptions()) is None, "no reward compares documents"


def test_an_encoder_within_a_product_gives_its_vectors_to_no_other_judge() -> None:
    inner, judge = Seeming(parse_spec("shiny@4")), Seeming(parse_spec("shiny@2"))
    product = RewardProduct([inner, Shiny(parse_spec("shiny@3"))])
    for rewards, known in (([judge, product], True), ([product, judge], False)):
        environment = environment_of(rewards=rewards)
        near = [DocumentWords(environment, VerifiedOptions(), Table(COSINES))]  # type: ignore[arg-type]
        assert (Opinions.of(environment, near, VerifiedOptions()) is not None) == known
