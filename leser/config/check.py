"""Every mistake in a profile, with its file and key, found without asking an engine anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.backend import Backend, BackendOptions, Document, ExpandedQuery, Ranking, SearchError
from leser.config.layers import Key, place
from leser.config.problems import Problem, model_problems, refuse_problems, sound_profile
from leser.config.profile import Profile
from leser.errors import LeserError
from leser.options import Options

if TYPE_CHECKING:
    from leser.config.tables import RunConfig
    from leser.plugins import Registry
    from leser.rules import RuleBook
    from leser.scoring import RewardSet


@dataclass(frozen=True, slots=True)
class Checked:
    """A profile without a mistake, resolved: what it would train with."""

    profile: Profile
    config: RunConfig
    rewards: RewardSet
    rules: RuleBook


class DescribedEngine(Backend):
    """Stands for an engine that must not be contacted: it can what the engine can, and parts text at spaces."""

    def __init__(self, kind: type[Backend], options: BackendOptions) -> None:
        super().__init__(options)
        self.name, self.capabilities = kind.name, kind.capabilities  # type: ignore[misc]

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:  # noqa: ARG002
        """Answers nobody."""
        return [SearchError("a profile is checked without its engine") for _ in queries]

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:  # noqa: ARG002
        """Holds nothing."""
        return {}

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:  # noqa: ARG002
        """Lower-cased words."""
        return [text.casefold().split() for text in texts]

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:  # noqa: ARG002
        """Nothing is known of any term."""
        return [0] * len(terms)


def check_profile(path: Path, plugins: Iterable[Path] = ()) -> Checked:
    """Resolve a profile and check everything in it; raises LeserError with every mistake found, by file and key."""
    from leser.config.build import complete
    from leser.config.load import config_of
    from leser.plugins import load_plugins

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
    from leser.rules import build_book
    from leser.scoring import RewardSet

    rules = config.rules
    book = build_book(rules.given, registry, _described(config, registry), config.expansion, rules.locale)
    table = config.rewards
    rewards = RewardSet.from_specs(table.weights, registry.all("reward"), table.gated_reward, table.term_cost)
    return Checked(profile, config, rewards, book)


def _options(model: type[Options], given: Mapping[str, Any], at: Key) -> Iterator[Problem]:
    yield from model_problems(model, place(model, given), at)


def _engine_and_task(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    from leser.formats.read import find_reader

    try:
        yield from _options(registry.get("backend", config.backend.name).Options, config.backend.options, ("backend",))
    except LeserError as error:
        yield Problem(("backend", "name"), str(error))
    try:
        reader, path = find_reader(config.task.name, registry, config.task.format)
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
    from leser.evaluation.measures import Measurer
    from leser.scoring import RewardSet
    from leser.task import Split

    rewards, table = registry.all("reward"), config.rewards
    try:
        RewardSet.from_specs(table.weights, rewards, table.gated_reward, table.term_cost)
    except LeserError as error:
        yield Problem(("rewards", "weights"), str(error))
    try:
        Measurer(Split("test", (), {}), config.evaluation.measures, rewards)
    except LeserError as error:
        yield Problem(("evaluation", "measures"), str(error))
    for kind, names, key in (
        ("baseline", config.evaluation.baselines, ("evaluation", "baselines")),
        ("backend", [name for name in [config.training.monitor.engine] if name], ("training", "monitor", "engine")),
    ):
        for name in names:
            try:
                registry.get(kind, name)
            except LeserError as error:
                yield Problem(key, str(error))


def _fitting(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Whether the engine can be made from its options, and can apply expansions as they are meant to be."""
    from leser.config.build import backend_of
    from leser.engine import SearchClient

    try:
        backend_of(config, registry).close()
    except LeserError as error:
        yield Problem(("backend",), str(error))
    try:
        SearchClient(_described(config, registry), config.search).check_mode(config.expansion)
    except LeserError as error:
        yield Problem(("expansion", "mode"), str(error))


def _rules(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    from leser.rules import build_book

    engine = _described(config, registry)
    for name, given in config.rules.given.items():
        try:
            build_book({name: given}, registry, engine, config.expansion, config.rules.locale).sentences()
        except LeserError as error:
            yield Problem(("rules", name), str(error))


def _constraints(config: RunConfig, registry: Registry) -> Iterator[Problem]:
    """Whether typed constraints can be read as they are mapped, and held by this kind of engine; each kind by itself."""
    from leser.constraints import Asker

    options = config.constraints.at(config.platform.locale)
    if not options.enabled:
        return
    backend, problems = registry.get("backend", config.backend.name), dict[Key, str]()
    for kinds in [{kind: mapped} for kind, mapped in options.kinds.items()] or [{}]:
        try:
            Asker(options.model_copy(update={"kinds": kinds})).check_able(backend)
        except LeserError as error:
            named = next((kind for kind in kinds if str(error).startswith(f"[constraints.kinds.{kind}]")), None)
            key: Key = ("constraints", "kinds", named) if named else ("constraints",)
            if "] locale " in str(error):
                key = ("constraints", "locale") if config.constraints.locale else ("platform", "locale")
            problems[key] = str(error).partition("] ")[2]
    yield from (Problem(key, text) for key, text in problems.items())


def _policy(config: RunConfig) -> Iterator[Problem]:
    from leser.policy.options import check_policy

    name = config.policy.name
    folder = name.startswith((".", "/", "~")) or name.count("/") != 1 or Path(name).exists()
    if name == "smollm2" or not folder:  # may be on a model hub, which a training asks
        return
    try:
        check_policy(config.policy)
    except LeserError as error:
        yield Problem(("policy", "name"), str(error))


def _described(config: RunConfig, registry: Registry) -> DescribedEngine:
    kind = registry.get("backend", config.backend.name)
    return DescribedEngine(kind, kind.Options.model_validate(config.backend.given))
