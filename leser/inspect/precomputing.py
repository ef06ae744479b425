"""Opening a precompute job: from a run folder or a configuration to proposers, guards and a recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from leser.backend import Backend
from leser.baseline import Baseline
from leser.cluster.connection import Cluster
from leser.config.build import complete, task_of
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.environment import Environment
from leser.errors import LeserError, unknown_name
from leser.evaluation.calls import make_baseline, ranks_itself
from leser.expansion_store import query_key
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.offline.by_baseline import BaselineProposer, fitted_name, no_clauses
from leser.offline.guards import Guards
from leser.offline.job import BlockAnswerer, PrecomputeJob, judged_of
from leser.offline.options import PrecomputeOptions
from leser.offline.proposers import SEARCH, PolicyProposer, Proposer, SearchProposer
from leser.offline.ray_workers import open_workers
from leser.offline.recipe import policy_name, recipe_of
from leser.plugins import Registry, load_plugins
from leser.precompute import sources_of
from leser.session import Session, context_of, open_environment, open_session
from leser.store.fitted import POLICY
from leser.task import Split, Task
from leser.verified.options import VerifiedOptions

BOTH = "both"
PARTS = {"none": (), "train": ("train",), "train+dev": ("train", "dev"), "all": ("train", "dev", "test")}
"""Whose judgments a job may read. The default leaves test's for promotion."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration comes from: a run's folder, or a file and flags; `flags` by dotted path, `assignments` as -o."""

    run: Path | None = None
    config: Path | None = None
    platform: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    assignments: tuple[str, ...] = ()
    plugins: tuple[Path, ...] = ()

    def read(self) -> tuple[RunConfig, Registry]:
        """The whole configuration and the plugins that it needs; raises LeserError."""
        if self.run is not None:
            return configured(open_folder(self.run), self.flags, self.assignments, self.plugins, self.platform)
        given = {**self.flags, **({"plugins": self.plugins} if self.plugins else {})}
        loaded = load_config(self.config, given, self.assignments, self.platform)
        registry = load_plugins(loaded.plugins)
        return complete(loaded, registry), registry

    @property
    def names_task(self) -> bool:
        """Whether a task was named: a job over a list of queries needs none."""
        if self.run is not None or self.flags.get("task.name"):
            return True
        given = load_config(self.config, self.flags, self.assignments, self.platform)
        return "task" in given.model_fields_set

    def needs_task(self, backend: type[Backend], options: Mapping[str, Any]) -> bool:
        """Whether the task must be read: it was named, or brings the documents of an engine in process."""
        return self.names_task or (backend.takes_documents and "documents" not in options)


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What a job needs of a configuration; `others` are tables that decide answers elsewhere, as text for the recipe."""

    platform: str
    judgments: str
    seed: int
    precompute: PrecomputeOptions
    verified: VerifiedOptions
    others: tuple[str, ...]


def proposers_of(by: str) -> tuple[str, ...]:
    """The proposers that `--by` names, parted by commas: policy and search first, then baselines, each once."""
    named = ",".join(f"{POLICY},{SEARCH}" if name.strip() == BOTH else name for name in by.split(","))
    found = dict.fromkeys(name.strip() for name in named.split(",") if name.strip())
    return tuple(sorted(found, key=lambda name: (POLICY, SEARCH, name).index(name)))


def _fitted(proposers: Sequence[str]) -> list[str]:
    """Those of the proposers that are baselines."""
    return [name for name in proposers if name not in (POLICY, SEARCH)]


def check_by(source: Source, by: str) -> None:
    """Raises LeserError where nobody is named, a policy is to propose without a run, or a baseline without a task."""
    names = proposers_of(by)
    if not names:
        raise LeserError("--by names nobody. Write policy, search, both, or a baseline's name.")
    if POLICY in names and source.run is None:
        raise LeserError("A policy's expansions need its run folder. Name one, or write --by search.")
    fitted = _fitted(names)
    if fitted and not source.names_task:
        raise LeserError(
            f"The baseline '{fitted[0]}' is fitted on a task's train and dev. Name one with --task, or a run."
        )


def baselines_named(by: str, read: tuple[RunConfig, Registry]) -> list[Baseline]:
    """The baselines that `--by` names, not fitted yet. Raises LeserError for one that is not there or cannot be stored."""
    config, registry = read
    there = {offer.name for offer in registry.offers() if offer.kind == "baseline"}
    made = []
    for name in _fitted(proposers_of(by)):
        if name not in there:
            storable = (n for n, cls in registry.all("baseline").items() if not ranks_itself(cls))
            raise unknown_name("proposer", name, (POLICY, SEARCH, BOTH, *storable))
        cls = registry.get("baseline", name)
        if ranks_itself(cls):
            raise LeserError(no_clauses(name))
        made.append(make_baseline(cls, config.evaluation.baseline_options.get(name, {})))
    boosts = "term_weights" in registry.get("backend", config.backend.name).capabilities
    if made and boosts and config.expansion.mode == "fuse":
        raise LeserError(
            f"The baseline '{made[0].name}' adds weighted clauses to one search, and expansion.mode=fuse searches for each "
            "expansion by itself. Set -o expansion.mode=boost."
        )
    return made


