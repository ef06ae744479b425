"""Watch: judges the rows of GRPO's steps one after the other, and says in a sentence what looks like a gamed reward."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from leser.config.training import MonitorOptions
from leser.shares import in_words

NEAR_LIMIT = 0.9
"""Completions of this share of the longest allowed, on average, are cut off before they say what they mean to."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One evaluation on dev: its own figures, and the mean training reward of the window before it (None: none yet)."""

    dev: float
    second: dict[str, float]
    training: float | None


class Watch:
    """A function of the rows seen so far: the same rows in the same order give the same warnings.

    A row may hold `reward`, `length`, `echo`, `repeated_terms`, `commonest_term`, `unknown_expansions`, and after an evaluation
    on dev `dev_reward`, `dev_<measure>` and `dev_second_engine`. A warning is given once, and again only after its sign was
    absent for a whole window.
    """

    def __init__(self, options: MonitorOptions, limit: int) -> None:
        self._options, self._limit = options, limit
        self._recent: dict[str, deque[float]] = {}
        self._start: dict[str, float] = {}  # means of the first full window
        self._looks: list[_Look] = []
        self._parted: dict[str, str] = {}
        self._seen_at: dict[str, int] = {}
        self._rows = 0

    def __call__(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The signs that are new with this row, each with its sentence."""
        self._rows += 1
        for name in ("reward", "length", "echo", "repeated_terms", "commonest_term", "unknown_expansions"):
            self._note(name, row.get(name))
        if _number(row.get("dev_reward")):
            self._look(row)
        signs = {**self._length(), **self._shares(), **self._parted}
        last = {sign: self._seen_at.get(sign) for sign in signs}
        self._seen_at.update(dict.fromkeys(signs, self._rows))
        return {sign: text for sign, text in signs.items() if self._is_new(last[sign])}

    def _is_new(self, last: int | None) -> bool:
        return last is None or self._rows - last > self._options.window

    def _note(self, name: str, value: Any) -> None:
        if not _number(value):
            return
        recent = self._recent.setdefault(name, deque(maxlen=self._options.window))
        recent.append(value)
        if len(recent) == self._options.window:
            self._start.setdefault(name, fmean(recent))

    def _mean(self, name: str) -> float | None:
        """The mean over the window, None until it is full: a few steps prove nothing."""
        recent = self._recent.get(name, ())
        return fmean(recent) if len(recent) == self._options.window else None

    def _length(self) -> dict[str, str]:
        now, start, growth = self._mean("length"), self._start.get("length"), self._options.growth
        if now is None or start is None:
            return {}
        if now >= NEAR_LIMIT * self._limit:
            return {
                "length": f"completions are {now:.1f} tokens long on average, at the limit of {self._limit}: "
                "most are cut off. Raise training.max_new_tokens, or look for a reward that pays for length."
            }
        if now >= growth * start:
            return {
                "length": f"completions grew from {start:.1f} to {now:.1f} tokens: the reward may pay for length as such."
            }
        if now <= start / growth:
            return {
                "length": f"completions shrank from {start:.1f} to {now:.1f} tokens: the reward may pay for saying little."
            }
        return {}

    def _shares(self) -> dict[str, str]:
        options = self._options
        judged = (
            (
                "echo",
                options.echo,
                "of the words in expansions are in the query already: they add weight but no meaning.",
            ),
            (
                "repeated_terms",
                options.repeated,
                "of the words in a completion repeat one before: repeating weights a word, it finds nothing new.",
            ),
            (
                "commonest_term",
                options.same,
                "of the completions that expand hold one and the same word, whatever the query: a filler.",
            ),
            (
                "unknown_expansions",
                options.unknown,
                "of the expansions hold no word that any document has: they can change nothing, or are gibberish.",
            ),
        )
        means = {name: self._mean(name) for name, _, _ in judged}
        return {
            name: f"{in_words(share)} {meaning}"
            for name, limit, meaning in judged
            if (share := means[name]) is not None and share >= limit
        }

    def _look(self, row: Mapping[str, Any]) -> None:
        """Compare with the evaluation at which dev was best (training reward), and with the first (second measure or engine)."""
        names = [name for name in (f"dev_{self._options.measure}", "dev_second_engine") if _number(row.get(name))]
        training = self._mean("reward")
        look = _Look(row["dev_reward"], {name: row[name] for name in names}, training)
        self._looks.append(look)
        self._parted = {}
        best = max(self._looks, key=lambda known: known.dev)
        before = best.training if best.training is not None else self._start.get("reward")
        if (
            training is not None
            and before is not None
            and parts((before, training), (best.dev, look.dev), self._options.gap)
        ):
            self._parted["gap"] = (
                f"training reward rose from {before:.3f} to {training:.3f} while dev fell from {best.dev:.3f} to "
                f"{look.dev:.3f}: what is learned does not hold for other queries."
            )
        first = self._looks[0]
        for name, now in look.second.items():
            then = first.second.get(name)
            if then is not None and parts((first.dev, look.dev), (then, now), self._options.gap):
                self._parted[name] = (
                    f"dev's reward rose from {first.dev:.3f} to {look.dev:.3f} while {_called(name)} fell from {then:.3f} "
                    f"to {now:.3f}: the reward is met, what it stands for may not be."
                )


def parts(one: tuple[float, float], other: tuple[float, float], gap: float) -> bool:
    """Whether `one` (before, now) rises while `other` falls, by `gap` together, half of which must be the fall."""
    rise, fall = one[1] - one[0], other[0] - other[1]
    return rise > 0 and fall >= gap / 2 and rise + fall >= gap


def _called(name: str) -> str:
    return "dev on the second engine" if name == "dev_second_engine" else f"dev's {name.removeprefix('dev_')}"


def _number(value: Any) -> bool:
    """A figure that is there: JSON has null where a mean was taken of nothing."""
    return isinstance(value, int | float) and value == value
