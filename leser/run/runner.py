"""A run from start to end: check everything, train through the stages, evaluate once on test, write the report."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from leser.command import resume_command
from leser.config.build import rollouts_of
from leser.config.tables import RunConfig
from leser.errors import EngineDown, LeserError
from leser.evaluation.pseudo_documents import baselines_of
from leser.files import write_folder
from leser.grpo.options import check_optimizer
from leser.lesson import prepare
from leser.monitor.monitor import Monitor, open_monitor
from leser.monitor.tracking import Tracking, check_trackers
from leser.plugins import Registry
from leser.policy.options import check_policy
from leser.policy.threads import choose_threads
from leser.processes import ALONE, Processes, joined
from leser.progress import Reporter
from leser.run.checks import (
    check_asked,
    check_context,
    check_final,
    check_targets,
    check_writing,
    memory_of,
    policy_notes,
    prompt_notes,
)
from leser.run.diagnosis import diagnose, lines
from leser.run.primary import settle_primary, unfilled
from leser.run.trial import TRIED_QUERIES, example_search, try_baselines, try_rewards_and_rules
from leser.session import Session, describe, open_session
from leser.store.disk import check_room, telling_when_full
from leser.store.folder import RunFolder
from leser.store.resume import known_to
from leser.task import Task
from leser.training.budget import RunTime

if TYPE_CHECKING:
    from leser.policy.policy import Policy


def run(config: RunConfig, registry: Registry, *, own_process: bool = False) -> RunFolder:
    """Run (or with `config.dry_run` only check) one configuration; returns its run folder. Raises LeserError.

    In a process that is LESER's own, torch is given a sensible number of threads.
    """
    folder, runtime = RunFolder(Path(config.out)), RunTime.now(own_process=own_process)
    baselines_of(config.evaluation, config.policy)
    check_trackers(config.training.trackers)
    check_optimizer(config.training.optimizer)
    with (
        joined(config.training.process_timeout) as processes,
        Reporter(None if processes.main else Console(stderr=True, quiet=True)) as reporter,
        _announced(reporter, folder, resume=config.resume),
        open_session(config, registry, reporter) as opened,
    ):
        session = opened
        if processes.count > 1:
            reporter.say(f"{processes.count} processes share the work; the first of them writes the run folder.")
        lacking = session.facts.pop("judged_missing", "")
        for text in describe(session):
            reporter.say(text)
        for text in session.task.warnings:
            reporter.warn(text)
        if lacking:
            reporter.warn(f"{lacking}. What the index lacks cannot be found: every measure is lower for it.")
        check_context(config.policy, config.training.max_new_tokens)
        if said := rollouts_of(config, registry).check():
            reporter.say(f"Completions to learn from are drawn by {said}.")
        if own_process:
            reporter.say(str(choose_threads(config.policy, folder.threads if config.resume else None)))
        reporter.say(f"Policy {check_policy(config.policy)}. {example_search(session)}.")
        session, said = settle_primary(session, folder)
        for text in filter(None, (said, unfilled(session))):
            reporter.say(text)
        prepare(session.environment.rewards.rewards, reporter)
        try_rewards_and_rules(session)
        try_baselines(session)
        check_final(session, session.task.test)
        check_targets(session)
        with closing(open_monitor(session)) as monitor:
            if config.dry_run:
                processes.first(lambda: _dry_run(session, folder))
                return folder
            with telling_when_full(folder):
                _run_in(folder, session, monitor, processes, runtime)
    return folder


@contextmanager
def _announced(reporter: Reporter, folder: RunFolder, *, resume: bool) -> Iterator[None]:
    """Say where there is no run to resume, before the engine is opened."""
    if resume and not folder.config_path.exists():
        reporter.say(folder.nothing_to_resume())
    yield


def _dry_run(session: Session, folder: RunFolder) -> None:
    """What is checked and said without training or writing."""
    folder.check_writable()
    _check_outline(session, folder)
    _diagnose(session)
    print(session.config.resolved())
    session.reporter.say("Dry run: everything was checked, nothing was trained or written.")


def _check_outline(session: Session, folder: RunFolder) -> None:
    """Check the policy as far as it can be without its weights, which a dry run neither loads nor makes."""
    from leser.policy.loading import preview_policy

    texts = [q.text for q in session.task.train.queries[:TRIED_QUERIES]]
    policy = preview_policy(session.config.policy, task_texts=texts)
    for text in [*policy_notes(policy), *check_writing(session, policy)]:
        session.reporter.say(text)
    session.reporter.say(memory_of(session, policy))
    check_room(folder, policy.model, session.config.training.keep_checkpoints)


def _diagnose(session: Session) -> None:
    """Say what the rewards can see; an engine that stops answering takes this away, and nothing else."""
    config, say = session.config, session.reporter.say
    try:
        found = diagnose(session.environment, session.task.train, config.prompt, config.seed)
    except EngineDown as error:
        say(f"What the rewards see was not tried out: the engine stopped answering. {error}")
        return
    if found is None or not found.queries:
        say(
            "What the rewards see was not tried out: no train query has two feedback terms that could be searched with."
        )
        return
    for text in lines(found):
        say(text)


def _run_in(
    folder: RunFolder, session: Session, monitor: Monitor, processes: Processes = ALONE, runtime: RunTime | None = None
) -> None:
    """Make the run folder or resume the run in it, and everything from there on."""
    config, registry, reporter = session.config, session.registry, session.reporter
    processes.gather(None)  # nobody still looks whether there is a run
    fresh = processes.first(lambda: _begin(folder, session))
    if not folder.config_path.exists():
        raise LeserError(
            f"This process cannot see {folder.path}, where the main process has begun the run. Put --out on a disk that all "
            "processes of the run share."
        )
    if config.training.trackers and processes.main:
        registry.observe(Tracking(config.training.trackers, tomllib.loads(config.resolved())))
    if processes.main:
        registry.notify("leser_run_started", run=folder)
    if processes.same((folder.path / "evaluation.json").exists()):
        reporter.say(f"{folder.path} holds a finished run: see {folder.path / 'report.html'}.")
    else:
        try:
            policy = _shared_policy(session, folder, processes)
            notes = check_writing(session, policy)
            processes.first(lambda: check_room(folder, policy.model, config.training.keep_checkpoints))
        except LeserError:
            if (
                fresh and processes.main
            ):  # a folder that holds nothing but a configuration that cannot work would be in the way
                shutil.rmtree(folder.path / "policies", ignore_errors=True)
                folder.forget()
            raise
        for text in [*policy_notes(policy), *notes]:
            reporter.say(text)
        _train_and_evaluate(session, folder, policy, monitor, processes, runtime)
    if processes.main:
        registry.notify("leser_run_ended", run=folder)


def _begin(folder: RunFolder, session: Session) -> bool:
    """Make the run folder, or see whether the run in it can be resumed; returns whether it is new."""
    import torch

    config = session.config
    fresh = not folder.config_path.exists()
    folder.create(config.resolved(), resume=config.resume, known=known_to(session.registry))
    if fresh:
        folder.note_threads(torch.get_num_threads())
    return fresh


def _shared_policy(session: Session, folder: RunFolder, processes: Processes) -> Policy:
    """The policy in each process: the main one makes or downloads it, the others load what it left."""
    made: list[Policy] = []
    processes.first(lambda: made.append(build_policy(session, folder)))
    return made[0] if made else build_policy(session, folder)


def _train_and_evaluate(
    session: Session,
    folder: RunFolder,
    policy: Policy,
    monitor: Monitor,
    processes: Processes,
    runtime: RunTime | None,
) -> None:
    from leser.run.final_evaluation import evaluate_on_test
    from leser.sampler import Sampler
    from leser.training.stages import train
    from leser.training.state import TrainingState

    config, reporter = session.config, session.reporter
    engine = rollouts_of(config, session.registry)
    sampler = Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens, rollouts=engine)
    state = TrainingState(session, sampler, folder, monitor, processes, runtime)
    state.restore()
    evaluation: dict[str, Any] = {}

    def finish() -> None:
        state.export()
        evaluation.update(evaluate_on_test(state))

    try:
        dev = sampler.prompts(session.task.dev.queries)
        check_asked(session.environment, session.task.dev)
        reporter.say(f"Mean prompt length: {sampler.mean_prompt_length():.0f} tokens.")
        for text in prompt_notes(sampler, dev):
            reporter.warn(text)
        train(state)
        processes.first(finish)
    except (KeyboardInterrupt, LeserError):
        reporter.say(f"Stopped. Resume with: {resume_command(folder.config_path)}")
        raise
    if processes.main:
        session.registry.notify("leser_evaluated", evaluation=evaluation)


def build_policy(session: Session, folder: RunFolder) -> Policy:
    """Load the policy; one that is made for the task is made once and kept in policies/base."""
    from leser.policy.loading import load_policy

    options, base, seed = session.config.policy, folder.path / "policies" / "base", session.config.seed
    if options.name != "tiny":
        return load_policy(options, seed=seed)
    if not base.exists():
        session.reporter.say("Making the policy `tiny`: tokenizer and pre-training on the task's own text ...")
        if options.tiny.seed is None:
            options = options.model_copy(update={"tiny": options.tiny.model_copy(update={"seed": seed})})
        policy = load_policy(options, task_texts=list(task_texts(session.task)), seed=seed)
        write_folder(base, policy.save)
        return policy
    return load_policy(options.model_copy(update={"name": str(base)}), seed=seed)


def task_texts(task: Task) -> list[str]:
    """What a policy made for the task learns its words from: the documents and the train queries, never dev or test."""
    texts = [q.text for q in task.train.queries]
    if task.documents is not None:
        texts += [" ".join(v for k, v in d.fields.items() if k in (task.title_field, "text")) for d in task.documents()]
    return texts
