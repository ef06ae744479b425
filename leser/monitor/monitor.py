"""The reward-hacking monitor: reads what every step wrote and earned anyway, and warns in words.

A reward is a stand-in for what is wanted, and a policy finds where the two part: longer and longer answers, the query's own
words again, one filler for every query, words that no document holds, a training reward that rises while held-out queries
lose. `wording` makes figures of a step's completions, `Watch` judges rows of figures. Both are functions of what they are
given: nothing is sampled or learned another way for being watched, and after a kill the rows of metrics.jsonl bring a
`Watch` back to where it stood.

No search is made unless a second engine is configured; where the engine says how many documents hold a word
(capability "doc_freq"), each new word is asked for once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from leser.backend import SearchError
from leser.config.tables import BackendTable
from leser.config.training import MonitorOptions
from leser.engine import SearchClient
from leser.engine.checked import CheckedBackend
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import EngineDown, LeserError
from leser.evaluation.evaluate import ORIGINAL
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.grpo.metrics import wording
from leser.monitor.watch import Watch
from leser.reward import Reward
from leser.scoring import mean_of
from leser.session import Session, open_backend
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.sampler import Answers


class SecondEngine:
    """What dev's answers earn on another engine: the only part of the monitor that searches."""

    def __init__(self, environment: Environment, dev: Split) -> None:
        self.environment, self.dev = environment, dev

    def __call__(self, answers: Answers) -> float:
        """The mean reward of what was served; an answer that this engine's analysis finds repetitive counts as none."""
        attempts = [Attempt(o.query, i, self.environment.say(o.expansions)) for i, o in enumerate(answers.served)]
        plain = [replace(attempt, completion=self.environment.say()) for attempt in attempts]
        first = self.environment.judge(attempts, self.dev)
        gated = self.environment.score(first).gated
        outcomes = self.environment.judge(
            [p if g else a for a, p, g in zip(attempts, plain, gated, strict=True)], self.dev
        )
        return mean_of(self.environment.score(outcomes).total)


_UNJUDGED = {"encoder": "encoder@10", "kept": "kept(all=true)@10", "own_score": "own_score@10"}
"""Measures that need no judgments, by family: what to name where there are none."""


