"""Plugins: finds, checks and lists them; the only file that touches pluggy's manager.

A plugin is a module named by an entry point of the group `leser`, or a file given with `--plugin`. Entry points are
loaded one by one, because pluggy's own loader stops at the first that fails: here a plugin that cannot be imported is
reported and skipped, and is an error only when somebody asks for what it offers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, overload

import pluggy

from leser import hooks
from leser.backend import Backend
from leser.baseline import Baseline
from leser.errors import LeserError, unknown_name
from leser.expansion_store import Store
from leser.plugin_files import cause_of, load_file, named_files
from leser.plugin_offers import (
    BLOCK_VARIABLE,
    KINDS,
    Offer,
    Origin,
    broken_offer,
    clash,
    first_line,
    offers_of,
    offers_of_classes,
)
from leser.reader import Reader
from leser.reward import Reward
from leser.rollout import RolloutEngine
from leser.rule import Rule

GROUP = "leser"

log = logging.getLogger("leser.plugins")


Kind = TypeVar("Kind")


class Classes(dict[str, type[Kind]]):
    """Classes by name; looking up a name that is not there raises the LeserError that says why and what there is."""

    def __init__(self, usable: Mapping[str, type[Kind]], look_up: Callable[[str], type[Kind]]) -> None:
        super().__init__(usable)
        self._look_up = look_up

    def __missing__(self, name: str) -> type[Kind]:
        return self._look_up(name)


class Registry:
    """The plugins that were found; classes by kind and name, and `notify` for observers."""

    def __init__(self, manager: pluggy.PluginManager, offers: Iterable[Offer]) -> None:
        self.hook = manager.hook
        self._manager = manager
        self._offers = tuple(offers)
        self._failed: set[tuple[str, str]] = set()

    def observe(self, observer: object) -> None:
        """Add an observer of runs: an object with some of the hooks leser_run_started, leser_step and so on."""
        self._manager.register(observer)

    def notify(self, hook: str, **values: Any) -> None:
        """Call this hook of every observer, each by itself and with dictionaries of its own.

        What one raises is reported, the first time, and keeps nothing from the others, nor from the run.
        """
        plugins = [(name, plugin) for name, plugin in self._manager.list_name_plugin() if plugin is not None]
        for name, plugin in plugins:
            others = [other for _, other in plugins if other is not plugin]
            given = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
            try:
                self._manager.subset_hook_caller(hook, others)(**given)
            except (Exception, SystemExit) as error:
                if (name, hook) not in self._failed:
                    self._failed.add((name, hook))
                    log.warning("The observer %s failed in %s(): %s. The run continues.", name, hook, cause_of(error))

    @overload
    def get(self, kind: Literal["backend"], name: str) -> type[Backend]: ...
    @overload
    def get(self, kind: Literal["reward"], name: str) -> type[Reward]: ...
    @overload
    def get(self, kind: Literal["rule"], name: str) -> type[Rule]: ...
    @overload
    def get(self, kind: Literal["reader"], name: str) -> type[Reader]: ...
    @overload
    def get(self, kind: Literal["baseline"], name: str) -> type[Baseline]: ...
    @overload
    def get(self, kind: Literal["store"], name: str) -> type[Store]: ...
    @overload
    def get(self, kind: Literal["rollout"], name: str) -> type[RolloutEngine]: ...
    @overload
    def get(self, kind: str, name: str) -> type[Any]: ...
    def get(self, kind: str, name: str) -> type[Any]:
        """The class of `kind`, one of KINDS ("backend", "reward" ...), called `name`; raises LeserError."""
        found = [offer for offer in self._of(kind) if offer.name == name]
        if len(found) > 1:
            raise LeserError(clash(found))
        if not found:
            unknown = unknown_name(kind, name, {offer.name for offer in self._of(kind) if offer.state == "ok"})
            raise LeserError(f"{unknown}{self._suspects()}")
        offer = found[0]
        if offer.cls is None or offer.state != "ok":
            raise LeserError(f"{kind.capitalize()} '{name}' of {offer.origin} cannot be used: {offer.state}")
        return offer.cls

    @overload
    def all(self, kind: Literal["backend"]) -> Classes[Backend]: ...
    @overload
    def all(self, kind: Literal["reward"]) -> Classes[Reward]: ...
    @overload
    def all(self, kind: Literal["rule"]) -> Classes[Rule]: ...
    @overload
    def all(self, kind: Literal["reader"]) -> Classes[Reader]: ...
    @overload
    def all(self, kind: Literal["baseline"]) -> Classes[Baseline]: ...
    @overload
    def all(self, kind: Literal["store"]) -> Classes[Store]: ...
    @overload
    def all(self, kind: Literal["rollout"]) -> Classes[RolloutEngine]: ...
    @overload
    def all(self, kind: str) -> Classes[Any]: ...
    def all(self, kind: str) -> Classes[Any]:
        """Every usable class of `kind` by name, sorted; raises LeserError where a name is offered twice."""
        usable = {offer.name: self.get(kind, offer.name) for offer in self._of(kind) if offer.state == "ok"}
        return Classes(usable, lambda name: self.get(kind, name))

    def offers(self) -> list[Offer]:
        """Everything found, sorted by kind and name; names offered twice are marked as broken."""
        marked = []
        for offer in self._offers:
            twins = [o for o in self._offers if (o.kind, o.name) == (offer.kind, offer.name) and o.kind in KINDS]
            state = f"broken: {clash(twins)}" if len(twins) > 1 and not offer.broken else offer.state
            marked.append(Offer(offer.kind, offer.name, offer.description, offer.origin, state, offer.cls))
        return sorted(marked, key=lambda offer: (offer.kind, offer.name, str(offer.origin)))

    def _of(self, kind: str) -> list[Offer]:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of plugin {kind!r}, expected one of {', '.join(KINDS)}")
        return sorted((offer for offer in self._offers if offer.kind == kind), key=lambda offer: offer.name)

    def _suspects(self) -> str:
        """Plugins that could not be loaded, so that nobody knows what they offer: it may be what was meant."""
        broken = [offer for offer in self._offers if offer.kind == "plugin" and offer.state != "ok"]
        lines = [f"\n  {offer.name} ({offer.origin}): {offer.state}" for offer in broken]
        return "\nNot loaded, and may offer it:" + "".join(lines) if lines else ""


def load_plugins(given: Iterable[str | Path | type[Any]] = (), block: Iterable[str] | None = None) -> Registry:
    """Load every plugin that is installed and those that are given, files and classes, and check what they offer.

    `block` names plugins to leave out, by entry point or distribution (default: the variable LESER_BLOCK_PLUGINS, a,b).
    Raises LeserError for a hook that does not exist, and for a file or a class that cannot be used (it was named).
    """
    named_plugins = list(given)
    classes = [plugin for plugin in named_plugins if isinstance(plugin, type)]
    files = [plugin for plugin in named_plugins if not isinstance(plugin, type)]
    blocked = {name.strip() for name in (os.environ.get(BLOCK_VARIABLE, "").split(",") if block is None else block)} - {
        ""
    }
    manager = pluggy.PluginManager("leser")
    manager.add_hookspecs(hooks)
    origins: dict[str, Origin] = {}
    offers: list[Offer] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        origin = Origin(entry.name, *_distribution(entry))
        if blocked & {entry.name, origin.distribution}:
            offers.append(Offer("plugin", entry.name, "", origin, f"blocked by {BLOCK_VARIABLE}"))
            continue
        try:
            origins[_register(manager, entry.load(), origin)] = origin
        except KeyboardInterrupt:
            raise
        except (
            BaseException
        ) as error:  # whatever a third party's module raises, sys.exit included, concerns only that plugin
            offers.append(broken_offer(origin, error))
    named = named_files(files)
    for path, name in named.items():
        alone = sum(other.name == path.name for other in named) == 1
        origin = Origin(path.name, f"--plugin {path.name if alone else path}")
        try:
            origins[_register(manager, _file_plugin(path, name), origin)] = origin
        except pluggy.PluginValidationError as error:
            raise LeserError(f"The plugin {path} cannot be used: {error}") from error
    _check_hooks(manager, origins)
    offers.extend(_collect(manager, origins))
    return Registry(manager, [*offers, *offers_of_classes(classes, offers)])


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "")


def _register(manager: pluggy.PluginManager, module: object, origin: Origin) -> str:
    # the same entry-point name in two distributions must not make the second one vanish
    key = f"{origin.plugin} of {origin}"
    manager.register(module, name=key)
    return key


def _file_plugin(path: Path, name: str) -> ModuleType:
    module = load_file(path, name)
    if not any(hasattr(value, "leser_impl") for value in vars(module).values()):
        names = ", ".join(KINDS.values())
        raise LeserError(
            f"The plugin {path} defines no hooks. Add a function marked @hookimpl (leser.hooks), one of: {names}."
        )
    return module


def _check_hooks(manager: pluggy.PluginManager, origins: dict[str, Origin]) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        origin = origins[manager.get_name(error.plugin) or ""]
        callers = manager.get_hookcallers(error.plugin) or []
        wrong = next(caller.name for caller in callers if not caller.has_spec())
        known = [name for name, value in vars(hooks).items() if hasattr(value, "leser_spec")]
        raise LeserError(
            f"{unknown_name('hook', wrong, known)} It is in the plugin '{origin.plugin}' of {origin}."
        ) from None


def _collect(manager: pluggy.PluginManager, origins: dict[str, Origin]) -> Iterator[Offer]:
    offering = set()
    for kind, hook in KINDS.items():
        caller = getattr(manager.hook, hook)
        for implementation in caller.get_hookimpls():
            offering.add(implementation.plugin_name)
            yield from offers_of(kind, hook, implementation.function, origins[implementation.plugin_name])
    for key, plugin in manager.list_name_plugin():
        if plugin is None or key in offering:
            continue
        if manager.get_hookcallers(plugin):
            yield Offer("observer", origins[key].plugin, first_line(plugin), origins[key])
        else:
            yield broken_offer(origins[key], LeserError("it defines no hooks"))
