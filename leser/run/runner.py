"""A run from start to end: check everything, train through the stages, evaluate once on test, write the report."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from leser.config.build import task_of
from leser.errors import LeserError
from leser.evaluation.pseudo_documents import baselines_of
from leser.files import write_folder
from leser.monitor.monitor import Monitor, second_engine
from leser.policy.options import check_policy
from leser.policy.threads import choose_threads
from leser.progress import Reporter
from leser.run.checks import (
    check_asked,
    check_context,
    check_final,
    check_writing,
    policy_notes,
    prompt_notes,
)
from leser.run.trial import TRIED_QUERIES, example_search, try_baselines, try_rewards_and_rules
from leser.session import Session, describe, prepare
from leser.store.disk import check_room, telling_when_full
from leser.store.folder import RunFolder
from leser.store.resume import known_to
from leser.task import Task

if TYPE_CHECKING:
    from leser.config.tables import RunConfig
    from leser.plugins import Registry
    from leser.policy.policy import Policy
    from leser.sampler import Sampler
    from leser.training.stages import Training
    from leser.warmup.targets import Target


def run(config: RunConfig, registry: Registry, *, own_process: bool = False) -> int:
    """Run (or with `config.dry_run` only check) one configuration; returns the exit code. Raises LeserError.

    In a process that is LESER's own, torch is given a sensible number of threads.
    """
    folder = RunFolder(Path(config.out))
    with Reporter() as reporter:
        task = task_of(config, registry)
        baselines_of(config.evaluation, config.policy)
        session = prepare(config, registry, task)
        try:
            lacking = session.facts.pop("judged_missing", "")
            for text in describe(session):
                reporter.say(text)
            if lacking:
                reporter.warn(f"{lacking}. What the index lacks cannot be found: every measure is lower for it.")
            check_context(config.policy, config.training.max_new_tokens)
            if own_process:
                reporter.say(str(choose_threads(config.policy, folder.threads if config.resume else None)))
            reporter.say(f"Policy {check_policy(config.policy)}. {example_search(session)}.")
            try_rewards_and_rules(session)
            try_baselines(config, registry, session, reporter.warn)
            check_final(config, registry, session, session.task.test)
            with closing(_monitor(config, registry, session, reporter)) as monitor:
                if config.dry_run:
                    folder.check_writable()
                    _check_outline(config, session, folder, reporter)
                    print(config.resolved())
                    reporter.say("Dry run: everything was checked, nothing was trained or written.")
                    return 0
                with telling_when_full(folder):
                    _in_folder(config, registry, session, folder, reporter, monitor)
        finally:
            session.client.close()
    return 0


def _check_outline(config: RunConfig, session: Session, folder: RunFolder, reporter: Reporter) -> None:
    """Check the policy as far as it can be without its weights, which a dry run neither loads nor makes."""
    from leser.policy.loading import preview_policy

    policy = preview_policy(config.policy, task_texts=[q.text for q in session.task.train.queries[:TRIED_QUERIES]])
    for text in [*policy_notes(policy), *check_writing(config, session, policy)]:
        reporter.say(text)
    check_room(folder, policy.model)


def _monitor(config: RunConfig, registry: Registry, session: Session, reporter: Reporter) -> Monitor:
    second = second_engine(config, registry, session.task, session.environment)
    options, dev = config.training.monitor, session.task.dev
    return Monitor(options, session.environment, dev, config.training.max_new_tokens, reporter.warn, second)


def _in_folder(
    config: RunConfig,
    registry: Registry,
    session: Session,
    folder: RunFolder,
    reporter: Reporter,
    monitor: Monitor,
) -> None:
    """Make or take up the run folder, and everything from there on."""
    import torch

    fresh = not folder.config_path.exists()
    folder.create(config.resolved(), resume=config.resume, known=known_to(registry))
    if fresh:
        folder.note_threads(torch.get_num_threads())
    registry.notify("leser_run_started", run=folder)
    if (folder.path / "evaluation.json").exists():
        reporter.say(f"{folder.path} holds a finished run: see {folder.path / 'report.html'}.")
    else:
        try:
            policy = build_policy(config, session.task, folder, reporter)
            notes = check_writing(config, session, policy)
            check_room(folder, policy.model)
        except LeserError:
            if fresh:  # a folder that holds nothing but a configuration that cannot work would only be in the way
                _take_back(folder)
            raise
        for text in [*policy_notes(policy), *notes]:
            reporter.say(text)
        _train_and_evaluate(config, registry, session, folder, reporter, policy, monitor)
    registry.notify("leser_run_ended", run=folder)


def _take_back(folder: RunFolder) -> None:
    shutil.rmtree(folder.path / "policies", ignore_errors=True)
    folder.forget()


def _train_and_evaluate(
    config: RunConfig,
    registry: Registry,
    session: Session,
    folder: RunFolder,
    reporter: Reporter,
    policy: Policy,
    monitor: Monitor,
) -> None:
    from leser.run.final_evaluation import final_evaluation
    from leser.sampler import Sampler
    from leser.training.stages import Training

    sampler = Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens)
    training = Training(
        config, session, sampler, folder, reporter, lambda row: registry.notify("leser_step", metrics=row), monitor
    )
    training.restore()
    try:
        _train(config, session, training, sampler, folder, reporter)
        evaluation = final_evaluation(config, registry, session, training, sampler, folder, reporter)
    except (KeyboardInterrupt, LeserError):
        reporter.say(f"Stopped. Go on with: leser-run --config {folder.config_path} --resume")
        raise
    registry.notify("leser_evaluated", evaluation=evaluation)


def _train(
    config: RunConfig, session: Session, training: Training, sampler: Sampler, folder: RunFolder, reporter: Reporter
) -> None:
    """Go through the stages that the checkpoint has not behind it."""
    dev = sampler.prompts(session.task.dev.queries)
    check_asked(session.environment, session.task.dev)
    reporter.say(f"Mean prompt length: {sampler.mean_prompt_length():.0f} tokens.")
    for text in prompt_notes(sampler, dev):
        reporter.warn(text)
    targets: list[Target] = []
    wants_more = config.evaluation.warmup_plus and config.warmup.enabled
    if config.warmup.enabled and (training.state.stage != "grpo" or wants_more):
        targets = _targets(config, session, sampler, folder, reporter)
    if training.state.stage == "warmup":
        if config.warmup.enabled:
            training.warm_up(targets)
        else:
            write_folder(training.parts / "warmup", sampler.policy.save)
    if training.state.stage in ("warmup", "grpo"):
        training.grpo()
    if wants_more:
        training.warm_up_more(targets)


def _targets(
    config: RunConfig, session: Session, sampler: Sampler, folder: RunFolder, reporter: Reporter
) -> list[Target]:
    """Proven targets, sought once a run; targets.jsonl of the folder keeps them."""
    from leser.warmup.targets import proven_targets, read_targets, write_targets

    path = folder.path / "targets.jsonl"
    if path.exists():
        return read_targets(path, session.task.train)
    reporter.say("Looking for expansions that the engine proves on train queries ...")
    seen = sampler.observations(session.task.train.queries)
    targets = proven_targets(session.environment, session.task.train, seen, config.warmup, config.seed)
    useful = sum(t.gain > 0 for t in targets)
    reporter.say(
        f"{len(targets)} targets, {useful} of which raise the reward, after {session.client.stats().searches} searches."
    )
    if not targets:
        raise LeserError(
            "No train query has a target to start from: every search failed. Check the engine, or set warmup.enabled=false."
        )
    write_targets(path, targets)
    return targets


def build_policy(config: RunConfig, task: Task, folder: RunFolder, reporter: Reporter) -> Policy:
    """Load the policy; one that is made for the task is made once and kept in policies/base."""
    from leser.policy.loading import load_policy

    base = folder.path / "policies" / "base"
    if config.policy.name != "tiny":
        return load_policy(config.policy)
    if not base.exists():
        reporter.say("Making the policy `tiny`: tokenizer and pre-training on the task's own text ...")
        policy = load_policy(config.policy, task_texts=list(task_texts(task)))
        write_folder(base, policy.save)
        return policy
    return load_policy(config.policy.model_copy(update={"name": str(base)}))


def task_texts(task: Task) -> list[str]:
    """What a policy made for the task learns its words from: the documents and the train queries, never dev or test."""
    texts = [q.text for q in task.train.queries]
    if task.documents is not None:
        texts += [" ".join(v for k, v in d.fields.items() if k in (task.title_field, "text")) for d in task.documents()]
    return texts
