"""The parts of verified search by themselves: support, spelling, halves, anchor, dictionary, candidates."""

from __future__ import annotations

import json

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from verified_shop import COUCH, OPTIONS, changed, environment_of, shelf

from leser.backend import Hit, Ranking
from leser.engine.words import EngineWords
from leser.errors import LeserError
from leser.expansion import ExpansionOptions
from leser.reward import parse_spec
from leser.similarity import nearest_of
from leser.task import Query, Split
from leser.verified.anchor import kept_share
from leser.verified.candidates import candidates_of
from leser.verified.halves import halve
from leser.verified.sources import CountedDictionary, DocumentWords, in_turn, read_dictionary
from leser.verified.spelling import Deletions, SpellingNeighbours, distance, edits
from leser.verified.support import Support, TermGain, variances_of


def test_variance_components_by_hand():
    # within: (.02 + .02) / (4 - 2); between: (2 * .01 + 2 * .01) / 1 = .04, less .02, over a cell's size of 2
    found = variances_of([[0.1, 0.3], [-0.1, 0.1], [7.0]], mean=0.05)
    assert (found.mean, found.within, found.between) == (0.05, pytest.approx(0.02), pytest.approx(0.01))
    assert found.credibility(1) == pytest.approx(1 / 3)
    assert found.credibility(2) == pytest.approx(1 / 2)
    assert variances_of([[0.1, 0.3]], mean=0.2).credibility(100) == 0.0


def gain(query, word, term, value):
    return TermGain(query, frozenset({word}), term, 0.5, value)


GAINS = [
    *(gain(i, "couch", "sofa", value) for i, value in enumerate((0.1, 0.3, 0.2))),
    *(gain(i, "couch", "chrome", value) for i, value in enumerate((0.3, -0.2, -0.1))),
    gain(9, "lamp", "chrome", 0.3),
]


def test_a_term_is_worth_less_where_like_queries_lose_by_it_and_more_where_they_gain():
    support = Support(GAINS, trust=0.5, min_like=2)
    sofa, chrome, alone = (support.worth(g) for g in (GAINS[1], GAINS[3], GAINS[6]))
    assert GAINS[1].value == GAINS[3].value == GAINS[6].value == 0.3
    assert sofa > alone > chrome
    mean = sum(g.value for g in GAINS) / 7
    assert alone == pytest.approx(0.5 * 0.3 + 0.5 * mean), "no like query: shrunk toward the mean of all"
    cells = [[0.1, 0.3, 0.2], [0.3, -0.2, -0.1]]
    known = variances_of(cells, mean)
    expected = mean + known.credibility(2) * (0.15 - mean)
    assert sofa == pytest.approx(expected + 0.5 * (0.3 - expected)), "its own gain is not among those of like queries"


def test_full_trust_leaves_gains_alone_and_too_few_like_queries_say_nothing():
    assert Support(GAINS, trust=1.0, min_like=2).worth(GAINS[3]) == 0.3
    mean = sum(g.value for g in GAINS) / 7
    assert Support(GAINS, trust=0.0, min_like=3).worth(GAINS[3]) == pytest.approx(mean)


def ranking(*ids):
    return Ranking(tuple(Hit(id, -float(i)) for i, id in enumerate(ids)))


def test_kept_share():
    assert kept_share(ranking("a", "b", "c", "d"), ranking("d", "x", "b", "a"), top=2, within=3) == 0.5
    assert kept_share(ranking(), ranking("x"), top=10, within=10) == 1.0
    assert kept_share(ranking("a"), ranking(), top=10, within=10) == 0.0


def test_halves_deal_out_relevant_documents_alternately():
    grades = {f"r{i}": 2 for i in range(5)} | {f"n{i}": 0 for i in range(4)}
    first, second = halve(Split("train", (), {"q": grades, "one": {"d": 1}}), seed=1)
    for half, relevant in ((first, 3), (second, 2)):
        assert sum(g > 0 for g in half.qrels["q"].values()) == relevant
        assert sum(g == 0 for g in half.qrels["q"].values()) == 2
    assert {**first.qrels["q"], **second.qrels["q"]} == grades
    assert (first.qrels["one"], second.qrels["one"]) == ({"d": 1}, {})
    assert halve(Split("train", (), {"q": grades}), seed=1)[0].qrels["q"] == first.qrels["q"]
    assert halve(Split("train", (), {"q": grades}), seed=2)[0].qrels["q"] != first.qrels["q"]


