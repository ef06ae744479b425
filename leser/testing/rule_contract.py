"""RuleContract: what every rule must hold to, as tests a plugin author inherits.

    import pytest
    from leser.testing import RuleCase, RuleContract

    class TestNoPrices(RuleContract):
        @pytest.fixture
        def case(self):
            return RuleCase(
                NoPrices,
                broken=[("lamp", "desk lamp; $20 lamp")],          # a query, and a completion that breaks the rule
                kept=[("lamp", "desk lamp; brass ^0.5")],          # and one that does not
                options={"currency": "$"},                         # as [rules.no-prices] holds them
            )

The kit's engine holds `leser.testing.DOCUMENTS`, and analyses and counts words. A test that is known to fail is overridden
with `@pytest.mark.xfail(reason=...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, TypeVar

import pytest

from leser.backend import Capability, SearchError
from leser.engine import SearchClient
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import EngineDown, LeserError
from leser.expansion import Code, Expansion, ExpansionOptions, Parsed, parse
from leser.folding import Folder
from leser.options import validate_options
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules import RuleBook, ServingFilter
from leser.task import Query
from leser.testing.documents import HOSTILE
from leser.testing.kit import Kit, check_declared, check_message
from leser.testing.shop import ShopEngine, shop_rewards

DISGUISED = ("c.o.u.c.h", "l\u0430mp", "so\u200bfa", "LAMPS", "so-fa", "l a m p", "１２ lamp")
"""Texts that a reader takes for other words than an engine does."""
LONGEST_SENTENCE = 300
Answered = TypeVar("Answered")


@dataclass(frozen=True)
class RuleCase:
    """A rule with its options, and completions that break it and keep it, each beside a query.

    A completion is written as a policy writes it: phrases separated by ";", each with an optional weight.
    """

    rule: type[Rule]
    broken: Sequence[tuple[str, str]]
    kept: Sequence[tuple[str, str]]
    options: Mapping[str, Any] = field(default_factory=dict)
    locale: str = "en"
    mode: Literal["boost", "fuse"] = "boost"

    def site(
        self,
        engine: ShopEngine | None = None,
        mode: Literal["boost", "fuse"] | None = None,
        locale: str | None = None,
    ) -> Site:
        """Where the rule works: an engine that answers, unless another is given."""
        language = locale or self.locale
        words = EngineWords(engine or ShopEngine(), _asked)
        return Site(words, ExpansionOptions(mode=mode or self.mode), Folder.of_locale(language), language)

    def open(self, site: Site | None = None) -> Rule:
        """The rule, set up as a run sets it up; raises LeserError."""
        options = validate_options(self.rule.Options, self.options, f"[rules.{self.rule.name}]")
        return self.rule(options, site or self.site())

    def proposal(self, query: str, completion: str, site: Site) -> Proposal:
        """What the rule is asked about a completion."""
        return Proposal(query, expansions_of(completion), site)


def expansions_of(completion: str) -> tuple[Expansion, ...]:
    """A completion's expansions; one that cannot be read, or has none, is never shown to a rule and fails the test."""
    parsed = parse(completion, ExpansionOptions())
    assert isinstance(parsed, Parsed), f"the completion '{completion}' cannot be read: {parsed.reason}"
    assert parsed.expansions, f"the completion '{completion}' has no expansion: no rule is asked about it"
    return parsed.expansions