class Monitor:
    """Adds figures and warnings to the rows of GRPO's steps."""

    def __init__(
        self,
        options: MonitorOptions,
        environment: Environment,
        dev: Split,
        limit: int,
        warn: Callable[[str], None],
        second: SecondEngine | None = None,
        rewards: Mapping[str, type[Reward]] | None = None,
    ) -> None:
        """`limit` is the longest completion in tokens, `rewards` maps the names of families that can be the second measure to
        their classes; raises LeserError for a second measure that cannot be taken."""
        self.options, self._environment, self._dev, self._warn, self._second = options, environment, dev, warn, second
        backend = environment.client.backend
        self._words = EngineWords(backend) if "doc_freq" in backend.capabilities else None
        self._rewards = rewards
        self._failing: set[str] = set()
        self._watch = Watch(options, limit)
        if options.enabled and options.measure:
            self._check_measure()

    def _check_measure(self) -> None:
        """Try the measure on dev: one that cannot be computed there is known before anything is trained."""
        name, depth = self.options.measure, self._environment.depth
        measurer = self._measurer(self._dev)
        if measurer.depth > depth:
            raise LeserError(
                f"training.monitor.measure is {name}, but rankings in training are {depth} deep. Choose one of at most "
                f"@{depth}, or a reward that reads deeper."
            )
        if not measurer.try_out():
            rewarded = {reward.spec.family for reward in self._environment.rewards.rewards}
            other = next(
                (text for family, text in _UNJUDGED.items() if family not in rewarded), "encoder(model=OTHER)@10"
            )
            self._warn(
                f"training.monitor.measure: {name} has no value on dev, where no query has a relevant document, so nothing but "
                "the training reward watches dev. Name a measure that needs no judgments and that the reward does not hold, such "
                f"as -o 'training.monitor.measure={other}', or set it to '' for none."
            )

    def _measurer(self, split: Split, warn: Callable[[str], None] | None = None) -> Measurer:
        """Takes the second measure, a reward that reads documents too, as the final evaluation takes it."""
        e = self._environment
        return Measurer(split, [self.options.measure], self._rewards, e.client.fetch, e.platform, warn, e.expected)

    def close(self) -> None:
        """Close the second engine, where there is one."""
        if self._second is not None:
            self._second.environment.client.close()

    def replay(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take up where the rows of an earlier part of the run left off."""
        for row in rows:
            if row.get("phase") == "grpo":
                self._watch(row)

    def examine(
        self, row: dict[str, Any], rollouts: Sequence[Mapping[str, Any]] = (), answers: Answers | None = None
    ) -> dict[str, Any]:
        """The row with the monitor's figures, and with `warnings` (sign to sentence) where something is new."""
        if not self.options.enabled:
            return row
        row = row | self._wording(rollouts) | (self._held_out(answers) if answers is not None else {})
        warnings = self._watch(row)
        for sentence in warnings.values():
            self._warn(f"step {row['step']}: {sentence}")
        return row | ({"warnings": warnings} if warnings else {})

    def _wording(self, rollouts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The figures of a step's completions. What an engine does not tell costs that step's figures, never training."""
        try:
            figures = wording(rollouts, self._environment.analyze)
        except EngineDown as error:
            self._once("analysis", f"the words of this step's completions are not judged: {error}")
            return {}
        self._failing.discard("analysis")
        if self._words is None:
            return figures
        try:
            figures = wording(rollouts, self._environment.analyze, self._words.doc_freq)
        except Exception as error:  # whatever an engine's client raises here
            self._once(
                "counts", f"the engine did not say how many documents hold a word ({error}); this figure is left out."
            )
            return figures
        self._failing.discard("counts")
        return figures

    def _once(self, kind: str, sentence: str) -> None:
        """Warn of what fails, and not again until it went well in between: each step asks anew."""
        if kind not in self._failing:
            self._warn(sentence)
        self._failing.add(kind)

    def _held_out(self, answers: Answers) -> dict[str, float]:
        """Dev's second measure, of the rankings that the evaluation on dev has made, and dev's reward on the second engine."""
        figures: dict[str, float] = {}
        if self.options.measure:
            asked = [outcome.query for outcome in answers.served]
            figures |= self._measured(asked, answers)
        if self._second is not None:
            try:
                figures["dev_second_engine"] = self._second(answers)
            except EngineDown as error:  # a second opinion, which training does without
                self._once("second engine", f"the second engine's figure is left out: {error}")
            else:
                self._failing.discard("second engine")
        return figures

    def _measured(self, asked: Sequence[Query], answers: Answers) -> dict[str, float]:
        """The second measure's mean; left out where it fails: the monitor ends no training that goes well."""
        split = replace(self._dev, queries=tuple(asked))
        measurer = self._measurer(split, lambda said: self._once("measure", said))
        values = measurer(_run_of("dev", answers), _originals(answers))[self.options.measure]
        if values:
            self._failing.discard("measure")
        return {f"dev_{self.options.measure}": fmean(values.values())} if values else {}


def _run_of(name: str, answers: Answers) -> SystemRun:
    """What was served as a run; a failed search is one that failed."""
    failed, served = SearchError("the search failed"), answers.served
    return SystemRun(
        name,
        {o.query.id: o.expanded or failed for o in served},
        {o.query.id: o.expansions for o in served},
        {o.query.id: o.completion for o in served},
        {o.query.id: o.code for o in served},
    )


def _originals(answers: Answers) -> SystemRun:
    return SystemRun(ORIGINAL, {o.query.id: o.original for o in answers.served})


def open_monitor(session: Session) -> Monitor:
    """The monitor of a session, with its second engine open and checked where one is configured; raises LeserError."""
    training, dev, environment = session.config.training, session.task.dev, session.environment
    second = _second_engine(session)
    rewards, limit = session.registry.all("reward"), training.max_new_tokens
    return Monitor(training.monitor, environment, dev, limit, session.reporter.warn, second, rewards)


def _second_engine(session: Session) -> SecondEngine | None:
    """The engine that `training.monitor.engine` names, open and checked; None where none is named."""
    config, first = session.config, session.environment
    options = config.training.monitor
    if options.engine is None or not options.enabled:
        return None
    table = BackendTable(name=options.engine, options=options.engine_options)
    backend = open_backend(config.model_copy(update={"backend": table}), session.registry, session.task)
    CheckedBackend(backend).check()
    client = SearchClient(backend, config.search)
    client.check_mode(config.expansion)
    first.ask.check(backend)
    second = Environment(
        client, first.rewards, first.expansion, first.title_field, platform=first.platform, ask=first.ask
    )
    second.originals(session.task.dev.queries[:1])  # a fault of it is found now
    return SecondEngine(second, session.task.dev)
