"""From a configuration to what it names: plugin options filled in, the task, the backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from leser.config.given import NOT_GIVEN, at, unset
from leser.config.layers import place
from leser.config.tables import PluginTable, RulesTable, RunConfig
from leser.engine.checked import built
from leser.errors import LeserError, PluginFault
from leser.evaluation.calls import table_of
from leser.evaluation.pseudo_documents import PASSAGES
from leser.formats.read import find_reader, read_catalogue, read_task
from leser.options import Options, validate_options

if TYPE_CHECKING:
    from leser.backend import Backend, Document
    from leser.plugins import Registry
    from leser.rollout import RolloutEngine
    from leser.task import Task


TableT = TypeVar("TableT", bound="PluginTable")


def complete(config: RunConfig, registry: Registry) -> RunConfig:
    """The configuration with the backend's and the reader's options checked and their defaults filled in.

    Raises LeserError for unknown names and options. Connects to nothing and reads no file.
    """

    backend = registry.get("backend", config.backend.name)
    reader, path = find_reader(config.task.name, registry.all("reader"), config.task.format)
    named = {} if path is None else {"path": path}  # the table's `name` says it
    task = _filled(reader.Options, config.task, f"task '{reader.name}'", named)
    evaluation = config.evaluation.model_copy(update={"baseline_options": _baseline_options(config, registry)})
    training = config.training
    if (monitor := training.monitor).enabled and monitor.engine:
        engine = place(registry.get("backend", monitor.engine).Options, monitor.engine_options)
        training = training.model_copy(update={"monitor": monitor.model_copy(update={"engine_options": engine})})
    return config.model_copy(
        update={
            "rules": _filled_rules(config.rules, registry),
            "task": task,
            "rollout": _filled(registry.get("rollout", config.rollout.name).Options, config.rollout, _rollout(config)),
            "backend": _filled(backend.Options, config.backend, f"backend '{config.backend.name}'"),
            "training": training,
            "evaluation": evaluation,
        }
    )


def _baseline_options(config: RunConfig, registry: Registry) -> dict[str, dict[str, Any]]:
    """The options of each baseline that some are given for, filled in; raises LeserError for a baseline that is not run."""

    table = config.evaluation
    run = (*table.baselines, *(PASSAGES if table.passages else ()))
    options = {}
    for name, given in table.baseline_options.items():
        cls = registry.get("baseline", name)
        if name not in run:
            raise LeserError(f"{table_of(name)} is set, but evaluation.baselines does not name '{name}'. Add it there.")
        options[name], _ = _options(cls.Options, given, given, table_of(name))
    return options


def task_of(config: RunConfig, registry: Registry) -> Task:
    """Read the configured task; raises LeserError."""

    return read_task(config.task.name, registry.all("reader"), _reading(config))


def documents_of(config: RunConfig, registry: Registry) -> Iterable[Document]:
    """The documents of the configured task, read without its judgments; raises LeserError where it brings none."""
    documents = read_catalogue(config.task.name, registry.all("reader"), _reading(config))
    if documents is None:
        raise LeserError(
            f"The documents of the task {config.task.name} are needed, and it brings none. Put its corpus.jsonl there; "
            "`leser corpus` writes one of an engine's index."
        )
    return documents()


def _reading(config: RunConfig) -> dict[str, Any]:
    return {**config.task.given, **({"format": config.task.format} if config.task.format else {})}


def backend_of(config: RunConfig, registry: Registry) -> Backend:
    """The configured backend, which connects when it is first used."""
    cls = registry.get("backend", config.backend.name)
    return built(cls, validate_options(cls.Options, config.backend.given, f"backend '{config.backend.name}'"))


def rollouts_of(config: RunConfig, registry: Registry) -> RolloutEngine:
    """The configured rollout engine, which loads nothing before it is opened; raises LeserError."""
    cls = registry.get("rollout", config.rollout.name)
    options = validate_options(cls.Options, config.rollout.given, _rollout(config))
    try:
        return cls(options)
    except LeserError:
        raise
    except Exception as error:
        raise PluginFault(f"The {_rollout(config)} failed in __init__(): {type(error).__name__}: {error}") from error


def _rollout(config: RunConfig) -> str:
    return f"rollout engine '{config.rollout.name}'"


def _filled(model: type[Options], table: TableT, where: str, named: Mapping[str, Any] | None = None) -> TableT:
    """The table with its plugin's defaults; `named` are options that another key of it says."""
    own = named or {}
    options, names = _options(model, {**table.options, **own}, {**table.given, **own}, where)
    options = {name: value for name, value in options.items() if name not in own}
    return table.model_copy(update={"options": options, NOT_GIVEN: names})


def _filled_rules(table: RulesTable, registry: Registry) -> RulesTable:
    options, names, given = {}, list[str](), table.given
    for rule, known in table.options.items():
        model = registry.get("rule", rule).Options
        options[rule], unset = _options(model, known, given.get(rule, {}), f"[rules.{rule}]")
        names += [f"{rule}.{name}" for name in unset]
    return table.model_copy(update={"options": options, NOT_GIVEN: tuple(names)})


def _options(
    model: type[Options], known: Mapping[str, Any], given: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """All options, checked, and the names of those that are defaults; one that had another default before was kept."""
    whole = validate_options(model, place(model, known), where).model_dump(mode="json", exclude_none=True)
    filled = unset(validate_options(model, place(model, given), where))
    return whole, tuple(name for name, value in filled.items() if at(whole, name) == value)
