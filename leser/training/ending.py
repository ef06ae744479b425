"""When GRPO ends: after its steps, where dev stands still, or where its time is spent; and the policy that counts then."""

from __future__ import annotations

from leser.sampler import Answers
from leser.training.state import PATIENCE, TIME, TrainingState


def keep_policy(state: TrainingState, answers: Answers) -> None:
    """Save the policy as policy/, the best on dev so far."""
    state.counters.best, state.counters.best_update = answers.value, state.counters.update
    state.save(state.folder.path / "policy")


def note_dev(state: TrainingState, answers: Answers) -> None:
    """Keep the policy where it is the best so far; end GRPO where too many in a row were not."""
    counters, patience = state.counters, state.session.config.training.patience
    if state.processes.same(answers.value > counters.best):
        counters.since_best = 0
        keep_policy(state, answers)
        return
    counters.since_best += 1
    if patience is not None and counters.since_best >= patience:
        counters.stopped = counters.stopped or PATIENCE


def total_steps(state: TrainingState) -> int:
    """The number of steps that the schedules span: those asked for, or as many as the time allows."""
    counters = state.counters
    budget, most = state.budget, state.session.config.training.steps
    return state.processes.same(budget.steps(counters.done, counters.grpo_seconds, most))


def end_in_time(state: TrainingState, spent: float | None = None) -> None:
    """End GRPO where the time for it does not hold one more step like those before."""
    counters = state.counters
    seconds = counters.grpo_seconds if spent is None else spent
    step_s = seconds / counters.done if counters.done else 0.0
    if state.processes.same(state.budget.grpo_left(seconds) <= step_s):
        counters.stopped = counters.stopped or TIME


def say_why(state: TrainingState) -> None:
    """Why GRPO ended before its last step."""
    counters, reporter = state.counters, state.session.reporter
    best = f"the best policy on dev, of step {counters.best_update}, is the one that counts"
    if counters.stopped == TIME:
        reporter.say(f"GRPO ends at step {counters.update}: the rest of training.minutes is for what follows; {best}.")
    elif counters.stopped == PATIENCE:
        reporter.say(
            f"GRPO ends at step {counters.update}: {counters.since_best} evaluations in a row were no better on dev "
            f"(training.patience); {best}."
        )
    elif counters.stopped:
        reporter.warn(
            f"The monitor ended GRPO at step {counters.update} ({counters.stopped}); {best}. A new run with "
            "-o training.monitor.stop=false does not stop."
        )


def warn_of_no_gain(state: TrainingState) -> None:
    """A warning where on dev the policy that counts earns less than leaving every query alone."""
    counters, original = state.counters, state.original_value()
    if counters.best < original:
        state.session.reporter.warn(
            f"On dev the best policy (of step {counters.best_update}) earns {counters.best:.4f}, and leaving every query alone "
            f"earns {original:.4f}. Do not serve this policy. A baseline of the table may do better: leser serve --by NAME."
        )
