"""A good rule, and the same with one fault each. `FIRST` says which test of the kit must be the first to fail."""

from __future__ import annotations

import random
from typing import ClassVar

import pytest

from leser.engine.words import Unanswered
from leser.errors import LeserError
from leser.rule import Rule, RuleOptions, Violation
from leser.testing import RuleCase, RuleContract


class Good(Rule):
    """No expansion holds a promise."""

    name = "promises"

    class Options(RuleOptions):
        words: tuple[str, ...] = ("best", "cheap")

    def sentence(self):
        return "Promise nothing."

    def check(self, proposal):
        for at, terms in enumerate(proposal.terms[1:]):
            for word in self.options.words:
                if word in terms:
                    return Violation(self.name, f"'{word}' promises something", at)
        return None


class Case(RuleContract):
    """The kit on `rule`."""

    __test__ = False
    rule: ClassVar[type[Rule]] = Good

    @pytest.fixture
    def case(self):
        broken = [("lamp", "best lamp"), ("lamp", "desk; cheap brass; oak"), ("sofa", "best couch; cheap couch")]
        return RuleCase(self.rule, broken=broken, kept=[("lamp", "desk; brass"), ("best lamp", "bestiary")])


def planted(first):
    """The kit on a faulty rule; `first` is the test that must fail first."""

    def make(rule):
        cls = type(
            f"Test{rule.__name__}", (Case,), {"rule": rule, "__test__": True, "first": first, "__module__": __name__}
        )
        globals()[cls.__name__] = cls
        FIRST[cls.__name__] = first
        return rule

    return make


FIRST: dict[str, str | None] = {}
planted(None)(Good)


@planted("test_is_declared")
class NoName(Good):
    """A name with a space."""

    name = "my promises"


@planted("test_is_declared")
class NoDocstring(Good):
    __doc__ = None


@planted("test_is_declared")
class ForeignOptions(Good):
    """Options that lack those of every rule."""

    class Options:
        words = ("best", "cheap")


@planted("test_is_set_up")
class ForgetsSite(Good):
    """Does not call the base class."""

    def __init__(self, options, site):
        self.options = options


@planted("test_answers_a_violation_or_none")
class AnswersBool(Good):
    """True and False."""

    def check(self, proposal):
        return super().check(proposal) is not None


@planted("test_broken_is_broken")
class SeesTheFirst(Good):
    """Looks at the first expansion alone."""

    def check(self, proposal):
        found = super().check(proposal)
        return found if found and found.at == 0 else None


@planted("test_kept_is_kept")
class FindsInside(Good):
    """Finds a word within a longer one."""

    def check(self, proposal):
        for at, expansion in enumerate(proposal.expansions):
            for word in self.options.words:
                if word in expansion.text:
                    return Violation(self.name, f"'{word}' promises something", at)
        return None


@planted("test_violations_say_what_is_wrong")
class AnotherCode(Good):
    """A code that is not its name."""

    def check(self, proposal):
        found = super().check(proposal)
        return found and Violation("promise", found.reason, found.at)


@planted("test_violations_say_what_is_wrong")
class NoReason(Good):
    """Says nothing."""

    def check(self, proposal):
        found = super().check(proposal)
        return found and Violation(self.name, "", found.at)


@planted("test_violations_say_which_expansion")
class CountsFromOne(Good):
    """The place counted from one."""

    def check(self, proposal):
        found = super().check(proposal)
        return found and Violation(self.name, found.reason, found.at + 1)


@planted("test_violations_say_which_expansion")
class AlwaysTheFirst(Good):
    """The place is always the first."""

    def check(self, proposal):
        found = super().check(proposal)
        return found and Violation(self.name, found.reason, 0)


@planted("test_always_judged_alike")
class OnceIsEnough(Good):
    """Forgives what it has seen."""

    def __init__(self, options, site):
        super().__init__(options, site)
        self.seen = set()

    def check(self, proposal):
        found = super().check(proposal)
        if found and proposal.expansions in self.seen:
            return None
        self.seen.add(proposal.expansions)
        return found


@planted("test_always_judged_alike")
class Rolls(Good):
    """A reason that is drawn."""

    def check(self, proposal):
        found = super().check(proposal)
        return found and Violation(self.name, f"{found.reason} {random.random()}", found.at)


@planted("test_any_text_is_judged")
class NeedsLatin(Good):
    """Raises at other letters."""

    def check(self, proposal):
        for expansion in proposal.expansions:
            expansion.text.encode("latin-1")
        return super().check(proposal)


@planted("test_any_text_is_judged")
class NeedsAWord(Good):
    """Raises where a text holds no word."""

    def check(self, proposal):
        [terms[0] for terms in proposal.terms[1:]]
        return super().check(proposal)


@planted("test_readings_are_declared")
class ReadsReadings(Good):
    """Asks for readings without saying so."""

    def check(self, proposal):
        assert proposal.terms_as_read is not None
        return super().check(proposal)


@planted("test_every_site")
class NeedsCounts(Good):
    """Asks for what the engine may lack."""

    def check(self, proposal):
        self.site.words.backend.doc_freq(["best"])
        if "doc_freq" not in self.site.words.capabilities:
            raise NotImplementedError
        return super().check(proposal)


@planted("test_a_silent_engine_lets_nothing_through")
class FailsOpen(Good):
    """Lets everything through while the engine is away."""

    def check(self, proposal):
        try:
            return super().check(proposal)
        except (Unanswered, LeserError):
            return None


@planted("test_sentence")
class LongSentence(Good):
    """A list in the prompt."""

    def sentence(self):
        return "Never write " + ", ".join(f"word{number}" for number in range(99))


class TestDropped(Case):
    """A test of the kit deleted."""

    __test__ = True
    test_in_serving = None


FIRST["TestDropped"] = "test_no_overrides"
