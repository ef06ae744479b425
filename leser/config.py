"""The configuration of a run: one table per concern, from a TOML file and flags, validated before anything is loaded.

    config = load_config(Path("run.toml"), {"seed": 3}, ["index=my-index", "policy.dtype=bfloat16"])
    config = complete(config, registry)      # the options of the backend and the reader too
    print(config.resolved())

Relative paths are meant from where the command is run, those of a platform profile from where its file lies, those of a
run's config.toml from where the run was made (leser/anchor.py). Secrets are never values here: an option holds the name of an
environment variable.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tomli_w
from pydantic import Field, model_validator
from pydantic_core import to_jsonable_python

from leser.anchor import anchored
from leser.constraints.options import ConstraintOptions
from leser.errors import LeserError
from leser.expansion import ExpansionOptions
from leser.given import NOT_GIVEN, at, put_back, set_apart, unset, without
from leser.grpo.options import GrpoOptions
from leser.options import Options, Seed, validate_options
from leser.platform.profile import EXTENDS, Written, lay, place
from leser.platform.site import move, sited
from leser.policy.options import PolicyOptions
from leser.prompt import PromptOptions
from leser.run.options import EvaluationOptions, RewardOptions, TrainingOptions
from leser.search import SearchOptions
from leser.search.checked import built
from leser.textfile import read_text
from leser.warmup.options import WarmupOptions

if TYPE_CHECKING:
    from leser.backend import Backend
    from leser.plugins import Registry
    from leser.task import Task

TableT = TypeVar("TableT", bound="PluginTable")
_PLUGIN_TABLES = ("task", "backend")
CREDENTIALS = re.compile(r"(?<=://)[^\s\"']+@")


class _Gathering(Options):
    """A table whose keys that it does not know are plugins' business."""

    options: dict[str, Any] = Field(default_factory=dict, description="the plugin's own options")
    not_given: tuple[str, ...] = Field(
        (), description="options of this table that nobody gave: their values are defaults; LESER writes it"
    )

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        """Fold every key the table does not know into `options`, so that files need no sub-table."""
        if not isinstance(values, Mapping):
            return values
        own = {key: value for key, value in values.items() if key in cls.model_fields}
        rest = {key: value for key, value in values.items() if key not in cls.model_fields}
        own = {**own, "options": {**own.get("options", {}), **rest}} if rest else own
        if isinstance(apart := own.get(NOT_GIVEN), Mapping):
            own["options"], own[NOT_GIVEN] = put_back(own.get("options", {}), apart)
        return own

    @property
    def given(self) -> dict[str, Any]:
        """The options that somebody gave; what a plugin's options are made of."""
        return without(self.options, self.not_given)

    def table(self) -> dict[str, Any]:
        """The table as a file holds it: name and options side by side."""
        own = self.model_dump(mode="json", exclude={"options", NOT_GIVEN}, exclude_none=True)
        filled = {NOT_GIVEN: list(self.not_given)} if self.not_given else {}
        return {**own, **filled, **_plain(self.options)}


class PlatformTable(Options):
    """Which site or market this is for; a platform profile names it."""

    name: str | None = Field(
        None, pattern=r"^\w[\w.-]{0,59}$", description="name of the platform, for reports; default: none"
    )
    locale: str | None = Field(
        None,
        pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$",
        description="language and market, such as en-US; that of [rules] where it names none",
    )


class PluginTable(_Gathering):
    """A table that names a plugin; its other keys are that plugin's own options."""

    name: str


class TaskTable(PluginTable):
    """Which queries and judgments: a folder or file, or the name of a reader that makes its task itself."""

    name: str = Field("demo", description="folder, file, or reader name")
    format: str | None = Field(None, description="reader for a path that several readers recognise")


class BackendTable(PluginTable):
    """Which search engine."""

    name: str = Field("pyserini", description="backend name")


class RulesTable(_Gathering):
    """Which rules hold: one sub-table `[rules.NAME]` each, with that rule's options. `repetition` always holds."""

    locale: str | None = Field(
        None, description="language of the market, such as de or en-US: its letters and scripts; default: en"
    )
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="sub-tables by rule")


