"""Per-query values of measures: ir-measures' where it knows the name, else a reward's.

Rankings go into ir-measures with strictly decreasing scores made from the engine's order, because its providers break
ties differently (pytrec_eval by id, msmarco by order). A document given twice counts once, at its first place.

Every measure of ir-measures takes `holes=zero` and `holes=skip`: the second is computed on the condensed ranking, without
the documents that nobody judged. `holes=expected` is a reward's, which a judge must fill (leser.holes.expected).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from leser.backend import Document, Hit, Ranking
from leser.declared import Documents
from leser.errors import LeserError, unknown_name
from leser.evaluation.outside import PATIENCE_S, Computed, compute
from leser.evaluation.providers import IN_PROCESS, REMARKS, evaluator_of, provider_of, read_measure, values_of
from leser.evaluation.systems import SystemRun
from leser.expansion import Code
from leser.holes.expected import ExpectedGrades, FillsHoles, bind
from leser.holes.treatment import Treatment, split_name
from leser.lesson import LearnsFromTrain
from leser.reward import Outcome, Reward, parse_spec
from leser.reward_calls import ask_reward, make_reward

if TYPE_CHECKING:
    from leser.task import Split

Fetch = Callable[[Sequence[str], Sequence[str]], Mapping[str, Document]]
"""Document ids and field names to the documents, as SearchClient.fetch."""
Values = dict[str, float]
"""Query id to value; a query the measure does not apply to is absent."""
DEFAULT_MEASURES = ("nDCG@10", "R@100", "RR@10", "Judged@10", "coverage@10")
_UNJUDGED = "leser-unjudged"
_TRIED_DOCUMENTS = 3
_TRIAL_S = 120.0


class Measurer:
    """Measures runs on one split; built once, judgments are prepared once.

    `rewards` maps family names to reward classes; `fetch` gives the documents that rewards with fields read. ir-measures'
    apply to queries with a relevant document. Raises LeserError for a name neither ir-measures nor a reward has, for
    parameters that no provider takes, and for a reward that needs more than the two rankings and documents. A measure that
    fails on a run raises LeserError; with `warn`, that is told of it and the measure has no value. `expected` fills holes for
    measures with holes=expected, which have no values without it.
    """

    def __init__(
        self,
        split: Split,
        measures: Iterable[str] = DEFAULT_MEASURES,
        rewards: Mapping[str, type[Reward]] | None = None,
        fetch: Fetch | None = None,
        platform: str | None = None,
        warn: Callable[[str], None] | None = None,
        expected: ExpectedGrades | None = None,
    ) -> None:
        self.split = split
        self._expected = expected
        self.platform = platform
        self.names = tuple(dict.fromkeys(measures))
        self._fetch = fetch
        self._warn = warn
        self._rewards: dict[str, Reward] = {}
        self._standard: dict[str, Any] = {}
        self._providers: dict[str, str] = {}
        self._evaluators: dict[str, Any] = {}
        self._bare: dict[str, str] = {}
        self._condensed: set[str] = set()
        for name in self.names:
            bare, treatment = split_name(name)
            standard = None if treatment is Treatment.EXPECTED else read_measure(bare)
            if standard is None:
                self._rewards[name] = _reward(name, rewards or {})
                continue
            self._standard[name], self._providers[name] = standard, provider_of(standard, name)
            self._bare[name] = bare
            if treatment is Treatment.SKIP:
                self._condensed.add(name)
        if expected is not None:
            bind(self._rewards.values(), expected)
        grades = {query.id: split.qrels.get(query.id, {}) for query in split.queries}
        self._grades = {query: given for query, given in grades.items() if given}
        self._relevant = {query for query, given in grades.items() if any(grade > 0 for grade in given.values())}

    @property
    def depth(self) -> int:
        """The deepest place a measure's cutoff names; 0 where none has a cutoff."""
        cutoffs = [measure.params.get("cutoff", 0) for measure in self._standard.values()]
        return max([*cutoffs, *(reward.spec.cutoff or 0 for reward in self._rewards.values())], default=0)

    def __call__(self, run: SystemRun, original: SystemRun | None = None) -> dict[str, Values]:
        """Every measure's values over the split's queries; `original` gives rewards the rankings before expansion."""
        ranked = {q.id: r for q in self.split.queries if (r := run.ranking(q.id)) is not None and r.hits}
        withheld = self.split.withheld
        scored = {query: decreasing(r, withheld=withheld.get(query, frozenset())) for query, r in ranked.items()}
        condensed = {query: decreasing(r, self._grades.get(query, {})) for query, r in ranked.items()}
        outside = [name for name in self._standard if self._providers[name] not in IN_PROCESS]
        computed = self._outside(outside, [scored], [condensed]) if self._grades else {}
        values: dict[str, Values] = {}
        for name in self.names:
            try:
                if name in self._rewards:
                    values[name] = self._rewarded(self._rewards[name], run, original)
                elif not self._grades:
                    values[name] = self._whole(name, {})
                elif name in computed:
                    self._check(name, computed[name].failure)
                    values[name] = self._whole(name, computed[name].values[0])
                else:
                    inside = self._inside(name, condensed if name in self._condensed else scored)
                    values[name] = self._whole(name, inside)
            except LeserError as error:
                if self._warn is None:
                    raise
                self._warn(f"{error} It is left out for {run.name}.")
                values[name] = {}
        return values

    @property
    def filled(self) -> tuple[str, ...]:
        """The measures whose holes a judge fills."""
        return tuple(n for n, reward in self._rewards.items() if isinstance(reward, FillsHoles) and reward.fills)

    def replicates(self, run: SystemRun, original: SystemRun | None, count: int) -> list[dict[str, Values]]:
        """The filled measures once more, under `count` bootstrap samples of the calibration that fills their holes."""
        if self._expected is None or not self.filled:
            return []
        again = []
        for number in range(count):
            with self._expected.replicate(number):
                again.append({name: self._rewarded(self._rewards[name], run, original) for name in self.filled})
        return again

    def _outside(
        self, names: Sequence[str], scored: Sequence[Mapping[str, Any]], condensed: Sequence[Mapping[str, Any]]
    ) -> dict[str, Computed]:
        """What providers in a process of their own say of runs, by the measures' names here."""
        found: dict[str, Computed] = {}
        for runs, own in (
            (scored, [name for name in names if name not in self._condensed]),
            (condensed, [name for name in names if name in self._condensed]),
        ):
            given = compute([self._bare[name] for name in own], self._grades, runs, patience_s=PATIENCE_S)
            found |= {name: given[self._bare[name]] for name in own}
        return found

    def try_out(self) -> bool:
        """Compute every measure on a few made rankings of the split's own ids; raises LeserError for one that fails.

        False where none of them has a value, because no query has a relevant document.
        A provider may end its process over a parameter or an id: ir-measures' measures are all tried in one of their own.
        """
        runs = [SystemRun("a trial", given) for given in _trial_runs(self.split)]
        scored = [{query: decreasing(r) for query, r in run.rankings.items() if isinstance(r, Ranking)} for run in runs]
        if self._grades:
            bare = {self._bare[name]: name for name in self._standard}
            for name, found in compute(list(bare), self._grades, scored, patience_s=_TRIAL_S).items():
                self._check(bare[name], found.failure)
        # made documents would be sent to the judge that fills holes
        tried = [reward for name, reward in self._rewards.items() if name not in self.filled]
        original = runs[1]  # every query has a hit there, so that what compares with the original has a value
        values = [self._rewarded(reward, run, original) for reward in tried for run in runs]
        return any(values) or not self.split.queries or bool(self._standard and self._relevant)

    def _check(self, name: str, failure: str) -> None:
        if failure:
            provider = self._providers[name]
            raise LeserError(
                f"The measure '{name}' cannot be computed on the {self.split.name} queries: ir-measures' {provider} fails: "
                f"{failure.rstrip('.')}. {REMARKS.get(provider, '')}".rstrip()
            )

    def _inside(self, name: str, scored: Mapping[str, Mapping[str, float]]) -> Values:
        try:
            if name not in self._evaluators:
                self._evaluators[name] = evaluator_of(self._standard[name], self._grades)
            return values_of(self._evaluators[name], scored)
        except Exception as error:  # whatever a provider raises
            self._check(name, f"{type(error).__name__}: {error}")
            raise

    def _whole(self, name: str, values: Values) -> Values:
        """The values of the queries that a measure applies to: with judgments for Judged, else with a relevant document."""
        judged = self._standard[name].NAME == "Judged"
        return {query: values.get(query, 0.0) for query in self._grades if judged or query in self._relevant}

    def _rewarded(self, reward: Reward, run: SystemRun, original: SystemRun | None) -> Values:
        outcomes = []
        documents = self._documents(reward, [run, original] if original else [run])
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
                    documents=documents,
                    split=self.split.name,
                    platform=self.platform,
                    withheld=self.split.withheld.get(query.id, frozenset()),
                )
            )
        scored = zip(self.split.queries, ask_reward(reward, outcomes), strict=True)
        return {query.id: value for query, value in scored if not isnan(value)}

    def _documents(self, reward: Reward, runs: Sequence[SystemRun]) -> Documents:
        """What a reward reads of hits and judged documents."""
        if not reward.fields:
            return Documents({})
        if self._fetch is None:
            raise LeserError(
                f"'{reward.spec.text}' reads the fields {', '.join(reward.fields)}, and no documents are at hand here. "
                "Choose another measure."
            )
        ids = {doc for query in self.split.queries for doc in self.split.qrels.get(query.id, {})}
        for run in runs:
            found = (run.ranking(query.id) for query in self.split.queries)
            ids |= {doc for ranking in found if ranking for doc in ranking.ids[: reward.depth]}
        return Documents(self._fetch(sorted(ids - {_UNJUDGED}), reward.fields))


