"""The configuration of a run: one table per concern, from a TOML file and flags, validated before anything is loaded.

    config = load_config(Path("run.toml"), {"seed": 3}, ["index=my-index", "policy.precision=bf16"])
    config = complete(config, registry)      # the options of the backend and the reader too
    print(config.resolved())

Relative paths are meant from where the command is run, those of a platform profile from where its file lies, those of a
run's config.toml from where the run was made (leser/config/anchor.py). Secrets are never values here: an option holds the
name of an environment variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, model_validator
from pydantic_core import to_jsonable_python

from leser.config.given import NOT_GIVEN, put_back, without
from leser.config.training import TrainingOptions
from leser.constraints.options import ConstraintOptions
from leser.engine import SearchOptions
from leser.evaluation.options import EvaluationOptions
from leser.expansion import ExpansionOptions
from leser.grpo.options import GrpoOptions
from leser.offline.options import PrecomputeOptions, PromoteOptions
from leser.options import CREDENTIALS, Options, Seed
from leser.policy.options import PolicyOptions
from leser.prompt import PromptOptions
from leser.reward import RewardOptions
from leser.verified.options import VerifiedOptions
from leser.warmup.options import WarmupOptions

PLUGIN_TABLES = ("task", "backend", "rollout")


class GatheringTable(Options):
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


class PluginTable(GatheringTable):
    """A table that names a plugin; its other keys are that plugin's own options."""

    name: str


class TaskTable(PluginTable):
    """Which queries and judgments: a folder or file, or the name of a reader that makes its task itself."""

    name: str = Field("demo", description="folder, file, or reader name")
    format: str | None = Field(None, description="reader for a path that several readers recognise")


class BackendTable(PluginTable):
    """Which search engine."""

    name: str = Field("pyserini", description="backend name")


class RolloutTable(PluginTable):
    """What draws the completions that GRPO learns from."""

    name: str = Field("policy", description="rollout engine: policy (the trained policy itself), vllm, vllm-server")


class RulesTable(GatheringTable):
    """Which rules hold: one sub-table `[rules.NAME]` each, with that rule's options. `repetition` always holds."""

    locale: str | None = Field(
        None, description="language of the market, such as de or en-US: its letters and scripts; default: en"
    )
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="sub-tables by rule")


class RunConfig(Options):
    """All of a run. Each table but [task], [backend] and [rules] is a model that stands by what it configures."""

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
    rollout: RolloutTable = Field(default_factory=RolloutTable)
    rewards: RewardOptions = Field(default_factory=RewardOptions)
    rules: RulesTable = Field(default_factory=RulesTable)
    constraints: ConstraintOptions = Field(default_factory=ConstraintOptions)
    verified: VerifiedOptions = Field(default_factory=VerifiedOptions)
    precompute: PrecomputeOptions = Field(default_factory=PrecomputeOptions)
    promote: PromoteOptions = Field(default_factory=PromoteOptions)
    evaluation: EvaluationOptions = Field(default_factory=EvaluationOptions)
    out: Path = Field(
        default_factory=lambda known: _default_out(known),
        description="run folder (default: runs/TASK-BACKEND-POLICY-seedN)",
    )
    resume: bool = Field(False, exclude=True, description="continue the run in `out`")
    dry_run: bool = Field(False, exclude=True, description="check everything, train nothing")

    def resolved(self) -> str:
        """The whole configuration as TOML that `--config` reads again; user names and passwords in URLs are cut out."""
        left_out = {"platform", "task", "backend", "rules", "rollout"}
        if self.constraints == ConstraintOptions():
            left_out.add("constraints")  # a run without them is written as ever
        for name, unchanged in (
            ("verified", VerifiedOptions()),
            ("precompute", PrecomputeOptions()),
            ("promote", PromoteOptions()),
        ):
            if getattr(self, name) == unchanged:
                left_out.add(name)
        values = self.model_dump(mode="json", exclude=left_out, exclude_none=True)
        platform = self.platform.model_dump(exclude_none=True)
        tables: dict[str, Any] = {"platform": platform} if platform else {}
        tables |= {"task": self.task.table(), "backend": self.backend.table()}
        if self.rollout != RolloutTable():
            tables["rollout"] = self.rollout.table()
        values["plugins"] = [str(file.resolve()) for file in self.plugins]
        top = {key: value for key, value in values.items() if not isinstance(value, dict)}
        tables.update({key: value for key, value in values.items() if isinstance(value, dict)})
        if rules := self.rules.table():
            tables["rules"] = rules
        return CREDENTIALS.sub("***@", tomli_w.dumps({**top, **tables}))


def default_name(table: str) -> str:
    """The plugin that a table means where it names none: [task] or [backend]."""
    model = RunConfig.model_fields[table].annotation
    assert isinstance(model, type)
    assert issubclass(model, PluginTable)
    return str(model.model_fields["name"].default)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as TOML can hold them: paths as text, and no null, which TOML lacks."""
    return {key: value for key, value in to_jsonable_python(dict(options)).items() if value is not None}


def _default_out(known: Mapping[str, Any]) -> Path:
    task, backend, policy = known["task"].name, known["backend"].name, known["policy"].name
    platform = known["platform"].name
    names = (Path(task).resolve().name, backend, policy.rstrip("/").rpartition("/")[2], f"seed{known['seed']}")
    return Path("runs") / "-".join([platform, *names] if platform else names)
