"""Per-query values of measures: ir-measures' where it knows the name, else a reward's.

Rankings go into ir-measures with strictly decreasing scores made from the engine's order, because its providers break
ties differently (pytrec_eval by id, msmarco by order). A document given twice counts once, at its first place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leser.backend import Document, Ranking
from leser.errors import LeserError, unknown_name
from leser.evaluation.systems import SystemRun
from leser.expansion import Code
from leser.reward import Outcome, Reward, parse_spec

if TYPE_CHECKING:
    from leser.task import Split

Values = dict[str, float]
"""Query id to value; a query the measure does not apply to is absent."""
DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10", "Judged@10", "coverage@10")


class Measurer:
    """Measures runs on one split; built once, judgments are prepared once.

    `rewards` maps family names to reward classes; `documents` are needed by rewards that read fields. Raises LeserError
    for a name neither ir-measures nor a reward has, and for a reward that needs more than the two rankings.
    """

    def __init__(
        self,
        split: Split,
        measures: Iterable[str] = DEFAULT_MEASURES,
        rewards: Mapping[str, type[Reward]] | None = None,
        documents: Mapping[str, Document] | None = None,
        platform: str | None = None,
    ) -> None:
        self.split = split
        self.platform = platform
        self.names = tuple(dict.fromkeys(measures))
        self.documents = documents or {}
        self._rewards: dict[str, Reward] = {}
        self._standard = {}
        for name in self.names:
            standard = _standard(name)
            if standard is None:
                self._rewards[name] = _reward(name, rewards or {})
            else:
                self._standard[standard] = name
        self._evaluators = _evaluators(tuple(self._standard), split)

    def __call__(self, run: SystemRun, original: SystemRun | None = None) -> dict[str, Values]:
        """Every measure's values over the split's queries; `original` gives rewards the rankings before expansion."""
        values: dict[str, Values] = {name: {} for name in self.names}
        if self._standard:
            ranked = {q.id: r for q in self.split.queries if (r := run.ranking(q.id)) is not None and r.hits}
            scored = {query: decreasing(r) for query, r in ranked.items()}
            for metric in (m for evaluator in self._evaluators for m in evaluator.iter_calc(scored)):
                values[self._standard[metric.measure]][metric.query_id] = float(metric.value)
            for name in self._standard.values():
                # A query that only the judgments or only the split knows must not slip through either way.
                values[name] = {q.id: values[name].get(q.id, 0.0) for q in self.split.queries}
        for name, reward in self._rewards.items():
            values[name] = self._rewarded(reward, run, original)
        return values

    def _rewarded(self, reward: Reward, run: SystemRun, original: SystemRun | None) -> Values:
        outcomes = []
        for group, query in enumerate(self.split.queries):
            before = original.ranking(query.id) if original else None
            outcomes.append(
                Outcome(
                    query=query,
                    group=group,
                    completion=run.completions.get(query.id, ""),
                    expansions=tuple(run.expansions.get(query.id, ())),
                    original=before or Ranking(()),
                    expanded=run.ranking(query.id) or Ranking(()),
                    grades=self.split.qrels.get(query.id, {}),
                    code=run.codes.get(query.id, Code.OK),
                    documents=self.documents,
                    split=self.split.name,
                    platform=self.platform,
                )
            )
        scored = zip(self.split.queries, reward.score(outcomes), strict=True)
        return {query.id: float(value) for query, value in scored if value is not None}


def decreasing(ranking: Ranking) -> dict[str, float]:
    """Each document's score, strictly decreasing from the first place to the last."""
    unique = tuple(dict.fromkeys(ranking.ids))
    return {doc: float(len(unique) - place) for place, doc in enumerate(unique)}


def _standard(name: str) -> Any | None:
    import ir_measures

    try:
        measure: Any = ir_measures.parse_measure(name)
    except NameError:
        return None
    except (ValueError, SyntaxError) as error:
        raise LeserError(f"ir-measures cannot read the measure '{name}': {error}.") from None
    known = [*measure.SUPPORTED_PARAMS]
    if any(parameter not in known for parameter in measure.params):
        raise LeserError(f"ir-measures refuses the measure '{name}'. Its parameters: {', '.join(known) or 'none'}.")
    try:
        measure.validate_params()
    except AssertionError as error:
        raise LeserError(
            f"ir-measures refuses the measure '{name}': {error}. Parameters: {', '.join(known)}."
        ) from None
    return measure


def _reward(name: str, rewards: Mapping[str, type[Reward]]) -> Reward:
    spec = parse_spec(name)
    if spec.family not in rewards:
        raise unknown_name("measure", spec.family, [*rewards, "nDCG", "R", "RR", "P", "AP", "Judged"])
    reward = rewards[spec.family](spec)
    if reward.needs or reward.fields:
        needed = ", ".join([*sorted(reward.needs), *(f"the field {f}" for f in reward.fields)])
        raise LeserError(f"'{name}' needs {needed} and cannot be reported as a measure. Leave it to training.")
    return reward


def _evaluators(measures: Sequence[Any], split: Split) -> list[Any]:
    """ir-measures' evaluators; apart for Judged, the one measure to which a grade below 0 is a judgment.

    trec_eval takes such grades as unjudged, but may loop without end over a query that has no others: they are left out.
    """
    import ir_measures

    qrels = {query.id: dict(split.qrels[query.id]) for query in split.queries if query.id in split.qrels}
    judged = [measure for measure in measures if measure.NAME == "Judged"]
    others = [measure for measure in measures if measure.NAME != "Judged"]
    kept = {query: {doc: grade for doc, grade in grades.items() if grade >= 0} for query, grades in qrels.items()}
    pairs = ((judged, qrels), (others, {query: grades for query, grades in kept.items() if grades}))
    return [ir_measures.evaluator(group, given) for group, given in pairs if group and given]
