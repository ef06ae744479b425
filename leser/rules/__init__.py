"""Rules: what an expansion may not do, whatever the reward would pay for it.

In training a violation takes a completion out with the gated reward; in serving (`ServingFilter`) what breaks a rule never
leaves. One rule always holds, `repetition`; the others are active where `[rules.NAME]` stands in the configuration. The
contract that a rule keeps is leser/rule.py.
"""

from leser.rules.book import RuleBook, build_book, default_book
from leser.rules.serving import Filtered, RefusedExpansion, ServingFilter

__all__ = ["Filtered", "RefusedExpansion", "RuleBook", "ServingFilter", "build_book", "default_book"]
