"""The serving filter: nothing that breaks a rule leaves, whatever a policy writes; judged by a checker of the tests' own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leser_memory import MemoryBackend
from naive_checker import naive_violations
from rule_cases import CLEAN, FORBIDDEN, QUERIES, SHELF, book_of, disguised, every_rule, hostile

from leser.expansion import Expansion
from leser.policy.generate import NoiseKey, generate
from leser.policy.loading import load_policy
from leser.policy.options import PolicyOptions
from leser.rules import ServingFilter

BAN = book_of({"banned": {"words": ["contraband", "replica", "gun", "snake oil"]}})
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> ServingFilter:
    return ServingFilter(book_of(every_rule(tmp_path_factory.mktemp("lists"))))


def naive(serving: ServingFilter, query: str, expansions: Sequence[Expansion]) -> list[str]:
    assert serving.book.site.expansion.weight == FORBIDDEN.weight
    return naive_violations(query, [e.text for e in expansions], FORBIDDEN, [e.weight for e in expansions])


expansion_lists = st.lists(
    st.builds(
        Expansion,
        st.one_of(st.text(max_size=20), st.sampled_from(CLEAN), st.randoms().map(hostile)),
        st.floats(0.1, 4.0),
    ),
    max_size=6,
)


@FUZZ
@given(query=st.one_of(st.sampled_from(QUERIES), st.text(max_size=20)), expansions=expansion_lists)
def test_what_the_filter_lets_out_breaks_no_rule_and_filtering_again_changes_nothing(
    serving, query, expansions
) -> None:
    out = serving(query, expansions)
    assert serving.book.check(query, out.expansions) is None
    assert naive(serving, query, out.expansions) == []
    assert serving(query, out.expansions).expansions == out.expansions
    assert len(out.expansions) + len(out.refused) == len(expansions), "everything is let out or refused with a reason"


@FUZZ
@given(query=st.sampled_from(("lamp", "rug")), texts=st.lists(st.sampled_from(CLEAN), max_size=4, unique=True))
def test_clean_expansions_pass_untouched(serving, query, texts) -> None:
    words = [word for text in texts for word in text.split()]
    if len(set(words)) == len(words) and not set(words) & set(query.split()):
        out = serving(query, [Expansion(text) for text in texts])
        assert [e.text for e in out.expansions] == texts, out.refused


@FUZZ
@given(
    word=st.sampled_from(
        ("contraband", "replica", "guns", "megamart", "vodka", "crossbows", "fake furs", "blue lagoon")
    ),
    draw=st.randoms(),
    place=st.integers(0, 2),
)
def test_no_trick_and_no_place_gets_a_forbidden_word_through(serving, word, draw, place) -> None:
    texts = ["oak", "linen"]
    texts.insert(place, disguised(word, draw))
    out = serving("lamp", [Expansion(text) for text in texts])
    assert [e.text for e in out.expansions] == ["oak", "linen"]


@FUZZ
@given(word=st.sampled_from(("contraband", "replicas", "gun", "guns", "a g u n", "snake-oil")), draw=st.randoms())
def test_the_ban_itself_sees_through_every_trick(word, draw) -> None:
    """The filter above has more rules that would stop a disguise; here the list stands alone."""
    broken = BAN.check("lamp", [Expansion(disguised(word, draw))])
    assert broken is not None
    assert broken.code == "banned"


def test_a_phrase_spread_over_expansions_is_named_in_one_search_only(serving) -> None:
    apart = [Expansion("blue"), Expansion("lagoon")]
    tables = {"competitor": {"brands": ["Blue Lagoon"]}}
    assert ServingFilter(book_of(tables))("lamp", apart).expansions == (Expansion("blue"),)
    assert ServingFilter(book_of(tables, mode="fuse"))("lamp", apart).expansions == tuple(apart)


def test_two_thousand_expansions_of_hostile_random_and_untrained_origin(serving) -> None:
    """If this fails, the naive checker and the rules differ: see which of them a reader would agree with."""
    draw = random.Random(7)
    completions = [
        (draw.choice(QUERIES), "; ".join(hostile(draw) for _ in range(draw.randint(1, 5)))) for _ in range(500)
    ]
    completions += untrained(150)
    asked = served = 0
    stopped: set[str] = set()
    for query, text in completions:
        parts = [Expansion(part.strip()) for part in text.split(";")]
        for out in (serving(query, parts), serving.completion(query, text)):
            asked += len(parts)
            served += len(out.expansions)
            stopped |= {refused.code for refused in out.refused}
            assert naive(serving, query, out.expansions) == [], (query, out.expansions)
    assert asked >= 2000
    assert served > 100, "a filter that lets nothing out proves nothing"
    assert stopped >= set(serving.book.codes), "every rule must have stopped something"


def untrained(count: int) -> list[tuple[str, str]]:
    """Completions of a small policy that has learned nothing but what words there are, at a high temperature."""
    options = PolicyOptions(
        device="cpu",
        tiny={"d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 64, "vocabulary": 400, "pretrain_steps": 1},
    )
    forbidden = ["contraband; replica gun; vodka; Zeta megamart", "call 555 123 4567; 128 gb; crossbow"]
    texts = [f"{d.fields['title']}; {d.fields['text']}" for d in SHELF] * 5 + forbidden * 5
    policy = load_policy(options, task_texts=texts)
    queries = [QUERIES[i % len(QUERIES)] for i in range(count)]
    prompts = [policy.encode_marked({"query": query}) for query in queries]
    keys = [[NoiseKey(1, 0, str(i), 0)] for i in range(count)]
    rows = generate(policy, prompts, keys, max_new_tokens=16, temperature=1.5)
    return [(query, policy.decode(row[0].tokens)) for query, row in zip(queries, rows, strict=True)]


class Unwell(MemoryBackend):
    """The memory engine, whose analysis has stopped working."""

    def analyze(self, texts, field=None):
        if any("velvet" in text for text in texts):
            raise ConnectionError("no route to engine")
        return super().analyze(texts, field)


def test_what_cannot_be_checked_is_not_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    serving = ServingFilter(book_of({"banned": {"words": ["gun"]}}, Unwell.of(SHELF)))
    assert serving("lamp", [Expansion("oak")]).expansions == (Expansion("oak"),)
    out = serving("lamp", [Expansion("oak"), Expansion("velvet")])
    assert out.expansions == ()
    assert {refused.code for refused in out.refused} == {"unchecked"}
    assert "no route to engine" in out.error
    assert "could not be checked" in caplog.text


def test_an_unreadable_completion_serves_nothing_and_says_why(serving) -> None:
    assert serving.completion("lamp", "oak; linen").expansions == (Expansion("oak"), Expansion("linen"))
    assert "cut at the length limit" in serving.completion("lamp", "oak", finished=False).error
    assert serving.completion("lamp", "none").expansions == ()
    assert serving.completion("lamp", "none").error == ""
    for text in ("oak\nlinen", "", "oak ^9999"):
        assert serving.completion("lamp", text).error.startswith("parse_error: ")


@pytest.mark.parametrize("text", ["oak; linen", "none", "", "a\x00b", "two\nlines", "one two three four five six"])
def test_an_expansion_that_no_completion_could_hold_is_refused(serving, text: str) -> None:
    out = serving("lamp", [Expansion(text), Expansion("oak")])
    assert out.expansions == (Expansion("oak"),)
    assert out.refused[0].code == "parse_error"


def test_together_too_heavy_goes_from_the_end(serving) -> None:
    out = serving("phone 64gb", [Expansion("charger", 3.0), Expansion("oak", 2.0), Expansion("linen", 1.0)])
    assert [e.text for e in out.expansions] == ["charger"]
    assert [(r.expansion.text, r.code) for r in out.refused] == [("linen", "protected"), ("oak", "protected")]
