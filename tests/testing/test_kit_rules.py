"""Every rule that comes with LESER passes the contract a third party's rule is held to."""

from __future__ import annotations

import pytest
from caught import failures
from planted import rules as planted

from leser.rules.builtin import leser_rules
from leser.testing import RuleCase, RuleContract

RULES = {rule.name: rule for rule in leser_rules()}
CASES = {
    "banned": RuleCase(
        RULES["banned"],
        broken=[("lamp", "brass; water gun"), ("lamp", "g.u.n"), ("lamp", "brass; guns; oak"), ("lamp", "xxxl; oak")],
        kept=[("lamp", "gunmetal; brass ^0.5"), ("gun", "holster")],
        options={"words": ["gun"], "patterns": [r"\bxx+l?\b"]},
    ),
    "competitor": RuleCase(
        RULES["competitor"],
        broken=[("shoes", "trainers; zeta trainers"), ("shoes", "blue lagoon")],
        kept=[("zeta shoes", "zeta trainers"), ("shoes", "trainers; blue")],
        options={"brands": ["Zeta", "Blue Lagoon"]},
    ),
    "contact": RuleCase(
        RULES["contact"],
        broken=[("lamp", "brass; me@shop.example"), ("lamp", "call 555 123 4567"), ("lamp", "www.shop.com; oak")],
        kept=[("lamp", "brass; model 2024"), ("lamp", "polka dot")],
    ),
    "count": RuleCase(
        RULES["count"],
        broken=[("lamp", "brass; desk; oak"), ("lamp", "brass; warm white desk")],
        kept=[("lamp", "brass; warm desk"), ("lamp", "oak")],
        options={"most": 2, "most_words": 2},
    ),
    "protected": RuleCase(
        RULES["protected"],
        broken=[("phone 64gb", "case; 128 gb"), ("acme shoes", "zeta shoes"), ("shoes without leather", "leather boots")],
        kept=[("phone 64gb", "case; 64 gb"), ("acme shoes", "acme trainers"), ("shoes", "leather boots")],
        options={"brands": ["Acme", "Zeta"]},
    ),
    "repetition": RuleCase(
        RULES["repetition"],
        broken=[("shoes", "trainers; shoe"), ("lamp", "brass; oak; brass")],
        kept=[("shoes", "trainers; mesh"), ("lamp", "desk lamp")],
    ),
    "repetition, fused": RuleCase(
        RULES["repetition"],
        broken=[("red lamp", "brass; lamp red"), ("lamp", "brass desk; oak; desk brass")],
        kept=[("lamp", "brass desk; brass shade")],
        mode="fuse",
    ),
    "restricted": RuleCase(
        RULES["restricted"],
        broken=[("glass", "decanter; wine glass"), ("cup", "craft beer")],
        kept=[("wine glass", "craft beer; decanter"), ("cup", "craft")],
        options={"categories": {"alcohol": ["wine", "craft beer"]}},
    ),
    "script": RuleCase(
        RULES["script"],
        broken=[("sofa", "couch; диван"), ("sofa", "s\u043efa bed")],
        kept=[("sofa", "café table; 3 m²"), ("диван", "sofa")],
    ),
    "script, Japanese": RuleCase(
        RULES["script"], broken=[("ソファ", "диван")], kept=[("ソファ", "椅子; sofa")], locale="ja-JP"
    ),
    "vocabulary": RuleCase(
        RULES["vocabulary"],
        broken=[("sofa", "couch; zeppelin"), ("sofa", "grey zeppelin; couch")],
        kept=[("sofa", "couch; reading lamps"), ("zeppelin", "zeppelin lamp")],
    ),
}  # fmt: skip


class TestBuiltInRules(RuleContract):
    @pytest.fixture(params=CASES)
    def case(self, request: pytest.FixtureRequest) -> RuleCase:
        return CASES[request.param]


def test_no_rule_is_left_out() -> None:
    assert {case.rule for case in CASES.values()} == set(leser_rules())


def test_the_kit_finds_planted_faults_and_its_first_failure_names_the_cause() -> None:
    seen = failures(planted.__file__)
    assert {name: (seen.failed[name] or [None])[0] for name in planted.FIRST} == planted.FIRST
    assert seen.passed["TestGood"] > 25
