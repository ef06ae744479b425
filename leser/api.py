"""What a notebook or a script does with LESER: train a policy, open a run that was trained, search an engine.

The command line is a user of the same functions; names, checks and messages are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.config.build import complete, task_of
from leser.config.load import FLAGS, load_config
from leser.config.tables import RunConfig
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.inspect.run import Run
from leser.plugins import Registry, load_plugins
from leser.reward import Reward
from leser.run.runner import run as run_configuration
from leser.session import open_backend


def train(
    *,
    task: str | Path | None = None,
    backend: str | type[Backend] | None = None,
    recipe: str | None = None,
    preset: str | None = None,
    policy: str | Path | None = None,
    rewards: Sequence[str | type[Reward]] | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    group_size: int | None = None,
    queries_per_step: int | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    platform: str | Path | None = None,
    plugins: Iterable[str | Path | type[Any]] = (),
    resume: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """Train a policy to expand queries, with a search engine as the teacher, and evaluate it against baselines.

    Each of these overrides the one before: defaults, `recipe`, `preset`, `platform`, `config`, the other arguments, `options`.

    Args:
        task: Folder or file of queries and judgments, or the name of a reader that makes its task, such as "demo".
        backend: Name of the search engine: "memory", "pyserini", "elasticsearch", "solr", or a plugin's; or its class.
        recipe: Settings by teacher, which everything else that is given overrides: "judgments", or "encoder" and
            "encoder-smollm2", which need none.
        preset: A published algorithm, whose options everything else that is given overrides: "grpo", "dr-grpo", "dapo",
            "gspo" or "rloo".
        policy: "smollm2", "tiny", a hub id, or a folder with a saved model.
        rewards: Rewards as NAME[=WEIGHT], such as ["nDCG@10=0.7", "coverage@10=0.3"]; or classes, each of weight 1.
        steps: GRPO updates, after the warm-up.
        minutes: Time of the whole run, final evaluation included; with `steps`, whichever comes first.
        group_size: Completions of each query.
        queries_per_step: Queries in one update.
        seed: Seed of everything that is drawn.
        out: Run folder; default: runs/TASK-BACKEND-POLICY-seedN.
        config: TOML file with a configuration.
        platform: TOML file with a platform profile.
        plugins: Python files that are plugins, and classes: of a rule, a reader, a baseline, a backend, a reward. A class that
            was given in Python must be given again to resume or open the run.
        resume: Continue the run in the run folder from its last checkpoint.
        options: Further options by dotted path, such as {"policy.lora_rank": 8}; without a table's name they are the
            backend's, such as {"index": "products"}.

    Returns:
        The finished run.

    Raises:
        LeserError: Something is not valid, or the engine stopped answering. The message says what to do.

    Examples:
        >>> run = leser.train(task="demo", backend="memory", policy="tiny", steps=20)
        >>> 0 < run.evaluation["original"]["nDCG@10"] < 1
        True
    """
    given = {
        "task": task, "backend": backend, "recipe": recipe, "preset": preset, "policy": policy,
        "rewards": None if rewards is None else list(rewards), "steps": steps, "minutes": minutes, "group_size": group_size,
        "queries_per_step": queries_per_step, "seed": seed, "out": out, "resume": resume, "plugins": tuple(plugins),
    }  # fmt: skip
    resolved, registry = configure(given, options, config=config, platform=platform)
    classes = _classes(given)
    return Run(run_configuration(resolved, registry), plugins=(*resolved.plugins, *classes))


def open_run(path: str | Path, plugins: Iterable[str | Path | type[Any]] = ()) -> Run:
    """Open the folder of a run that was trained before; its engine and policy are opened when they are first needed.

    Args:
        path: The run folder.
        plugins: Python files that are plugins, besides those that the run names itself, and classes.

    Returns:
        The run; a context manager that closes the engine.

    Raises:
        LeserError: There is no run in this folder.

    Examples:
        >>> with leser.open_run("runs/demo") as run:
        ...     run.filter("couch for small room", "sofa; couch").expansions
        (Expansion('sofa'),)
    """
    return Run.open(Path(path), tuple(p if isinstance(p, type) else Path(p) for p in plugins))


def search(
    backend: str | type[Backend],
    *,
    task: str | Path | None = None,
    plugins: Iterable[str | Path | type[Any]] = (),
    options: Mapping[str, Any] | None = None,
) -> Search:
    """Open a search engine by itself, as training would search it.

    Args:
        backend: Name of the search engine, or its class.
        task: The task whose documents an in-process engine holds; other engines need none.
        plugins: Python files that are plugins, and classes.
        options: Options as for `train`, such as {"index": "products"}.

    Returns:
        The open engine; a context manager that closes it.

    Raises:
        LeserError: An option is not valid, or the engine cannot be opened.

    Examples:
        >>> with leser.search(backend="memory", task="demo") as engine:
        ...     len(engine.rank("red sofa", ["couch"], k=3).hits)
        3
    """
    config, registry = configure({"backend": backend, "task": task, "plugins": tuple(plugins)}, options)
    return Search(config, registry)


class Search:
    """An open search engine: `rank` a query, with or without expansions. A context manager that closes the engine."""

    def __init__(self, config: RunConfig, registry: Registry) -> None:
        self.expansion: ExpansionOptions = config.expansion
        in_process = registry.get("backend", config.backend.name).takes_documents
        task = task_of(config, registry) if in_process else None
        self._client = SearchClient(open_backend(config, registry, task), config.search)
        self.facts = self._client.backend.check()

    @property
    def backend(self) -> Backend:
        """The engine itself."""
        return self._client.backend

    def rank(self, query: str, expansions: Iterable[Expansion | str] = (), *, k: int = 10) -> Ranking:
        """The top `k` hits of a query with these expansions; raises LeserError where the engine fails on it."""
        terms = tuple(e if isinstance(e, Expansion) else Expansion(e) for e in expansions)
        asked = [(ExpandedQuery("typed", query), terms)]
        answer = self._client.search_expansions(asked, k, options=self.expansion)[0].ranking
        if isinstance(answer, SearchError):
            raise LeserError(f"The engine failed on the query '{query}': {answer.message}")
        return answer

    def close(self) -> None:
        """Close the engine; calling it twice is fine."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def configure(
    given: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    *,
    config: str | Path | None = None,
    platform: str | Path | None = None,
    assignments: Iterable[str] = (),
) -> tuple[RunConfig, Registry]:
    """A whole configuration out of arguments by their names on the command line, and the plugins it needs.

    `options` are values by dotted path, `assignments` the same as text (KEY=VALUE). Raises LeserError for what is not valid.
    """
    said = {name: _named(value) for name, value in given.items()}
    left_out: tuple[Any, ...] = (None, False, (), [])  # by kind as well: 0 is a number of steps, and a seed
    flags = {
        FLAGS[name]: value
        for name, value in said.items()
        if not any(type(value) is type(one) and value == one for one in left_out)
    }
    loaded = load_config(
        Path(config) if config else None, flags, assignments, Path(platform) if platform else None, options=options
    )
    registry = load_plugins((*loaded.plugins, *_classes(given)))
    return complete(loaded, registry), registry


def _classes(given: Mapping[str, Any]) -> list[type[Any]]:
    """The plugin classes among arguments."""
    values = [one for value in given.values() for one in (value if isinstance(value, list | tuple) else [value])]
    return [value for value in values if isinstance(value, type)]


def _named(value: Any) -> Any:
    """An argument as a configuration has it: a class is its name, and of files and classes only the files are named."""
    if isinstance(value, tuple):
        return tuple(one for one in value if not isinstance(one, type))
    if isinstance(value, list):
        return [_named(one) for one in value]
    if isinstance(value, type):
        return getattr(value, "name", value.__qualname__)
    return str(value) if isinstance(value, Path) else value