def _trial_runs(split: Split) -> list[dict[str, Ranking]]:
    """What engines answer: only what is relevant, judged and unjudged together, nothing relevant, nothing at all."""
    runs: list[dict[str, Ranking]] = [{}, {}, {}, {}]
    for query in split.queries:
        grades = split.qrels.get(query.id, {})
        relevant = [doc for doc, grade in grades.items() if grade > 0][:_TRIED_DOCUMENTS]
        judged = [_UNJUDGED, *list(grades)[:_TRIED_DOCUMENTS]]
        for run, ids in zip(runs, (relevant, judged, [_UNJUDGED]), strict=False):
            run[query.id] = Ranking(tuple(Hit(doc, float(len(ids) - place)) for place, doc in enumerate(ids)))
    return runs


def decreasing(
    ranking: Ranking, judged: Mapping[str, int] | None = None, *, withheld: frozenset[str] = frozenset()
) -> dict[str, float]:
    """Each document's score, strictly decreasing from the first place to the last, without those `withheld`; with `judged`
    of those alone.

    A grade below 0 is no judgment, as for trec_eval.
    """
    unique: Sequence[str] = [doc for doc in dict.fromkeys(ranking.ids) if doc not in withheld]
    if judged is not None:
        unique = [doc for doc in unique if judged.get(doc, -1) >= 0]
    return {doc: float(len(unique) - place) for place, doc in enumerate(unique)}


def _reward(name: str, rewards: Mapping[str, type[Reward]]) -> Reward:
    spec = parse_spec(name)
    if spec.family not in rewards:
        raise unknown_name("measure", spec.family, [*rewards, "nDCG", "R", "RR", "P", "AP", "Judged"])
    reward = make_reward(rewards[spec.family], spec)
    if reward.requires:
        needed = ", ".join(sorted(reward.requires))
        raise LeserError(f"'{name}' needs {needed} and cannot be reported as a measure. Leave it to training.")
    if isinstance(reward, LearnsFromTrain):
        raise LeserError(
            f"'{name}' learns from the train judgments and cannot be reported as a measure: it would repeat what they say. "
            "Leave it to training."
        )
    return reward
