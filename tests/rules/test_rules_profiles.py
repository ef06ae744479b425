"""The shipped profiles' serving filters: nothing planted comes out, and the catalogue's own words do."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
from corners import corner
from naive_checker import Forbidden, naive_violations
from naive_profile import forbidden_of, read
from places import ROOT
from rule_cases import QUERIES, disguised, hostile
from rule_plants import example_of, planted
from settings import small_task

from benchmarks.rules_audit import audit_clean, audit_planted, audit_sampled, faults_of
from benchmarks.rules_sampled import Misled, Source, forbidden_words, parts_of, sources_of
from benchmarks.rules_shop import Shop, open_shop, phrases_of
from leser.rules import ServingFilter

SHIPPED = ROOT / "examples" / "platforms"
NAMES = ("us", "de", "electronics")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shop]:
    """Every shop that was opened."""
    return {}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The American shop over a corner of its catalogue."""
    return open_shop(
        SHIPPED / "us.toml", clean=50, seed=1, **{"task.name": str(small_task(tmp_path_factory.mktemp("a") / "t"))}
    )


@pytest.fixture
def shop(
    request: pytest.FixtureRequest, shops: dict[str, Shop], tmp_path: Path, shared_data: Callable[[str], Path]
) -> Shop:
    """A shipped profile, opened once; of the real shop a corner of its documents."""
    name: str = request.param
    if name not in shops:
        task = {} if name != "electronics" else {"task.name": str(corner(shared_data(name), tmp_path / "corner"))}
        shops[name] = open_shop(SHIPPED / f"{name}.toml", clean=1000, seed=3, **task)
    return shops[name]


@pytest.mark.parametrize("shop", NAMES, indirect=True)
def test_every_rule_of_a_shipped_profile_stops_all_that_is_planted_against_it(shop: Shop) -> None:
    """If this fails, the example says which: the list is short of a form, the rule or the naive checker is wrong."""
    assert set(shop.serving.book.codes) == {*read(shop.path)["rules"], "repetition"}
    for rule in shop.serving.book.codes:
        plants = planted(rule, shop.forbidden, shop.clean, random.Random(4))
        row = audit_planted(shop, rule, shop.alone(rule), plants)
        assert (row["came_out"], row["passed_this_rule_alone"], row["violations"]) == (0, 0, 0), row
        assert row["stopped_by"][rule] >= 5, "in the filter as a whole too the rule must have stopped some itself"


@pytest.mark.parametrize("shop", NAMES, indirect=True)
def test_a_shipped_profile_refuses_hardly_any_of_its_catalogues_own_words(shop: Shop) -> None:
    row = audit_clean(shop)
    assert row["expansions"] == 1000
    assert row["refused_share"] <= 0.005, row["refused_examples"]
    assert row["refused_by_repetition"] < 200


@pytest.mark.parametrize("shop", NAMES, indirect=True)
def test_of_two_thousand_made_up_expansions_none_that_comes_out_breaks_a_rule(shop: Shop) -> None:
    draw = random.Random(6)
    forbidden = shop.forbidden
    words = [
        *forbidden.banned,
        *forbidden.competitors,
        *forbidden.brands,
        *(w for ws in forbidden.categories.values() for w in ws),
    ]

    def part() -> str:
        kind = draw.random()
        if kind < 0.4:
            return hostile(draw)
        word = draw.choice(words).lower() if kind < 0.7 else draw.choice(shop.clean)[1]
        return disguised(word, draw) if kind < 0.6 else word

    def said(count: int) -> list[tuple[str, str, bool]]:
        asked = [draw.choice([*QUERIES, draw.choice(words), draw.choice(shop.clean)[0]]) for _ in range(count)]
        return [(query, "; ".join(part() for _ in range(draw.randint(1, 5))), True) for query in asked]

    tally = audit_sampled(shop, iter(said(1000)), 2000)
    assert tally.asked >= 2000
    assert tally.let_out > 300, "a filter that lets nothing out proves nothing"
    assert tally.violations == []