class RunConfig(Options):
    """Everything a run is told. Each table but [task], [backend] and [rules] is a model that stands by what it configures."""

    seed: Seed = Field(1, description="seed of everything that is drawn")
    plugins: tuple[Path, ...] = Field((), description="files that are plugins, as --plugin names them")
    platform: PlatformTable = Field(default_factory=PlatformTable)
    task: TaskTable = Field(default_factory=TaskTable)
    backend: BackendTable = Field(default_factory=BackendTable)
    search: SearchOptions = Field(default_factory=SearchOptions)
    policy: PolicyOptions = Field(default_factory=PolicyOptions)
    expansion: ExpansionOptions = Field(default_factory=ExpansionOptions)
    prompt: PromptOptions = Field(default_factory=PromptOptions)
    warmup: WarmupOptions = Field(default_factory=WarmupOptions)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    grpo: GrpoOptions = Field(default_factory=GrpoOptions)
    rewards: RewardOptions = Field(default_factory=RewardOptions)
    rules: RulesTable = Field(default_factory=RulesTable)
    constraints: ConstraintOptions = Field(default_factory=ConstraintOptions)
    evaluation: EvaluationOptions = Field(default_factory=EvaluationOptions)
    out: Path = Field(
        default_factory=lambda known: _default_out(known),
        description="run folder (default: runs/TASK-BACKEND-POLICY-seedN)",
    )
    resume: bool = Field(False, exclude=True, description="continue the run in `out`")
    dry_run: bool = Field(False, exclude=True, description="check everything, train nothing")

    def resolved(self) -> str:
        """The whole configuration as TOML that `--config` reads again; user names and passwords in URLs are cut out."""
        left_out = {"platform", "task", "backend", "rules"}
        if self.constraints == ConstraintOptions():
            left_out.add("constraints")  # a run without them is written as ever
        values = self.model_dump(mode="json", exclude=left_out, exclude_none=True)
        platform = self.platform.model_dump(exclude_none=True)
        tables: dict[str, Any] = {"platform": platform} if platform else {}
        tables |= {"task": self.task.table(), "backend": self.backend.table()}
        values["plugins"] = [str(file.resolve()) for file in self.plugins]
        top = {key: value for key, value in values.items() if not isinstance(value, dict)}
        tables.update({key: value for key, value in values.items() if isinstance(value, dict)})
        if rules := self.rules.table():
            tables["rules"] = rules
        return CREDENTIALS.sub("***@", tomli_w.dumps({**top, **tables}))


def load_config(
    path: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    platform: Path | None = None,
    moved_to: Path | None = None,
) -> RunConfig:
    """Read a TOML file, lay `flags` (dotted path to value) and then `-o` assignments over it, and validate the whole.

    The flag `plugins` adds to the files that are named already. `platform` is a profile that is laid under the file;
    `moved_to` one that a finished run's policy is taken to: its site replaces the file's. Raises LeserError naming the
    file, the table and the option that is wrong.
    """
    from leser.platform.check import sound_profile

    values: dict[str, Any] = sound_profile(platform).values if platform else {}
    if path:
        lay(values, _read_run(path))
    if moved_to:
        move(values, sound_profile(moved_to).values)
    for dotted, value in (flags or {}).items():
        table, dot, key = dotted.partition(".")
        if dot and key == "name" and table in _PLUGIN_TABLES and _names_another(values.get(table, {}), table, value):
            values[table] = {}  # the file's options are another plugin's
        _put(values, dotted.split("."), _with_files(values, value) if dotted == "plugins" else value)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise LeserError(
                f"Cannot read -o {assignment}. Expected KEY=VALUE, e.g. -o index=my-index or -o task.seed=3."
            )
        _put(values, _target(key.strip()), _value(text))
    return config_of(values)


def _names_another(table: Any, kind: str, name: Any) -> bool:
    """Whether a table's plugin is another than `name`; one that names none means the default."""
    return isinstance(table, Mapping) and table.get("name", default_name(kind)) != name


def default_name(table: str) -> str:
    """The plugin that a table means where it names none: [task] or [backend]."""
    model = RunConfig.model_fields[table].annotation
    assert isinstance(model, type)
    assert issubclass(model, PluginTable)
    return str(model.model_fields["name"].default)


