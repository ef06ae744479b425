"""Session: from a configuration to a task, its engine and its judge, each checked before anything expensive starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from leser.backend import Backend
from leser.baseline import BaselineContext
from leser.config.build import backend_of, task_of
from leser.config.tables import RunConfig
from leser.constraints.asking import QueryConstraints
from leser.engine import SearchClient
from leser.engine.checked import CheckedBackend
from leser.engine.words import EngineWords
from leser.environment import Environment
from leser.errors import IndexMissing, LeserError
from leser.evaluation.measures import Measurer
from leser.holes.expected import ExpectedGrades, bind
from leser.holes.judge import DocumentJudge, usual_judge
from leser.lesson import Lesson, teach
from leser.plugins import Registry
from leser.policy.passages import passage_writer
from leser.progress import Reporter
from leser.reward import Reward
from leser.rules import build_book
from leser.scoring import RewardSet
from leser.similarity import comparing
from leser.task import Task, has_relevant

MOST_MISSING = 0.5
"""Share of judged documents the index may lack before training on it is refused."""


@dataclass(frozen=True, slots=True)
class Session:
    """A task, its engine and its judge, open and checked; a context manager that closes the engine.

    `environment` judges completions with the engine, `facts` are what the engine says of itself, `reporter` talks to the
    user.
    """

    config: RunConfig
    registry: Registry
    task: Task
    client: SearchClient
    environment: Environment
    facts: dict[str, Any]
    reporter: Reporter = field(default_factory=Reporter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()


def open_backend(config: RunConfig, registry: Registry, task: Task | None) -> Backend:
    """Build the configured backend; one that works in process takes the task's documents."""
    backend = backend_of(config, registry)
    if backend.takes_documents and getattr(backend.options, "documents", None) is None:
        if task is None or task.documents is None:
            raise LeserError(
                f"The backend '{backend.name}' holds documents in process, but "
                f"{f'the task {task.name} brings none' if task else 'no task was given'}."
            )
        CheckedBackend(backend).load(task.documents())
    return backend


def open_session(
    config: RunConfig, registry: Registry, reporter: Reporter | None = None, task: Task | None = None
) -> Session:
    """Read the task, open the engine, check that it answers and holds the judged documents, and build the judge.

    `task` is one that was read already. Raises LeserError saying what to do; nothing stays open then.
    """
    task = task or task_of(config, registry)
    if not task.train.queries:
        raise LeserError(
            f"The task {task.name} has no train query with a relevant document: there is nothing to learn from. Rewards that "
            "need no judgments learn from unjudged queries, with -o task.unjudged=all."
        )
    if not task.dev.queries:
        raise LeserError(
            f"The task {task.name} has no dev query with a relevant document: the best policy could not be chosen. "
            "Give it dev judgments, or more train queries to split them from."
        )
    check_evaluation(config, registry, task)
    environment, facts = open_environment(config, registry, task)
    with ExitStack() as on_failure:
        on_failure.callback(environment.client.close)
        facts["judged_missing"] = check_judged(environment.client, task)
        on_failure.pop_all()
    return Session(config, registry, task, environment.client, environment, facts, reporter or Reporter())


def open_environment(
    config: RunConfig, registry: Registry, task: Task | None = None, *, judging: bool = True
) -> tuple[Environment, dict[str, Any]]:
    """Open the engine, check that it answers, and build the judge; also what the engine says of itself.

    `task` brings the documents of an engine in process; it may lack judgments. Without `judging` the rewards are built and
    taught nothing: they are there for their models. The caller closes the environment's client.
    Raises LeserError saying what to do; nothing stays open then.
    """
    ask = QueryConstraints(config.constraints.at(config.platform.locale))
    backend = open_backend(config, registry, task)
    client = SearchClient(backend, config.search)
    title_field = task.title_field if task else "title"
    with ExitStack() as on_failure:
        on_failure.callback(client.close)
        facts = _checked(backend, config)
        client.check_mode(config.expansion)
        ask.check(backend)
        rewards = RewardSet.of(config.rewards, registry.all("reward"), config.expansion)
        words, table = EngineWords(backend, client.ask), config.rules
        rules = build_book(table.given, registry.all("rule"), words, config.expansion, table.locale)
        check_nearest(config, rewards, task)
        judge = config.evaluation.judge
        expected = expected_of(judge, rewards, registry.all("reward"), client, task, config.seed) if judging else None
        bind(rewards.rewards, expected)
        environment = Environment(
            client,
            rewards,
            config.expansion,
            title_field,
            rules,
            config.platform.name,
            ask,
            expected,
            task.documents if task else None,
        )
        if judging:
            teach(rewards.rewards, lesson_of(task, environment, config.seed))
        if len(rules.codes) > 1:
            facts["rules"] = ", ".join(rules.codes)
        if config.constraints.enabled:
            facts["constraints"] = f"{', '.join(config.constraints.kinds)} ({ask.options.locale})"
        on_failure.pop_all()
    return environment, facts


