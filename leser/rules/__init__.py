"""Rules: what an expansion may not do, whatever the reward would pay for it.

In training a violation takes a completion out with the gated reward; in serving (`ServingFilter`) what breaks a rule never
leaves. One rule always holds, `repetition`; the others are active where `[rules.NAME]` stands in the configuration.
"""

from __future__ import annotations

from leser.engine.words import EngineWords, Unanswered
from leser.folding import Folded, Folder
from leser.hooks import hookimpl
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.book import RuleBook, build_book, default_book
from leser.rules.serving import Filtered, Refused, ServingFilter

__all__ = [
    "EngineWords", "Filtered", "Folded", "Folder", "Proposal", "Refused", "Rule", "RuleBook", "RuleOptions",
    "ServingFilter", "Site", "Unanswered", "Violation", "build_book", "default_book",
]  # fmt: skip