def _with_files(values: Mapping[str, Any], files: Iterable[Path]) -> list[Any]:
    """The plugin files of the configuration and those of flags, each once: a flag adds to what is needed anyway."""
    known = values.get("plugins", [])
    known = list(known) if isinstance(known, list | tuple) else [known]
    paths = {Path(file.path if isinstance(file, Written) else str(file)).resolve() for file in known}
    return [*known, *(str(file) for file in dict.fromkeys(files) if Path(file).resolve() not in paths)]


def config_of(values: Mapping[str, Any]) -> RunConfig:
    """Validate nested values; each table by itself, so that a message names it and knows its options."""
    for name, field in RunConfig.model_fields.items():
        model = field.annotation
        if name in values and isinstance(model, type) and issubclass(model, Options):
            if not isinstance(values[name], Mapping):
                raise LeserError(f"[{name}] must be a table, found {values[name]!r}.")
            if not issubclass(model, _Gathering):
                validate_options(model, values[name], f"[{name}]")
    return validate_options(RunConfig, sited(place(RunConfig, values)), "the configuration")


def complete(config: RunConfig, registry: Registry) -> RunConfig:
    """The configuration with the backend's and the reader's options checked and their defaults filled in.

    Raises LeserError for unknown names and options. Connects to nothing and reads no file.
    """
    from leser.formats.read import find_reader

    backend = registry.get("backend", config.backend.name)
    reader, path = find_reader(config.task.name, registry, config.task.format)
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
            "backend": _filled(backend.Options, config.backend, f"backend '{config.backend.name}'"),
            "training": training,
            "evaluation": evaluation,
        }
    )


def _baseline_options(config: RunConfig, registry: Registry) -> dict[str, dict[str, Any]]:
    """The options of each baseline that some are given for, filled in; raises LeserError for a baseline that is not run."""
    from leser.evaluation.calls import table_of
    from leser.evaluation.pseudo_documents import PASSAGES

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
    from leser.formats.read import read_task

    chosen = {"format": config.task.format} if config.task.format else {}
    return read_task(config.task.name, registry, {**config.task.given, **chosen})


def backend_of(config: RunConfig, registry: Registry) -> Backend:
    """The configured backend, which connects when it is first used."""
    cls = registry.get("backend", config.backend.name)
    return built(cls, validate_options(cls.Options, config.backend.given, f"backend '{config.backend.name}'"))


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


def _read_run(path: Path) -> dict[str, Any]:
    """A file's values, paths where the file says they start from, and what it was filled with set apart."""
    values = anchored(_read_toml(path), path.parent)
    set_apart(values)
    return values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(read_text(path))
    except OSError as error:
        raise LeserError(f"The configuration {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeserError(f"The configuration {path} is no TOML: {error}.") from None
    if EXTENDS in values:
        raise LeserError(f"{path} extends another file, as platform profiles do. Give it with --platform.")
    return values


def _target(key: str) -> list[str]:
    """Where -o KEY goes: a dotted path whose first part is a table goes there, everything else is the backend's."""
    parts = key.split(".")
    if parts[0] in RunConfig.model_fields and len(parts) > 1:
        return parts
    return ["backend", *parts]


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    *tables, last = path
    for name in tables:
        inner = values.setdefault(name, {})
        if not isinstance(inner, dict):
            raise LeserError(f"Cannot set {'.'.join(path)}: {name} is not a table.")
        values = inner
    values[last] = value


def _value(text: str) -> Any:
    """A command line's value: lists and tables as TOML writes them, everything else a string that pydantic coerces."""
    if text[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as TOML can hold them: paths as text, and no null, which TOML lacks."""
    return {key: value for key, value in to_jsonable_python(dict(options)).items() if value is not None}


def _default_out(known: Mapping[str, Any]) -> Path:
    task, backend, policy = known["task"].name, known["backend"].name, known["policy"].name
    platform = known["platform"].name
    names = (Path(task).resolve().name, backend, policy.rstrip("/").rpartition("/")[2], f"seed{known['seed']}")
    return Path("runs") / "-".join([platform, *names] if platform else names)