@pytest.mark.parametrize(
    ("first", "second", "edits_apart"),
    [
        ("", "", 0),
        ("sofa", "sofa", 0),
        ("sofa", "soaf", 1),
        ("keybord", "keyboard", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_edit_distance(first, second, edits_apart):
    assert distance(first, second) == distance(second, first) == edits_apart


def test_edits_are_exactly_the_words_one_edit_away():
    assert {"soa", "sof", "osfa", "soaf", "sofas", "sofd"} <= edits("sofa")
    assert all(distance("sofa", word) == 1 for word in edits("sofa"))
    assert Deletions(["keyboard", "keyboards", "board"]).near("keybaord", 2) == ["keyboard", "keyboards"]


STOCK = {f"k{i}": "wireless keyboard" for i in range(12)} | {f"h{i}": "headset stereo" for i in range(12)}


@pytest.mark.parametrize("vocabulary", [None, ["wireless", "keyboard", "headset", "stereo"]])
def test_spelling_neighbours_come_from_the_index(vocabulary):
    engine = EngineWords(MemoryBackend.of(shelf(STOCK)))
    assert SpellingNeighbours.supported(engine)
    queries = [Query("1", "keybord"), Query("2", "head set"), Query("3", "keyboard"), Query("4", "zzzzzz")]
    assert SpellingNeighbours(engine, vocabulary)(queries) == [["keyboard"], ["headset"], [], []]


def test_a_dictionary_counts_terms_that_targets_give_to_queries_with_a_shared_word(tmp_path):
    pairs = [
        ("red couch", ["sofa"]),
        ("couch small", ["sofa", "tiny"]),
        ("couch", ["settee"]),
        ("couches", ["settee", "sofa"]),
    ]
    assert CountedDictionary(pairs)([Query("q", "grey couch"), Query("r", "lamp")]) == [["sofa", "settee"], []]
    path = tmp_path / "targets.jsonl"
    rows = [
        {"query": "red couch", "completion": "sofa ^2; teak"},
        {"query": "couch", "completion": "sofa"},
        {"query": "couch", "completion": "none"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_dictionary(path, ExpansionOptions())([COUCH]) == [["sofa"]]
    path.write_text('{"query": "couch"}\n')
    with pytest.raises(LeserError, match=r"targets\.jsonl, line 1: expected a text under \"completion\""):
        read_dictionary(path, ExpansionOptions())


def test_candidates_are_new_words_that_enough_documents_hold():
    environment = environment_of()
    assert DocumentWords(environment, OPTIONS)([COUCH]) == [["sofa"]]
    loose = DocumentWords(environment, changed(min_documents=1))([COUCH])[0]
    assert set(loose) == {"sofa", "grey", "blue", "cover"}

    def given(queries):
        return [["couches", "sofas", "sofa", "the", "grey couch"] for _ in queries]

    (found,) = candidates_of(environment, [COUCH], [given], 9)
    assert [(c.text, c.key) for c in found] == [("sofas", "sofa"), ("grey couch", "grei couch")]
    assert in_turn(["a", "b"], ["c", "a", "d"]) == ["a", "c", "b", "d"]


class NearSofas:
    """Nearest documents as an encoder would give them: a fixed answer."""

    def rank(self, queries, n):
        return [Ranking((Hit("sofa1", 0.9), Hit("sofa2", 0.8))) for _ in queries]


def test_an_encoders_nearest_documents_give_words_that_no_hit_holds():
    environment = environment_of()
    found = DocumentWords(environment, OPTIONS, NearSofas())([Query("q", "settee")])
    assert found == [["sofa"]]


class ShopJudge(NDCG):
    """A reward that can compare documents, too."""

    def nearest_documents(self, documents):
        assert [d.id for d in documents] == ["sofa1"]
        return NearSofas()


def test_the_first_reward_with_a_model_of_its_own_brings_the_nearest_documents():
    spec = parse_spec("nDCG@10")
    stock = [d for d in shelf() if d.id == "sofa1"]
    assert isinstance(nearest_of([NDCG(spec), ShopJudge(spec)], stock), NearSofas)
    assert nearest_of([NDCG(spec)], stock) is None
