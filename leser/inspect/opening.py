"""Opening a run that was made before: its files, its configuration, its engine and its policy.

What `leser report`, `evaluate`, `expand` and `rollouts` share. Nothing here writes into the run's folder.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.command import resume_command
from leser.config.anchor import PATHS_FROM
from leser.config.build import complete
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.errors import LeserError
from leser.plugins import Registry, load_plugins
from leser.session import Session
from leser.store.folder import RunFolder
from leser.store.weights import SERVED, kept_weights
from leser.textfile import read_text

if TYPE_CHECKING:
    from leser.sampler import Sampler


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that was evaluated: its folder, its configuration as it was written, and evaluation.json's content."""

    folder: RunFolder
    config: dict[str, Any]
    evaluation: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.path.resolve().name


def open_folder(path: Path) -> RunFolder:
    """The run folder at `path`; raises LeserError where none is."""
    folder = RunFolder(path)
    if not path.exists():
        near = folder.like()
        hint = f"Did you mean {near}?" if near else "`leser run` writes one with --out DIR."
        raise LeserError(f"No run at {path}: there is no such folder. {hint}")
    if not folder.config_path.is_file():
        inside = sorted(p.parent.name for p in path.glob(f"*/{folder.config_path.name}")) if path.is_dir() else []
        hint = f" Runs inside it: {', '.join(inside[:5])}." if inside else " `leser run` writes one with --out DIR."
        raise LeserError(f"{path} is not a run folder: {folder.config_path.name} is missing.{hint}")
    return folder


def open_finished(path: Path) -> FinishedRun:
    """A run's folder, configuration and evaluation; raises LeserError where there is none or it has not finished."""
    folder = open_folder(path)
    evaluation = folder.path / "evaluation.json"
    if not evaluation.is_file():
        raise LeserError(
            f"The run in {path} has not finished: it holds no evaluation.json. "
            f"Resume with: {resume_command(folder.config_path)}"
        )
    return FinishedRun(folder, read_config(folder), _read_json(evaluation))


def read_config(folder: RunFolder) -> dict[str, Any]:
    """config.toml as it was written, but for where its paths start; raises LeserError when it cannot be read."""
    try:
        values = tomllib.loads(read_text(folder.config_path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LeserError(f"The configuration {folder.config_path} cannot be read: {error}.") from error
    return {key: value for key, value in values.items() if key != PATHS_FROM}


def configured(
    folder: RunFolder,
    flags: Mapping[str, Any] | None = None,
    assignments: Iterable[str] = (),
    plugins: Iterable[Path | type[Any]] = (),
    platform: Path | None = None,
) -> tuple[RunConfig, Registry]:
    """The run's configuration with `flags` and `-o` assignments laid over it, and the plugins it needs.

    Another task or backend leaves the old one's options behind; `platform` is the profile of another site, whose task,
    engine, rewards and rules replace the run's. Raises LeserError as `leser run` would.
    """
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    loaded = load_config(folder.config_path, given, assignments, moved_to=platform)
    registry = load_plugins((*loaded.plugins, *plugins))
    return complete(loaded, registry), registry


def open_sampler(folder: RunFolder, session: Session) -> Sampler:
    """The policy that the run keeps (the best on dev), asking through `session`; raises LeserError without one."""
    from leser.policy.adapters import load_trained
    from leser.policy.loading import load_policy
    from leser.sampler import Sampler

    config, saved = session.config, folder.path / "policy"
    if not saved.is_dir():
        raise LeserError(
            f"The run in {folder.path} has saved no policy yet: {saved} is missing. "
            f"Resume with: {resume_command(folder.config_path)}"
        )
    if (weight := kept_weights(folder.path).get(SERVED)) is not None:
        session.environment.weigh(weight)
    if not (saved / "config.json").is_file():  # adapters alone: they are merged when training ends
        base = folder.path / "policies" / "base"
        options = config.policy.model_copy(update={"name": str(base)} if base.is_dir() else {})
        policy = load_policy(options)
        load_trained(policy, saved)
        return Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens)
    # adapters were merged when training ended, and a folder has no revision
    merged = {"name": str(saved), "lora_rank": 0, "dtype": "float32", "quantize": "none", "revision": None}
    options = config.policy.model_copy(update=merged)
    return Sampler(load_policy(options), session.environment, config.prompt, config.training.max_new_tokens)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LeserError(f"{path} cannot be read: {error}. Remove it and run again with --resume.") from error
    if not isinstance(content, dict):
        raise LeserError(f"{path} holds no evaluation. Remove it and run again with --resume.")
    return content
