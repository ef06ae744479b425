"""What plugins offer: each class checked as its kind must be, with where it comes from and why it cannot be used."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from leser.backend import Backend, BackendOptions
from leser.baseline import Baseline
from leser.contract.classes import fault_of
from leser.errors import LeserError
from leser.expansion_store import Store, StoreOptions
from leser.options import Options
from leser.plugin_files import cause_of
from leser.reader import Reader, ReaderOptions
from leser.reward import Reward
from leser.rollout import RolloutEngine, RolloutOptions
from leser.rule import Rule, RuleOptions

KINDS = {
    "backend": "leser_backends",
    "reward": "leser_rewards",
    "rule": "leser_rules",
    "reader": "leser_readers",
    "baseline": "leser_baselines",
    "store": "leser_stores",
    "rollout": "leser_rollouts",
}
BASES: dict[str, tuple[type[Any], type[Any]]] = {
    "backend": (Backend, BackendOptions),
    "reward": (Reward, Options),
    "rule": (Rule, RuleOptions),
    "reader": (Reader, ReaderOptions),
    "baseline": (Baseline, Options),
    "store": (Store, StoreOptions),
    "rollout": (RolloutEngine, RolloutOptions),
}
"""What a plugin's class inherits from, by kind, and what its Options do."""
BLOCK_VARIABLE = "LESER_BLOCK_PLUGINS"

log = logging.getLogger("leser.plugins")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from: its entry point's name (or file) and the distribution that brought it."""

    plugin: str
    distribution: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing a plugin offers, as `leser plugins` shows it; `cls` is None where it could not even be loaded."""

    kind: str
    name: str
    description: str
    origin: Origin
    state: str = "ok"
    cls: type[Any] | None = None

    @property
    def broken(self) -> bool:
        """True when it cannot be used (a blocked plugin is not broken)."""
        return self.state.startswith("broken")


def offers_of_classes(classes: Iterable[type[Any]], known: Sequence[Offer]) -> Iterator[Offer]:
    """What classes given in Python offer, checked as a hook's are; one that an installed plugin offers is known already."""
    for cls in dict.fromkeys(classes):
        if any(offer.cls is cls for offer in known):
            continue
        kind = next((kind for kind, (base, _) in BASES.items() if issubclass(cls, base)), None)
        where = f"{cls.__module__}.{cls.__qualname__}"
        if kind is None:
            bases = ", ".join(base.__name__ for base, _ in BASES.values())
            raise LeserError(f"The class {where} is not a plugin. Inherit from one of: {bases}.")
        offer = _checked(kind, KINDS[kind], cls, Origin(cls.__qualname__, f"the class {where}"))
        if offer.broken:
            raise LeserError(f"The class {where} cannot be used as a {kind}: {offer.state.removeprefix('broken: ')}.")
        yield offer


def offers_of(kind: str, hook: str, function: Callable[[], Any], origin: Origin) -> list[Offer]:
    """What a hook's function offers; a function that fails is an offer that is broken."""
    try:
        classes = function()
    except (Exception, SystemExit) as error:
        return [broken_offer(origin, error)]
    if not isinstance(classes, list | tuple):
        return [broken_offer(origin, LeserError(f"{hook}() must return a list of classes, it returned {classes!r}"))]
    return [_checked(kind, hook, cls, origin) for cls in classes]


def _checked(kind: str, hook: str, cls: Any, origin: Origin) -> Offer:
    name = getattr(cls, "name", None)
    wrong = fault_of(kind, hook, cls, BASES[kind])
    state = f"broken: {wrong}" if wrong else "ok"
    if state != "ok":
        log.warning("%s '%s' of %s is skipped: %s", kind, name or origin.plugin, origin, state.removeprefix("broken: "))
    shown = name if isinstance(name, str) and name else origin.plugin
    return Offer(kind, shown, first_line(cls), origin, state, cls if inspect.isclass(cls) else None)


def broken_offer(origin: Origin, error: BaseException) -> Offer:
    """A plugin that cannot be used, noted in the log with its cause."""
    state = f"broken: {cause_of(error)}"
    log.warning("Plugin '%s' of %s is skipped: %s", origin.plugin, origin, state.removeprefix("broken: "))
    return Offer("plugin", origin.plugin, "", origin, state)


def first_line(described: object) -> str:
    """The first line of what it is described by."""
    return (inspect.getdoc(described) or "").partition("\n")[0].strip()


def clash(offers: list[Offer]) -> str:
    """What is said where one name is offered more than once."""
    kind, name = offers[0].kind.capitalize(), offers[0].name
    sources = [str(offer.origin) for offer in offers]
    if len(set(sources)) == 1:  # one distribution offers it twice: its own plugins tell them apart
        sources = [f"plugin {offer.origin.plugin} of {offer.origin}" for offer in offers]
    advice = f"Uninstall one, or block one with {BLOCK_VARIABLE}."
    return f"{kind} name '{name}' is offered twice: {' and '.join(sources)}. {advice}"