@contextmanager
def open_job(
    source: Source, by: str, judgments: str, registry_and_config: tuple[RunConfig, Registry] | None = None
) -> Iterator[PrecomputeJob]:
    """A job with its engine open; closed in the end. `by` as in `proposers_of`.

    Raises LeserError before anything expensive.
    """
    check_by(source, by)
    config, registry = read = registry_and_config or source.read()
    names, baselines = proposers_of(by), baselines_named(by, read)
    named = JobSettings(
        platform=config.platform.name or "",
        judgments=judgments,
        seed=config.seed,
        precompute=config.precompute,
        verified=config.verified,
        others=(
            json.dumps(config.rules.table(), sort_keys=True, default=str),
            config.constraints.model_dump_json(),
            config.prompt.model_dump_json(),
        ),
    )
    if names == (SEARCH,):
        kind = registry.get("backend", config.backend.name)
        task = task_of(config, registry) if source.needs_task(kind, config.backend.options) else None
        environment, _ = open_environment(config, registry, task)
        with environment.client:
            yield _job(named, environment, task, [_search(named, environment, task)])
        return
    with open_session(config, registry) as session:
        proposers: list[Proposer] = []
        if POLICY in names:
            assert source.run is not None
            folder = open_folder(source.run)
            proposers.append(PolicyProposer(open_sampler(folder, session), policy_name(folder.path)))
        if SEARCH in names:
            proposers.append(_search(named, session.environment, session.task))
        proposers += [_by_baseline(baseline, session, judgments) for baseline in baselines]
        yield _job(named, session.environment, session.task, proposers)


def _by_baseline(baseline: Baseline, session: Session, judgments: str) -> BaselineProposer:
    """The proposer, fitted on train and dev without the judgments that may not be read; on test's never."""
    train, dev = (s if s.name in PARTS[judgments] else replace(s, qrels={}) for s in session.task.splits[:2])
    context = context_of(session)
    context = replace(context, task=replace(context.task, train=train, dev=dev))
    # the untrained policy, where it can be asked for passages
    writer = session.config.policy.model_dump_json() if context.write is not None else ""
    name = fitted_name(baseline, context.task, (str(context.seed), writer))
    return BaselineProposer(baseline, context, session.environment, name, session.reporter.warn)


@contextmanager
def job_for(
    source: Source, by: str, judgments: str, read: tuple[RunConfig, Registry], cluster: Cluster | None = None
) -> Iterator[BlockAnswerer]:
    """A job in this process, or on the workers of a Ray cluster, each of which opens it for itself."""
    if cluster is None:
        with open_job(source, by, judgments, read) as job:
            yield job
        return
    with open_workers(partial(open_job, source, by, judgments), cluster) as workers:
        yield workers


def _search(named: JobSettings, environment: Environment, task: Task | None) -> SearchProposer:
    sources = sources_of(environment, named.verified, task)
    return SearchProposer(environment, named.verified, sources, named.seed)


def _job(named: JobSettings, environment: Environment, task: Task | None, proposers: list[Proposer]) -> PrecomputeJob:
    labels, ids = labels_of(task, named.judgments)
    searched = named.verified.model_dump_json() if any(p.name == SEARCH for p in proposers) else ""
    guarded = named.precompute.model_dump_json(exclude={"queries_at_once"})
    read = named.judgments if labels.qrels else "none"
    names = [proposer.name for proposer in proposers]
    settings = [*named.others, guarded, searched, read, str(named.seed)]
    recipe = recipe_of(environment, names, named.platform, settings)
    guards = Guards(environment, named.precompute, labels, named.seed)
    return PrecomputeJob(proposers, guards, recipe, named.platform, ids, judged_of(labels, ids))


def labels_of(task: Task | None, judgments: str) -> tuple[Split, Mapping[str, str]]:
    """The judgments that may be read, as one split, and the ids of its queries by their key."""
    splits: Iterable[Split] = [s for s in task.splits if s.name in PARTS[judgments]] if task else ()
    queries = tuple(query for split in splits for query in split.queries)
    qrels = {query: grades for split in splits for query, grades in split.qrels.items()}
    return Split(judgments, queries, qrels), {query_key(query.text): query.id for query in queries}
