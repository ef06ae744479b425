"""Every mistake in a profile, with its file and key, found without asking an engine anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.config.build import backend_of, complete
from leser.config.layers import Key, place
from leser.config.load import config_of
from leser.config.problems import Problem, model_problems, refuse_problems, sound_profile
from leser.config.profile import Profile
from leser.config.tables import RunConfig
from leser.constraints import QueryConstraints
from leser.engine import check_mode
from leser.engine.words import WordsOffline
from leser.errors import LeserError
from leser.evaluation.measures import Measurer
from leser.expansion import ExpansionOptions
from leser.formats.read import find_reader
from leser.options import Options
from leser.plugins import Classes, Registry, load_plugins
from leser.policy.options import check_policy
from leser.rule import Rule
from leser.rules import RuleBook, build_book
from leser.scoring import RewardSet
from leser.task import Split


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile without a mistake, resolved: what it would train with."""

    profile: Profile
    config: RunConfig
    rewards: RewardSet
    rules: RuleBook


def check_profile(path: Path, plugins: Iterable[Path] = ()) -> Checked:
    """Resolve a profile and check everything in it; raises LeserError with every mistake found, by file and key."""

    profile = sound_profile(path)
    config = config_of(profile.values)
    registry = load_plugins((*config.plugins, *plugins))
    refuse_problems(profile, [*_engine_and_task(config, registry), *_named(config, registry)])
    config = complete(config, registry)
    problems = [
        *_fitting(config, registry),
        *_constraints(config, registry),
        *_rules(config, registry),
        *_policy(config),
    ]
    refuse_problems(profile, problems)

    rewards = RewardSet.of(config.rewards, registry.all("reward"), config.expansion)
    book = build_book(config.rules.given, *_compiled(config, registry))
    return Checked(profile, config, rewards, book)


def _options(model: type[Options], given: Mapping[str, Any], at: Key) -> Iterator[Problem]:
    yield from model_problems(model, place(model, given), at)


def _engine_and_task(config: RunConfig, registry: Registry) -> Iterator[Problem]:

    try:
        yield from _options(registry.get("backend", config.backend.name).Options, config.backend.options, ("backend",))
    except LeserError as error:
        yield Problem(("backend", "name"), str(error))
    try:
        reader, path = find_reader(config.task.name, registry.all("reader"), config.task.format)
    except LeserError as error:
        yield Problem(("task", "name"), str(error))
    else:
        given = config.task.options if path is None else {**config.task.options, "path": path}
        yield from _options(reader.Options, given, ("task",))
    for rule, given in config.rules.options.items():
        try:
            yield from _options(registry.get("rule", rule).Options, given, ("rules", rule))
        except LeserError as error:
            yield Problem(("rules", rule), str(error))


def _named(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Rewards, measures, baselines and a second engine: whether there are any of these names."""

    rewards = registry.all("reward")
    try:
        RewardSet.of(config.rewards, rewards, config.expansion)
    except LeserError as error:
        yield Problem(("rewards", "weights"), str(error))
    try:
        Measurer(Split("test", (), {}), config.evaluation.measures, rewards)
    except LeserError as error:
        yield Problem(("evaluation", "measures"), str(error))
    if config.evaluation.primary:
        try:
            Measurer(Split("test", (), {}), [config.evaluation.primary], rewards)
        except LeserError as error:
            yield Problem(("evaluation", "primary"), str(error))
    for kind, names, key in (
        ("baseline", config.evaluation.baselines, ("evaluation", "baselines")),
        ("backend", [name for name in [config.training.monitor.engine] if name], ("training", "monitor", "engine")),
        ("rollout", [config.rollout.name], ("rollout", "name")),
    ):
        for name in names:
            try:
                registry.get(kind, name)
            except LeserError as error:
                yield Problem(key, str(error))


def _fitting(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Whether the engine can be made from its options, and can apply expansions as they are meant to be."""

    try:
        backend_of(config, registry).close()
    except LeserError as error:
        yield Problem(("backend",), str(error))
    try:
        check_mode(registry.get("backend", config.backend.name), config.expansion)
    except LeserError as error:
        yield Problem(("expansion", "mode"), str(error))


def _rules(config: RunConfig, registry: Registry) -> Iterator[Problem]:

    given_to_all = _compiled(config, registry)
    for name, given in config.rules.given.items():
        try:
            build_book({name: given}, *given_to_all).sentences()
        except LeserError as error:
            yield Problem(("rules", name), str(error))


def _constraints(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Whether typed constraints can be read as they are mapped, and held by this kind of engine; each kind by itself."""

    options = config.constraints.at(config.platform.locale)
    if not options.enabled:
        return
    backend, problems = registry.get("backend", config.backend.name), dict[Key, str]()
    for kinds in [{kind: mapped} for kind, mapped in options.kinds.items()] or [{}]:
        try:
            QueryConstraints(options.model_copy(update={"kinds": kinds})).check_able(backend)
        except LeserError as error:
            named = next((kind for kind in kinds if str(error).startswith(f"[constraints.kinds.{kind}]")), None)
            key: Key = ("constraints", "kinds", named) if named else ("constraints",)
            if "] locale " in str(error):
                key = ("constraints", "locale") if config.constraints.locale else ("platform", "locale")
            problems[key] = str(error).partition("] ")[2]
    yield from (Problem(key, text) for key, text in problems.items())


def _policy(config: RunConfig) -> Iterator[Problem]:

    name = config.policy.name
    folder = name.startswith((".", "/", "~")) or name.count("/") != 1 or Path(name).exists()
    if name == "smollm2" or not folder:  # may be on a model hub, which a training asks
        return
    try:
        check_policy(config.policy)
    except LeserError as error:
        yield Problem(("policy", "name"), str(error))


def _compiled(
    config: RunConfig, registry: Registry
) -> tuple[Classes[Rule], WordsOffline, ExpansionOptions, str | None]:
    """What rules are compiled with where no engine may be asked."""
    words = WordsOffline(registry.get("backend", config.backend.name))
    return registry.all("rule"), words, config.expansion, config.rules.locale
