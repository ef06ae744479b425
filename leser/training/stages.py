"""The stages of training, each of which a kill may interrupt: supervised warm-up, GRPO, and the control `warmup+`.

One counter of updates runs through all stages; checkpoints/step-N holds what the N-th left. A stage that resumes loads the
latest checkpoint, cuts metrics and rollouts back to it and resumes; it makes the same numbers again, because all noise
depends on (seed, step, query, sample) alone. Ctrl-C ends an update with a checkpoint (leser/training/interrupt.py).
"""

from __future__ import annotations

from leser.errors import LeserError
from leser.shares import in_words
from leser.task import drawn
from leser.training.ending import warn_of_no_gain
from leser.training.grpo import train_grpo
from leser.training.preference import find_pairs
from leser.training.state import TrainingState
from leser.training.warmup import warm_up, warm_up_more
from leser.training.weight import GRPO, tune_before_targets, tune_on_dev
from leser.warmup.nothing import left_alone, limit_left_alone
from leser.warmup.reasoning import reasoned
from leser.warmup.replayed import replayed_targets
from leser.warmup.searched import read_target_file, searched_targets
from leser.warmup.shown import HarmlessWords, shown_targets
from leser.warmup.targets import Target, proven_targets, read_targets, write_targets


def train(state: TrainingState) -> None:
    """Run the stages that the checkpoint has not completed."""
    config, counters = state.session.config, state.counters
    wants_more = config.evaluation.warmup_plus and config.warmup.enabled
    targets: list[Target] = []
    if config.warmup.enabled and (counters.stage != "grpo" or wants_more):
        targets = state.alone(lambda: find_targets(state))
    if counters.stage == "warmup":
        if config.warmup.enabled:
            warm_up(state, targets)
        else:
            state.save(state.policies / "warmup")
    if counters.stage in ("warmup", "grpo"):
        state.alone(lambda: tune_on_dev(state, GRPO, state.sampler))
        train_grpo(state)
        warn_of_no_gain(state)
    if wants_more:
        warm_up_more(state, targets)


def find_targets(state: TrainingState) -> list[Target]:
    """The warm-up's targets, sought once per run; targets.jsonl of the run folder keeps them. None where it learns from pairs."""
    session, path = state.session, state.folder.path / "targets.jsonl"
    train, reporter, options = session.task.train, session.reporter, session.config.warmup
    if options.loss == "dpo":
        find_pairs(state)
        return []
    if options.targets in ("proven", "shown") and options.targets_file is None and options.from_rollouts is None:
        tune_before_targets(state)
    if path.exists():
        return read_targets(path, train)
    found = _sought(state)
    nothing, queries = len(left_alone(found)), len({target.query.id for target in found})
    targets = limit_left_alone(found, options.max_none, session.config.seed)
    useful, searches = sum(t.gain > 0 for t in targets), session.client.stats().searches
    reporter.say(f"{len(targets)} targets, {useful} of which raise the reward, after {searches} searches.")
    if not targets:
        raise LeserError(
            "No train query has a target to start from: every search failed. Check the engine, or set -o warmup.enabled=false."
        )
    dropped = nothing - len(left_alone(targets))
    reporter.say(
        f"'none' is the target of {nothing} of the {queries} queries that have one ({in_words(nothing / queries)})"
        + (f"; {dropped} of them are left out (warmup.max_none)." if dropped else ".")
    )
    if session.environment.expansion.reasoning:
        targets = reasoned(state.sampler, targets, session.config.seed)
    write_targets(path, targets)
    return targets


def _sought(state: TrainingState) -> list[Target]:
    """Targets as the options say: of a file, an earlier run's rollouts, verified search, or relevant documents' words."""
    session = state.session
    options, task, environment = session.config.warmup, session.task, session.environment
    if options.targets_file is not None:
        session.reporter.say(f"Targets are read from {options.targets_file}.")
        return read_target_file(options.targets_file, task.train, options, environment.expansion)
    if options.from_rollouts is not None:
        session.reporter.say(f"Targets are made of the best completions of {options.from_rollouts}.")
        return replayed_targets(environment, task.train, options, session.config.seed)
    session.reporter.say("Looking for expansions that the engine proves on train queries ...")
    if options.targets == "search":
        path = state.folder.path / "targets-search.jsonl"
        return searched_targets(environment, task, options, session.config.verified, session.config.seed, path)
    asked = drawn(task.train.queries, options.max_queries, session.config.seed)  # nothing is asked of the others
    if options.targets == "shown":
        prompt, seen = session.config.prompt, state.sampler.observations(asked)
        harmless = options.shown == "harmless"
        choice = HarmlessWords(environment, task, prompt, session.config.verified) if harmless else None
        return shown_targets(environment, task.train, seen, prompt, choice)
    return proven_targets(environment, task.train, state.sampler.observations(asked), options, session.config.seed)
