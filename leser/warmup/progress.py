"""WarmupProgress: where supervised training stands, and when it has learned what it can."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from leser.errors import LeserError
from leser.warmup.options import WarmupOptions

BEGINNING = 10
"""Most dev evaluations without a gain over the original queries before a standstill counts as one."""


@dataclass(slots=True)
class WarmupProgress:
    """Where supervised training stands; with weights and moments, enough to resume."""

    step: int = 0
    evaluations: int = 0  # on dev
    best: float = float("-inf")
    best_step: int = 0
    since_best: int = 0
    loss: float = float("inf")  # mean between the last two evaluations
    losses: list[float] = field(default_factory=list)  # since the last evaluation
    seconds: float = 0.0
    skipped: int = 0  # updates so far whose gradient was not finite
    held_best: float = float("inf")  # lowest loss on held-out targets
    held_step: int = 0

    def take(self, loss: float | None) -> None:
        """Take in the loss of an update, None where it was skipped."""
        if loss is None:
            self.skipped += 1
        else:
            self.losses.append(loss)

    def ended(self, options: WarmupOptions) -> bool:
        """Whether dev has stood still for long enough."""
        return self.since_best >= options.patience or self.evaluations >= options.max_evaluations

    def note(self, value: float, original: float, held: float | None = None) -> bool:
        """Take in an evaluation on dev; returns whether the policy is the best so far.

        `original` is what dev earns when every query is left alone. Before it beats that, a policy learns which words there
        are, then which belong to which query: dev falls first and the loss tells the progress. Until then the latest is the
        best, and no standstill is counted. `held` is the loss on held-out targets, where there are any: it takes the place of
        the loss, which falls as well where a small task is learned by heart, and no standstill is counted while it falls.
        Raises LeserError when every update since the last evaluation was skipped.
        """
        if not self.losses:
            raise LeserError(
                f"Supervised training skipped all its steps since the last evaluation ({self.skipped} in all): loss or "
                "gradient was not finite. Lower warmup.learning_rate, or set policy.precision=fp32."
            )
        self.evaluations += 1
        loss = fmean(self.losses)
        below = self.evaluations <= BEGINNING and max(self.best, value) <= original
        likelier = held is not None and held < self.held_best
        better = value > self.best or (below and (likelier if held is not None else loss < 0.99 * self.loss))
        self.loss, self.losses = loss, []
        self.since_best = 0 if better or likelier else self.since_best + 1
        if better:
            self.best, self.best_step = value, self.step
        if held is not None and likelier:
            self.held_best, self.held_step = held, self.step
        return better