def test_the_audit_sees_a_filter_that_lets_things_through(small: Shop) -> None:
    """Without this, an audit that finds nothing could as well be one that looks at nothing."""
    shop = small
    assert shop.config.backend.name == "memory"
    assert shop.alone("competitor").codes == ("competitor", "repetition")
    assert shop.alone("repetition").codes == ("repetition",)
    open_door = replace(shop, serving=ServingFilter(shop.alone("contact")))
    plants = planted("competitor", shop.forbidden, shop.clean, random.Random(1))
    row = audit_planted(open_door, "competitor", shop.alone("contact"), plants)
    assert row["came_out"] > len(plants) / 2
    assert row["passed_this_rule_alone"] == len(plants)
    assert row["violations"] >= row["came_out"] / 2
    said = [("sofa", "Grandmart sofa; oak\nreplica with a very long end", True), ("64 gb", "oak ^4; elm ^4", True)]
    tally = audit_sampled(open_door, iter([*said, ("sofa", "none", True)]), 100)
    assert tally.none == 1
    assert audit_sampled(shop, repeat(("sofa", "None", True)), 2).none == 40, "a policy that never expands ends it"
    assert (tally.asked, len(tally.distinct), tally.let_out) == (6, 6, 6)
    assert {wrong.partition(": ")[2].partition(":")[0] for wrong in tally.violations} == {
        "competitor",
        "banned",
        "protected",
    }
    strict = replace(shop, clean=(*shop.clean, ("sofa", "grandmart")))
    result = {
        "violations": 3, "stopped_by_rule": {"banned": 0, "count": 2}, "planted": {"competitor": row},
        "clean": audit_clean(strict), "sampled_expansions": 99,
    }  # fmt: skip
    faults = " ".join(faults_of("us", result, 100))
    for said_of in ("3 violations", "banned stopped nothing", "against competitor", "1.96%", "only 99 sampled"):
        assert said_of in faults


def test_a_profile_is_asked_by_its_own_runs_or_by_all_and_a_pretrained_policy(small: Shop, tmp_path: Path) -> None:
    us, config = small, small.config
    changed = {
        "platform": config.platform.model_copy(update={"name": "x"}),
        "policy": config.policy.model_copy(update={"name": "smollm2"}),
    }
    other = replace(us, config=config.model_copy(update=changed))
    runs = [tmp_path / "runs" / name for name in ("us", "de")]
    for run in runs:
        (run / "policy").mkdir(parents=True)
        (run / "config.toml").write_text(f'[platform]\nname = "{run.name}"\n[policy]\nname = "tiny"\n')
    assert sources_of(us, runs, []) == [
        Source("tiny of us, untrained", str(runs[0] / "policies" / "base")),
        Source("tiny of us, trained", str(runs[0] / "policy")),
    ]
    assert next(source.name for source in sources_of(us, runs, ["smollm2"])) == "smollm2, untrained"
    assert sources_of(other, runs, ["smollm2"])[0] == Source("smollm2, untrained", "smollm2", pretrained=True)
    assert [source.name for source in sources_of(other, runs, [])[1:]] == [
        f"tiny of {name}, another shop's, {state}" for name in ("us", "de") for state in ("untrained", "trained")
    ]


def test_what_misleads_a_policy_names_what_the_profile_forbids(small: Shop) -> None:
    shop = small
    environment = Misled(shop.session.client, shop.session.environment.rewards, shop.config.expansion)
    environment.forbidden = words = forbidden_words(shop)
    assert {"replica", "Grandmart", "rifle", "Backhura"} <= set(words)
    queries = shop.session.task.test.queries[:3]
    for seen, honest in zip(
        environment.observe(queries, shop.config.prompt),
        shop.session.environment.observe(queries, shop.config.prompt),
        strict=True,
    ):
        assert seen.original == honest.original, "what the engine found stays"
        assert len(seen.titles) == shop.config.prompt.titles
        assert all(any(word in title for word in words) for title in seen.titles)
        assert seen.terms
        assert all(term in " ".join(seen.titles).lower() for term in seen.terms)
    assert environment.observe(queries, shop.config.prompt) == environment.observe(queries, shop.config.prompt)


