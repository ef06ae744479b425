"""Rules: what an expansion may not do, whatever the reward would pay for it.

In training a violation takes a completion out with the gated reward; in serving (`ServingFilter`) what breaks a rule never
leaves. One rule always holds, `repetition`; the others are active where `[rules.NAME]` stands in the configuration.
"""

from __future__ import annotations

from leser.hooks import hookimpl
from leser.rules.book import RuleBook, build_book, default_book
from leser.rules.folding import Folded, Folder
from leser.rules.rule import EngineWords, Proposal, Rule, RuleOptions, Site, Unanswered, Violation
from leser.rules.serving import Filtered, Refused, ServingFilter

__all__ = [
    "EngineWords", "Filtered", "Folded", "Folder", "Proposal", "Refused", "Rule", "RuleBook", "RuleOptions",
    "ServingFilter", "Site", "Unanswered", "Violation", "build_book", "default_book",
]  # fmt: skip


@hookimpl
def leser_rules() -> list[type[Rule]]:
    """The rules that come with LESER."""
    from leser.rules.contact import Contact
    from leser.rules.listed import Banned, Competitor, Restricted
    from leser.rules.protected import Protected
    from leser.rules.repetition import Repetition
    from leser.rules.shape import Count, Script
    from leser.rules.vocabulary import Vocabulary

    return [Banned, Competitor, Contact, Count, Protected, Repetition, Restricted, Script, Vocabulary]