def check_nearest(config: RunConfig, rewards: RewardSet, task: Task | None) -> None:
    """Raises LeserError where prompts are to show words of nearest documents, and nothing can say which those are."""
    if not (config.prompt.context and config.prompt.nearest):
        return
    if comparing(rewards.rewards) is None:
        raise LeserError(
            "prompt.nearest needs a reward with an encoder, and there is none. Add one, such as --reward encoder@10=0.1, "
            "or set -o prompt.nearest=0."
        )
    if task is None or task.documents is None:
        raise LeserError(
            "prompt.nearest needs the documents, and the task brings none. Give the task its documents (`leser corpus` writes "
            "them of an engine's index), or set -o prompt.nearest=0."
        )


def expected_of(
    named: str | None,
    rewards: RewardSet,
    classes: Mapping[str, type[Reward]],
    client: SearchClient,
    task: Task | None,
    seed: int,
) -> ExpectedGrades | None:
    """What unjudged documents are worth under the named judge, or that of the run's rewards; None without either.

    Nothing is learned yet. Raises LeserError where the judge named cannot judge documents, or the judgments cannot teach it.
    """
    judge = named or usual_judge(rewards.rewards)
    if judge is None or task is None:
        return None
    expected = ExpectedGrades(DocumentJudge.of(judge, classes, client.fetch), task.train, seed)
    if named and expected.lacking:
        raise LeserError(
            f"evaluation.judge={named} cannot fill holes: {expected.lacking}. Leave it out, or judge more."
        )
    return expected if named or not expected.lacking else None


def lesson_of(task: Task | None, environment: Environment, seed: int) -> Lesson | None:
    """What rewards that learn may learn from; None without a task."""
    return Lesson(task.train, environment.client.fetch, environment.originals, seed) if task else None


def _checked(backend: Backend, config: RunConfig) -> dict[str, Any]:
    """The backend's facts; where its index is missing, the error holds the command that builds it."""
    try:
        return dict(CheckedBackend(backend).check())
    except IndexMissing as error:
        seed = config.task.options.get("seed", 1)
        raise LeserError(error.message(config.task.name + (f" -o task.seed={seed}" if seed != 1 else ""))) from error


def context_of(session: Session) -> BaselineContext:
    """What the session's baselines are fitted with."""
    config = session.config
    return BaselineContext(
        client=session.client,
        task=session.task,
        rewards=session.environment.rewards,
        seed=config.seed,
        write=passage_writer(config.policy),
        platform=config.platform.name,
        ask=session.environment.ask,
    )


def check_evaluation(config: RunConfig, registry: Registry, task: Task) -> None:
    """Find a misspelled baseline or measure now rather than after hours of training."""
    for name in config.evaluation.baselines:
        registry.get("baseline", name)
    primary = [config.evaluation.primary] if config.evaluation.primary else []
    Measurer(task.test, [*primary, *config.evaluation.measures], registry.all("reward"))


def check_judged(engine: Backend | SearchClient, task: Task, sample: int = 2000) -> str:
    """Which share of (a sample of) the judged documents the index lacks, in words; raises LeserError above half."""
    judged = sorted({d for split in task.splits for grades in split.qrels.values() for d in grades})
    asked = judged[:: max(1, len(judged) // sample)]
    if isinstance(engine, SearchClient):
        held = engine.fetch(asked, (task.title_field,), resumable=False)
    else:
        held = CheckedBackend(engine).fetch(asked, (task.title_field,))
    missing = [d for d in asked if d not in held]
    if not missing:
        return ""
    share = len(missing) / len(asked)
    fact = f"the index lacks {len(missing)} of {len(asked)} judged documents looked up, e.g. {', '.join(missing[:3])}"
    if share > MOST_MISSING:
        raise LeserError(
            f"The judgments do not match the index: {fact}. "
            "Point the backend at the index of these documents, or build it with `leser index`."
        )
    return fact


def describe(session: Session) -> Sequence[str]:
    """Lines that tell the user what a run would work on."""
    task = session.task
    counts = ", ".join(f"{s.name} {len(s.queries)}" for s in task.splits)
    relevant = [has_relevant(s.qrels, q) for s in task.splits for q in s.queries]
    lines = [f"Task {task.name}: queries{' with a relevant document' if all(relevant) else ''}: {counts}.", *task.notes]
    lines += [f"{key}: {value}" for key, value in session.facts.items() if value != ""]
    lines.append(f"Reward: {session.environment.rewards.formula}.")
    return lines
