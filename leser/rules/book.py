"""RuleBook: the rules that hold in one run or service, compiled once and asked in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leser.characters import well_formed
from leser.engine.answers import shown
from leser.engine.words import EngineWords
from leser.errors import LeserError, PluginFault
from leser.expansion import Expansion, ExpansionOptions
from leser.folding import Folder
from leser.options import validate_options
from leser.rule import Proposal, Rule, Site, Violation
from leser.rules.repetition import Repetition

LOCALE = "en"


class RuleBook:
    """Rules and the site they are compiled for. Asking it changes nothing but memos."""

    def __init__(self, rules: Sequence[Rule], site: Site) -> None:
        self.rules = tuple(rules)
        self.site = site

    @property
    def codes(self) -> tuple[str, ...]:
        """The rules' codes, in the order they are asked."""
        return tuple(rule.name for rule in self.rules)

    def sentences(self) -> tuple[str, ...]:
        """What the prompt says of the rules, in order; rules that have nothing to say are left out."""
        said = []
        for rule in self.rules:
            text = given if (given := rule.options.sentence) is not None else self._guarded(rule, rule.sentence)
            if not isinstance(text, str | None):
                raise PluginFault(f"The rule {_who(rule)} must say a sentence or None, it said {shown(text)}.")
            said.append((text or "").strip())
        return tuple(filter(None, said))

    def texts(self, query: str, expansions: Sequence[Expansion]) -> tuple[str, ...]:
        """What these rules have the engine analyse for a completion, so that a batch's can be asked in one request."""
        proposal = Proposal(well_formed(query), tuple(expansions), self.site)
        read = proposal.other_readings if any(rule.compares_readings for rule in self.rules) else []
        return (proposal.query, *(e.text for e in expansions), *(reading for row in read for reading in row))

    def check(self, query: str, expansions: Sequence[Expansion]) -> Violation | None:
        """The first violation in the rules' order, or None; no expansion breaks no rule.

        Raises LeserError naming the rule, where a rule fails to answer, and Unanswered where the engine does.
        """
        if not expansions:
            return None
        proposal = Proposal(well_formed(query), tuple(expansions), self.site)
        return next((found for rule in self.rules if (found := self._asked(rule, proposal)) is not None), None)

    def try_out(self, query: str, expansions: Sequence[Expansion]) -> None:
        """Ask every rule about these expansions, also after one is broken; raises as `check` does."""
        proposal = Proposal(well_formed(query), tuple(expansions), self.site)
        for rule in self.rules:
            self._asked(rule, proposal)

    def _asked(self, rule: Rule, proposal: Proposal) -> Violation | None:
        found = self._guarded(rule, rule.check, proposal)
        if found is None:
            return None
        if not isinstance(found, Violation):
            raise PluginFault(f"The rule {_who(rule)} must answer a Violation or None, it answered {shown(found)}.")
        place = found.at is None or (isinstance(found.at, int) and not isinstance(found.at, bool))
        if not (isinstance(found.code, str) and found.code and isinstance(found.reason, str) and place):
            raise PluginFault(
                f"The rule {_who(rule)} must answer a Violation with its code and a reason as text, and the place of an "
                f"expansion or None; it answered {shown(found)}."
            )
        return found

    @staticmethod
    def _guarded(rule: Rule, ask: Any, *values: Any) -> Any:
        try:
            return ask(*values)
        except LeserError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginFault(
                f"The rule {_who(rule)} failed: {type(error).__name__}: {error}. Correct it, or leave it out of [rules]."
            ) from error


def default_book(words: EngineWords, expansion: ExpansionOptions) -> RuleBook:
    """The book of a run that names no rule: repetition alone."""
    site = Site(words, expansion)
    return RuleBook([Repetition(Repetition.Options(), site)], site)


def build_book(
    tables: Mapping[str, Mapping[str, Any]],
    rules: Mapping[str, type[Rule]],
    words: EngineWords,
    expansion: ExpansionOptions,
    locale: str | None = None,
) -> RuleBook:
    """Compile the rules that `tables` name (name to options), and repetition; raises LeserError for a rule or an option.

    `rules` are the classes to choose from. The engine is asked here for its index terms of listed words, where it can
    analyse; its failure raises Unanswered.
    """
    language = locale or LOCALE
    site = Site(words, expansion, Folder.of_locale(language), language)
    active: list[Rule] = []
    for name, given in tables.items():
        cls = rules[name]
        options = validate_options(cls.Options, given, f"[rules.{name}]")
        try:
            rule = cls(options, site)
        except LeserError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginFault(
                f"The rule '{name}' ({cls.__module__}.{cls.__qualname__}) cannot be set up: "
                f"{type(error).__name__}: {error}. Correct it, or leave it out of [rules]."
            ) from error
        if not isinstance(getattr(rule, "options", None), cls.Options) or not hasattr(rule, "site"):
            raise PluginFault(
                f"The rule {_who(rule)} cannot be set up: __init__() left `options` or `site` unset. Call "
                "super().__init__(options, site) in it."
            )
        active.append(rule)
    if not any(isinstance(rule, Repetition) for rule in active):
        active.append(Repetition(Repetition.Options(), site))
    return RuleBook(active, site)


def _who(rule: Rule) -> str:
    return f"'{rule.name}' ({type(rule).__module__}.{type(rule).__qualname__})"
