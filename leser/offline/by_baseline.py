"""A baseline as a proposer: the clauses that it adds to a query, as expansions.

It is fitted once, when its first block of queries comes: a refresh that finds nothing stale fits nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from leser.backend import Term
from leser.baseline import Baseline, BaselineContext
from leser.environment import Environment
from leser.errors import LeserError
from leser.evaluation.calls import failures_of, fit_baseline, rankings_of, terms_of
from leser.expansion import Expansion
from leser.offline.guards import GuardReason, ProposedExpansions
from leser.offline.recipe import digest
from leser.printable import printable
from leser.task import Query, Split, Task


class BaselineProposer:
    """A baseline's clauses at the weights that the engine is to be asked with, whatever `expansion.weight` is.

    A clause made of the query's own words only is left out: an expansion adds words, and cannot weigh those of the query.
    `warn` is told once where the limits of [expansion] cut what the baseline proposes. `fitted` says that it is already.
    """

    def __init__(
        self,
        baseline: Baseline,
        context: BaselineContext,
        environment: Environment,
        name: str,
        warn: Callable[[str], None],
        *,
        fitted: bool = False,
    ) -> None:
        self.name, self.by = name, baseline.name
        self._baseline, self._context, self._environment, self._warn = baseline, context, environment, warn
        self._fitted = fitted
        self._cut: set[str] = set()

    def propose(self, queries: Sequence[Query], split: Split) -> list[ProposedExpansions]:  # noqa: ARG002
        """The clauses of a block; what was searched for them is forgotten. Raises LeserError for what no expansion can say."""
        baseline = self._baseline
        if not self._fitted:
            fit_baseline(baseline, self._context)
            self._fitted = True
        if rankings_of(baseline, queries[:1], 1) is not None:
            raise LeserError(no_clauses(baseline.name))
        originals = self._environment.originals(queries)
        refused = self._environment.refusal
        self._context.know({q.text: originals[q.id] for q in queries if refused(q) is None})
        rows = terms_of(baseline, queries)
        failed = failures_of(baseline, queries)
        self._context.forget()
        own = self._own_words(queries, rows)
        return [
            ProposedExpansions(self.by, self._expansions(query, [t for t in row if t.text not in known]))
            if why is None
            else ProposedExpansions(self.by, (), GuardReason.ENGINE, failure=why.message)
            for query, row, known, why in zip(queries, rows, own, failed, strict=True)
        ]

    def _own_words(self, queries: Sequence[Query], rows: Sequence[Sequence[Term]]) -> list[set[str]]:
        """The texts of each row's clauses that add no word to the query, after the engine's analysis."""
        texts = dict.fromkeys(text for q, row in zip(queries, rows, strict=True) for text in (q.text, *_texts(row)))
        read = dict(zip(texts, self._environment.analyze(list(texts)), strict=True)) if any(rows) else {}
        return [
            {text for text in _texts(row) if set(read[text]) <= set(read[q.text])}
            for q, row in zip(queries, rows, strict=True)
        ]

    def _expansions(self, query: Query, terms: Sequence[Term]) -> tuple[Expansion, ...]:
        """Clauses as a completion would write them: its weights multiply `expansion.weight`."""
        limits, name = self._environment.expansion, self._baseline.name
        for term in terms:
            if term.field is not None or term.negate or term.match != "any":
                raise LeserError(
                    f"The baseline '{name}' cannot be stored: its clause {term!r} for the query "
                    f"'{printable(query.text, 80)}' says more than an expansion, which is a text and a weight. Give clauses "
                    "without field and negate, of match 'any', or take it out of --by."
                )
        # a clause that weighs nothing does nothing
        written = tuple(Expansion(t.text, t.weight / limits.weight) for t in terms if t.weight > 0)
        most = max((e.weight for e in written), default=0.0)
        if len(written) > limits.max_expansions:
            self._say_cut("max_expansions", f"{len(written)} expansions of a query", limits.max_expansions)
        if most > limits.max_weight:
            self._say_cut("max_weight", f"weights up to ^{most:.3g} (times expansion.weight)", limits.max_weight)
        return written

    def _say_cut(self, option: str, proposed: str, limit: float) -> None:
        if option not in self._cut:
            self._cut.add(option)
            self._warn(
                f"The baseline '{self._baseline.name}' proposes {proposed}, and expansion.{option}={limit:g} takes out what is "
                f"beyond. To keep all of it set expansion.{option} higher, for `leser precompute` or `leser fit`."
            )


def no_clauses(name: str) -> str:
    """What is said of a baseline that ranks documents itself."""
    return (
        f"The baseline '{name}' ranks documents itself and adds no clauses to a query, so there are no expansions to store. "
        "Take it out of --by, or name one that adds clauses."
    )


def fitted_name(baseline: Baseline, task: Task, settings: Sequence[str]) -> str:
    """A baseline's name with a digest of all that it is fitted with, `dictionary@1a2b3c4d5e6f`.

    That is its options, the queries and judgments of train and dev, and `settings`; the catalogue and the rewards stand in
    a recipe by themselves.
    """
    kind = type(baseline)
    read = [_read_of(split) for split in (task.train, task.dev)]
    own = (f"{kind.__module__}.{kind.__qualname__}", baseline.options.model_dump_json())
    return f"{baseline.name}@{digest(*own, *read, *settings)}"


def _read_of(split: Split) -> str:
    """What a split says, the same text in every process."""
    queries = [
        [q.id, q.text, {need: sorted(ids) for need, ids in q.subtopics.items()}]
        for q in (*split.queries, *split.no_result)
    ]
    return json.dumps([queries, {id: dict(grades) for id, grades in split.qrels.items()}], sort_keys=True)


def _texts(terms: Sequence[Term]) -> list[str]:
    return [term.text for term in terms]