class RuleContract(Kit, kit=True):
    """The contract of `leser.rules.Rule`; each test says where to look if it fails."""

    @pytest.fixture
    def case(self) -> RuleCase:
        """The rule under test, with completions that break it and keep it."""
        raise NotImplementedError("override the fixture `case`: return RuleCase(YourRule, broken=[...], kept=[...])")

    def test_is_declared(self, case: RuleCase) -> None:
        """If this fails, check the class: name, api, docstring, and Options, which inherits RuleOptions."""
        check_declared(case.rule, RuleOptions)

    def test_examples_can_be_read(self, case: RuleCase) -> None:
        """If this fails, check the case: it needs completions that break the rule and that keep it, each readable."""
        assert case.broken, "name a completion that breaks the rule"
        assert case.kept, "name a completion that keeps the rule"
        for _, completion in (*case.broken, *case.kept):
            expansions_of(completion)

    def test_is_set_up(self, case: RuleCase) -> None:
        """If this fails, check that __init__ takes (options, site) and calls super().__init__ with both."""
        site = case.site()
        rule = case.open(site)
        assert rule.options == validate_options(case.rule.Options, case.options, "the case")
        assert rule.site is site

    def test_answers_a_violation_or_none(self, case: RuleCase) -> None:
        """If this fails, check that `check` returns a Violation or None: not a bool, not a text, nothing raised."""
        site = case.site()
        rule = case.open(site)
        for query, completion in (*case.broken, *case.kept):
            found = rule.check(case.proposal(query, completion, site))
            assert found is None or isinstance(found, Violation), f"{found!r} for '{completion}'"

    def test_broken_is_broken(self, case: RuleCase) -> None:
        """If this fails, check what `check` compares: each completion in `broken` must get a Violation."""
        site = case.site()
        rule = case.open(site)
        missed = [example for example in case.broken if rule.check(case.proposal(*example, site)) is None]
        assert missed == []

    def test_kept_is_kept(self, case: RuleCase) -> None:
        """If this fails, check what `check` compares: no completion in `kept` may get a Violation."""
        site = case.site()
        rule = case.open(site)
        found = [(example, rule.check(case.proposal(*example, site))) for example in case.kept]
        assert [pair for pair in found if pair[1] is not None] == []

    def test_always_judged_alike(self, case: RuleCase) -> None:
        """If this fails, check that `check` keeps no state: the same completion is judged alike, whatever came before it."""
        site = case.site()
        rule = case.open(site)
        examples = (*case.broken, *case.kept)
        first = [rule.check(case.proposal(*example, site)) for example in examples]
        again = [rule.check(case.proposal(*example, site)) for example in examples[::-1]][::-1]
        assert again == first
        other = case.site()
        fresh = [case.open(other).check(case.proposal(*example, other)) for example in examples]
        assert fresh == first

    def test_violations_say_what_is_wrong(self, case: RuleCase) -> None:
        """If this fails, check the Violation: its code is the rule's name, its reason one line of text for the report."""
        for _, violation, _ in _violations(case):
            assert violation.code == case.rule.name
            assert isinstance(violation.reason, str)
            assert violation.reason.strip(), "the reason is empty"
            assert "\n" not in violation.reason

    def test_violations_say_which_expansion(self, case: RuleCase) -> None:
        """If this fails, check Violation.at: the place of the expansion at fault, None where several break it together."""
        for proposal, violation, rule in _violations(case):
            at, expansions = violation.at, proposal.expansions
            if at is None:
                continue
            assert type(at) is int
            assert 0 <= at < len(expansions), f"at={at} of {len(expansions)} expansions"
            upto = rule.check(Proposal(proposal.query, expansions[: at + 1], proposal.site))
            assert upto is not None, f"at={at}, but the expansions up to there break nothing"
            rest = expansions[:at] + expansions[at + 1 :]
            left = rule.check(Proposal(proposal.query, rest, proposal.site)) if rest else None
            assert left is None or left != violation, f"at={at}, but without that expansion the same is wrong"

    def test_any_text_is_judged(self, case: RuleCase) -> None:
        """If this fails, check texts that a policy may write: signs, other scripts, very long words, disguised words."""
        site = case.site()
        rule = case.open(site)
        for text in (*HOSTILE, *DISGUISED):
            for query in ("lamp", text, ""):
                proposal = Proposal(query, (Expansion(text), Expansion("brass", 4.0)), site)
                found = rule.check(proposal)
                assert found is None or isinstance(found, Violation), f"{found!r} for {text[:40]!r}"

    def test_readings_are_declared(self, case: RuleCase) -> None:
        """If this fails, set `compares_readings = True`: then a batch's readings are analysed in one request."""
        site = case.site()
        rule = case.open(site)
        texts = (*DISGUISED, *(completion for _, completion in (*case.broken, *case.kept)))
        for text in texts:
            proposal = Proposal("lamp", (Expansion(text.partition(";")[0]),), site)
            rule.check(proposal)
            assert rule.compares_readings or "terms_as_read" not in vars(proposal)

    @pytest.mark.parametrize("mode", ["boost", "fuse"])
    @pytest.mark.parametrize("locale", ["en-US", "de", "ja-JP"])
    @pytest.mark.parametrize("able", [(), ("analyze",), ("analyze", "doc_freq")])
    def test_every_site(
        self, case: RuleCase, mode: Literal["boost", "fuse"], locale: str, able: tuple[Capability, ...]
    ) -> None:
        """If this fails, check what the rule needs of its site: what an engine lacks is a LeserError when it is set up."""
        site = case.site(ShopEngine(able), mode, locale)
        try:
            rule = case.open(site)
        except LeserError as error:
            check_message(error)
            return
        for query, completion in (*case.broken, *case.kept):
            found = rule.check(case.proposal(query, completion, site))
            assert found is None or isinstance(found, Violation)

    def test_a_silent_engine_lets_nothing_through(self, case: RuleCase) -> None:
        """If this fails, check that what `site.words` raises leaves `check`: an engine's failure is no "nothing wrong"."""
        engine = ShopEngine()
        site = case.site(engine)
        rule = case.open(site)
        engine.mute = True
        for query, completion in case.broken:
            try:
                found = rule.check(case.proposal(query, completion, site))
            except EngineDown:
                continue
            assert found is not None, f"'{completion}' passes while the engine does not answer"

    def test_sentence(self, case: RuleCase) -> None:
        """If this fails, check `sentence`: None, or one sentence for the prompt that ends with a full stop."""
        said = case.open().sentence()
        if said is not None:
            assert isinstance(said, str)
            assert said.strip() == said
            assert said.endswith("."), f"not a sentence: {said!r}"
            assert "\n" not in said
            assert len(said) <= LONGEST_SENTENCE, "every prompt pays for it"

    def test_in_training(self, case: RuleCase) -> None:
        """If this fails, check what LeserError says: in training a broken rule is a completion's code, and nothing else."""
        with SearchClient(ShopEngine()) as client:
            site = case.site(mode=case.mode)
            book = RuleBook([case.open(site)], site)
            environment = Environment(client, shop_rewards(), site.expansion, rules=book)
            for number, (query, completion) in enumerate(chain(case.broken, case.kept)):
                _, code, reason = environment.read(Attempt(Query("q", query), 0, completion))
                broken = number < len(case.broken)
                assert code is (Code.RULE_VIOLATION if broken else Code.OK)
                assert reason.startswith(f"{case.rule.name}: ") is broken

    def test_in_serving(self, case: RuleCase) -> None:
        """If this fails, check Violation.at: the serving filter takes that expansion out and asks again about the rest."""
        site = case.site()
        rule = case.open(site)
        serve = ServingFilter(RuleBook([rule], site))
        for query, completion in case.broken:
            served = serve(query, expansions_of(completion))
            assert served.error == ""
            assert served.refused, f"'{completion}' is served whole"
            if served.expansions:
                assert rule.check(Proposal(query, served.expansions, site)) is None
        for query, completion in case.kept:
            assert serve(query, expansions_of(completion)).expansions == expansions_of(completion)


def _asked(question: Callable[[], Answered], *, queries: int = 1) -> Answered | SearchError:  # noqa: ARG001
    """The engine's answer, or its failure, as a SearchClient gives it to rules."""
    try:
        return question()
    except ConnectionError as error:
        return SearchError(str(error), "transient")


def _violations(case: RuleCase) -> list[tuple[Proposal, Violation, Rule]]:
    """What the rule finds in the completions that break it."""
    site = case.site()
    rule = case.open(site)
    proposals = [case.proposal(query, completion, site) for query, completion in case.broken]
    found = [(proposal, rule.check(proposal), rule) for proposal in proposals]
    return [(proposal, violation, rule) for proposal, violation, rule in found if isinstance(violation, Violation)]
