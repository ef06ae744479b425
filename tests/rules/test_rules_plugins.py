"""A third party's rules: they hold like any other, and one that fails is named."""

from __future__ import annotations

import pytest
from rule_cases import book_of, checked

from leser.errors import LeserError

PLUGIN = '''
from leser.hooks import hookimpl
from leser.rule import Rule, RuleOptions, Violation

class NoPrices(Rule):
    """No expansion names a price."""
    name = "no-prices"

    class Options(RuleOptions):
        currency: str = "$"

    def sentence(self):
        return "Never write a price."

    def check(self, proposal):
        for at, expansion in enumerate(proposal.expansions):
            if self.options.currency in expansion.text:
                return Violation(self.name, f"'{expansion.text}' names a price", at)
        return None

class Careless(Rule):
    """Fails."""
    name = "careless"
    def check(self, proposal):
        return {}["nothing"] if "sofa" in proposal.query else "wrong"

class Unbuildable(Rule):
    """Cannot be set up."""
    name = "unbuildable"
    def __init__(self, options, site):
        raise RuntimeError("no licence")
    def check(self, proposal): ...

@hookimpl
def leser_rules():
    return [NoPrices, Careless, Unbuildable]
'''


def test_a_third_partys_rule_holds_like_any_other(install):
    install("acme-rules", "1.0", "acme_rules", PLUGIN)
    book = book_of({"no-prices": {"currency": "€"}})
    assert str(checked(book, "lamp", "oak", "20 €")) == "no-prices: '20 €' names a price"
    assert checked(book, "lamp", "20 $") is None
    assert book.sentences() == ("Never write a price.",)
    assert book.codes == ("no-prices", "repetition")


def test_a_rule_that_fails_is_named(install):
    install("acme-rules", "1.0", "acme_rules", PLUGIN)
    book = book_of({"careless": {}})
    assert checked(book, "sofa") is None, "it is not asked about no expansion"
    with pytest.raises(LeserError, match=r"The rule 'careless' \(acme_rules\.Careless\) failed: KeyError: 'nothing'"):
        checked(book, "sofa", "oak")
    with pytest.raises(LeserError, match=r"'careless' .*must answer a Violation or None, it answered 'wrong'"):
        checked(book, "lamp", "oak")
    with pytest.raises(
        LeserError, match=r"The rule 'unbuildable' \(acme_rules\.Unbuildable\) cannot be set up.*no licence"
    ):
        book_of({"unbuildable": {}})