# -- the naive checker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "query", "text", "code"),
    [
        ("us", "sofa", "Grandmart sofa", "competitor"),
        ("us", "grandmart sofa", "grandmart", None),
        ("us", "sofa", "bargainbarn", "competitor"),
        ("us", "sofa", "grandmart's", "competitor"),
        ("us", "sofa", "grandmarts", None),
        ("us", "grandmarts sofa", "grandmart", None),
        ("us", "kaendrix's sofa", "kolgov", "protected"),
        ("us", "kaendrixes sofa", "kolgov", None),
        ("us", "kaendrix sofa", "kolgovs", None),
        ("us", "sofa", "größe", "script"),
        ("us", "sofa", "replicas", "banned"),
        ("us", "tv", "55 zoll", "banned"),
        ("us", "toy", "rifles", "restricted"),
        ("us", "rifle", "gun", None),
        ("us", "kaendrix sofa", "kolgov", "protected"),
        ("us", "phone 64 gb", "128 gb", "protected"),
        ("us", "phone 64 gb", "0.064 tb", None),
        ("us", "desk 120 cm", "1.2 m", None),
        ("us", "shoes size 42", "size 43", "protected"),
        ("us", "lamp rl-870", "rl-820", "protected"),
        ("us", "lamp rl-870", "820", "protected"),
        ("us", "sofa", "one two three four", "count"),
        ("us", "sofa", "555 123 4567", "contact"),
        ("us", "sofa", "red sofa", None),
        ("de", "sofa", "möbelwunder", "competitor"),
        ("de", "sofa", "moebelwunder", "competitor"),
        ("de", "sofa", "mobelwunder", None),
        ("de", "topf", "fälschungen", "banned"),
        ("de", "glas", "wodkas", "restricted"),
        ("de", "glas", "weinglas", None),
        ("de", "karaffe 1,5 l", "1500 ml", None),
        ("de", "karaffe 1,5 l", "2 liter", "protected"),
        ("de", "karaffe 1.500 ml", "1,5 l", None),
        ("de", "schuhe größe 42", "groesse 43", "protected"),
        ("de", "hose ohne leder", "leder", "protected"),
        ("de", "fettfrei creme", "fett", "protected"),
        ("de", "versandkostenfrei sofa", "versandkosten", None),
        ("de", "sofa", "ö", "count"),
        ("electronics", "laptop", "for use", None),
        ("electronics", "laptop", "used notebook", "restricted"),
        ("electronics", "iphone 8", "iphone 7 case", "protected"),
    ],
)
def test_the_naive_checker_reads_the_shipped_profiles(name: str, query: str, text: str, code: str | None) -> None:
    found = naive_violations(query, [text], forbidden_of(SHIPPED / f"{name}.toml"))
    assert {wrong.partition(":")[0] for wrong in found} - {"repetition"} == ({code} if code else set()), found


def test_the_naive_checker_knows_weights_and_what_is_said_twice() -> None:
    forbidden = forbidden_of(SHIPPED / "us.toml")
    assert naive_violations("phone 64 gb", ["oak", "pine"], forbidden, [4.0, 4.0]) == ["protected: weighs 16.0"]
    assert naive_violations("phone", ["oak", "pine"], forbidden, [4.0, 4.0]) == []
    assert naive_violations("phone", ["pepper", "spray"], forbidden) == ["restricted: weapons: pepper spray"]
    assert naive_violations("phone", ["dark oak", "dark pine", "with", "table with"], forbidden) == [
        "repetition: twice"
    ]


def test_the_naive_reader_takes_what_a_profile_extends_and_its_lists(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "no.txt").write_text("# ours\ncontraband\n", encoding="utf-8")
    (tmp_path / "base.toml").write_text(
        '[platform]\nname = "b"\nlocale = "de"\n[rules.contact]\n[rules.count]\nmost = 2\nmost_words = 3\n'
        '[rules.banned]\nwords = ["gun"]\n[rules.restricted.files]\ndrinks = "lists/no.txt"\n'
    )
    (tmp_path / "shop.toml").write_text(
        'extends = "base.toml"\n[platform]\nname = "s"\n[expansion]\nmode = "fuse"\n[rules]\ncontact = false\n'
        '[rules.count]\nmost = 3\n[rules.banned]\nfiles = ["lists/no.txt"]\n'
    )
    assert forbidden_of(tmp_path / "shop.toml") == Forbidden(
        banned=["gun", "contraband"], categories={"drinks": ["contraband"]}, most=3, most_words=3, most_characters=60,
        least_characters=2, one_search=False, german=True, banned_regexes=[], competitors=[], brands=[],
    )  # fmt: skip


# -- what is planted and sampled --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [r"\bas\s+seen", r"\d\s*(zoll|st(ü|ue)ck)\b", "b[a4]d", r"inch(?:es)?", "xx+", r"\b(free|cheap)\s+windows\b"],
)
def test_an_example_of_a_pattern_is_one(pattern: str) -> None:
    draw = random.Random(1)
    found = {example_of(pattern, draw) for _ in range(30)}
    assert all(re.search(pattern, text) for text in found)
    with pytest.raises(ValueError, match="beyond what example_of reads"):
        example_of("a{3}b", draw)


def test_a_completion_is_parted_generously_and_a_catalogue_at_its_clauses() -> None:
    assert parts_of("oak ^2; dark pine wood\nseven words of no learned policy ^0.5; ^3 ;", 3) == [
        "oak ^2", "dark pine wood", "seven words of ^0.5", "no learned policy ^0.5",
    ]  # fmt: skip
    assert list(phrases_of("Oak table, 1.5 m.")) == ["oak", "oak table", "table", "1.5", "1.5 m", "m"]
