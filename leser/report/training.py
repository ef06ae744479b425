"""How training went: dev measures stage by stage, rewards on train beside dev, behaviour, and whether it over-fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from markupsafe import Markup

from leser.report.charts import Series, line_chart, smoothed
from leser.report.numbers import fixed, signed

MetricRows = Sequence[Mapping[str, Any]]
GRPO = "grpo"
X = "GRPO update"
STAGES = {"warmup": "supervised warm-up", GRPO: "GRPO", "warmup+": "control: more warm-up"}
TRAIN, DEV = 0, 1  # colours
APART = 0.01
"""Differences in mean reward below this are not made much of."""
SMOOTHED = 20
"""A smoothed line averages this part of its points."""

PANELS = (
    ("length", "Length", "tokens per completion", None),
    ("distinct_terms", "Distinct terms", "per completion", None),
    ("entropy", "Entropy", "nats per token", None),
    ("zero_variance_groups", "Zero-variance groups", "share; all earn the same", (0.0, 0.1)),
    ("kl", "Distance from the warm-up", "KL, nats per token", None),
)
"""Metric, title, unit, and what the axis must show at least (None: zero)."""
CODES = (
    ("parse_errors", "unreadable"),
    ("rule_violations", "against a rule"),
    ("engine_errors", "engine failed"),
    ("nothing_found", "found nothing"),
    ("no_expansion", "left alone"),
)

SIGNS = (
    ("echo", "words of the query"),
    ("repeated_terms", "repeated words"),
    ("commonest_term", "one word for all"),
    ("unknown_expansions", "in no document"),
)
"""Figures of the monitor, where a run has them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The rows of one stage, and the update that went before its first."""

    name: str
    rows: tuple[Mapping[str, Any], ...]
    start: float

    @property
    def label(self) -> str:
        """The stage in words."""
        return STAGES.get(self.name, self.name)

    def points(self, key: str) -> tuple[tuple[float, float], ...]:
        """A metric over the stage's own updates."""
        return tuple((row["step"] - self.start, float(row[key])) for row in self.rows if _number(row.get(key)))


def stages_of(metrics: MetricRows) -> list[Stage]:
    """The stages in their order; a row without a step belongs to none."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in metrics:
        if _number(row.get("step")):
            found.setdefault(str(row.get("phase", "training")), []).append(row)
    stages, start = [], 0.0
    for name, rows in found.items():
        stages.append(Stage(name, tuple(rows), start))
        start = max(float(row["step"]) for row in rows)
    return stages


def dev_charts(metrics: MetricRows, measure: str) -> list[Markup]:
    """Dev's value of `measure` in every stage, on one scale; its reward where the measure was not among the rewards."""
    stages = stages_of(metrics)
    key = next((k for k in (f"dev_{measure}", "dev_reward") if any(s.points(k) for s in stages)), "")
    values = [y for stage in stages for _, y in stage.points(key)]
    if not values:
        return []
    common = (min(values), max(values))
    shown = key.removeprefix("dev_")
    return [
        line_chart(
            f"{shown} on dev",
            [Series("dev", stage.points(key), DEV, dots=True)],
            stage.label,
            x_label="update of this stage",
            y_range=common,
        )
        for stage in stages
    ]


def grpo_charts(metrics: MetricRows, second: str = "") -> list[Markup]:
    """What GRPO did: rewards on train and on dev, behaviour, and what became of completions.

    `second` is the measure that the monitor takes of dev beside the rewards.
    """
    stage = next((stage for stage in stages_of(metrics) if stage.name == GRPO), None)
    if stage is None:
        return []
    keys = dict.fromkeys(key for row in stage.rows for key in row)
    parts = [key for key in keys if key.startswith("reward_")]
    charts = [
        _both(stage, key, title, "", None)
        for key, title in (("reward", "Reward"), *((k, k.removeprefix("reward_")) for k in parts if len(parts) > 1))
    ]
    charts.append(line_chart("Second opinions on dev", _lines(stage, opinions(second), dots=True), x_label=X))
    for key, title, unit, least in PANELS:
        if any(y for _, y in stage.points(key)):
            charts.append(_both(stage, key, title, unit, least or (0.0, 0.0)))
    for title, keys_of in (("What becomes of completions", CODES), ("Signs of a gamed reward", SIGNS)):
        lines = _lines(stage, keys_of)
        seen = [line for line in lines if any(y for _, y in line.points)]
        never = ", ".join(line.label for line in lines if line not in seen)
        charts.append(
            line_chart(title, seen, f"share{'; never seen: ' if never else ''}{never}", x_label=X, y_range=(0.0, 0.1))
        )
    return [chart for chart in charts if chart]


def opinions(second: str) -> tuple[tuple[str, str], ...]:
    """Dev metrics that were no reward, which a gamed reward would leave behind."""
    return ((f"dev_{second}", second), ("dev_second_engine", "second engine"))


def warnings_of(metrics: MetricRows) -> list[tuple[str, str]]:
    """What the monitor warned of: when, and in which words."""
    return [
        (f"{stage.label}, update {row['step'] - stage.start:.0f}", str(sentence))
        for stage in stages_of(metrics)
        for row in stage.rows
        for sentence in (row.get("warnings") or {}).values()
    ]


def _lines(stage: Stage, keys: Sequence[tuple[str, str]], *, dots: bool = False) -> list[Series]:
    """Several metrics as lines of one chart, smoothed unless they are seldom taken."""
    found = [(colour, label, stage.points(key)) for colour, (key, label) in enumerate(keys)]
    return [
        Series(label, points if dots else smoothed(points, window(len(points))), colour, dots=dots)
        for colour, label, points in found
        if points
    ]


def _both(stage: Stage, key: str, title: str, unit: str, least: tuple[float, float] | None) -> Markup:
    train, dev = stage.points(key), stage.points(_dev_key(key))
    best = kept(stage)
    lines = [Series("train, sampled", smoothed(train, window(len(train))), TRAIN)]
    if window(len(train)) > 1:
        lines.append(Series("train, sampled", train, TRAIN, faint=True))
    lines.append(Series("dev, greedy", dev, DEV, dots=True))
    mark = (best, "kept") if best is not None and key.startswith("reward") else None
    return line_chart(title, lines, unit, x_label=X, y_range=least, mark=mark)


def _dev_key(key: str) -> str:
    """The name of a train metric among those of dev."""
    return "dev_reward" if key == "reward" else f"dev_{key.removeprefix('reward_')}"


def kept(stage: Stage) -> float | None:
    """The update of the policy that was kept: the best evaluation on dev, the earliest of equals."""
    looks = stage.points("dev_reward")
    return max(looks, key=lambda point: (point[1], -point[0]))[0] if looks else None


def window(points: int) -> int:
    """How many points a smoothed line averages."""
    return max(1, points // SMOOTHED)


@dataclass(frozen=True, slots=True)
class Fit:
    """Training reward and dev reward at the beginning and the end of GRPO; dev's best, its update, and the last update."""

    train: tuple[float, float]
    dev: tuple[float, float]
    best: float
    kept: float
    updates: float

    @property
    def gap(self) -> float:
        """How much more training gained than dev, from the first to the last evaluation on dev."""
        return (self.train[1] - self.train[0]) - (self.dev[1] - self.dev[0])


def fit_of(metrics: MetricRows) -> Fit | None:
    """Train against dev over GRPO; None where there were too few updates or evaluations on dev to tell."""
    stage = next((stage for stage in stages_of(metrics) if stage.name == GRPO), None)
    if stage is None:
        return None
    train, dev = stage.points("reward"), stage.points("dev_reward")
    best = kept(stage)
    if len(train) < 4 or len(dev) < 2 or best is None:
        return None
    part = max(1, len(train) // 10)
    ends = (fmean(y for _, y in train[:part]), fmean(y for _, y in train[-part:]))
    return Fit(ends, (dev[0][1], dev[-1][1]), max(y for _, y in dev), best, train[-1][0])


def fit_said(fit: Fit | None) -> str:
    """Over-fitting in words: what training gained, what dev gained, and what that means."""
    if fit is None:
        return ""
    (t0, t1), (d0, d1) = fit.train, fit.dev
    said = (
        f"Over GRPO’s {fit.updates:.0f} updates the training reward went from {fixed(t0)} to {fixed(t1)} ({signed(t1 - t0)}; "
        f"means of the first and last tenth), the reward on dev from {fixed(d0)} to {fixed(d1)} ({signed(d1 - d0)}). "
    )
    if t1 - t0 >= APART and d0 - d1 >= APART:
        said += "Dev fell while training rose: it over-fitted. "
    elif t1 - t0 >= APART and d1 - d0 < 0.1 * (t1 - t0):
        said += "Training rose and dev did not: what was learned does not carry over to other queries. "
    elif t1 - t0 >= APART and d1 - d0 < 0.5 * (t1 - t0):
        said += "Training gained more than twice what dev did: much of it does not carry over to other queries. "
    elif t1 > t0 and d1 > d0:
        said += "Dev followed training. "
    if not fit.kept:
        return f"{said}No later evaluation on dev beat the first: the policy that is kept is the warm-up’s."
    said += f"The policy that is kept is that of update {fit.kept:.0f}, the best on dev ({fixed(fit.best)}"
    last = fit.best - d1
    return said + (f"; the last was {fixed(last)} below it)." if round(last, 3) > 0 else ").")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
