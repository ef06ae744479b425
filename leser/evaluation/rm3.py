"""RM3 on any engine: feedback terms from the query's own top hits, tuned on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import Field

from leser.backend import Ranking, Term
from leser.baseline import Baseline, BaselineContext
from leser.errors import LeserError
from leser.evaluation.grid import best_setting
from leser.feedback import FeedbackOptions, FeedbackTerm, feedback_terms, rm3_clauses
from leser.task import Query, drawn


class RM3(Baseline):
    """Pseudo-relevance feedback (RM3), its three parameters tuned on dev.

    Abdul-Jaleel et al., TREC 2004; the clauses are `leser.feedback.rm3_terms`. `chosen` holds what dev preferred.
    """

    name = "rm3"
    tuned = True

    class Options(Baseline.Options):
        """The grid that is searched, and how many dev queries judge it."""

        fb_docs: tuple[int, ...] = Field((3, 5, 10, 20), description="numbers of hits read")
        fb_terms: tuple[int, ...] = Field((5, 10, 20, 40), description="numbers of terms added")
        original_weight: tuple[float, ...] = Field(
            (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), description="weights of the original, lambda"
        )
        dev_queries: int = Field(
            300, ge=1, description="dev queries that judge a setting, at most; of more, a seeded sample"
        )

    options: RM3.Options
    chosen: tuple[int, int, float]

    def fit(self, context: BaselineContext) -> None:
        """Search dev with every setting of the grid and keep the one of the highest mean reward."""
        self._context = context
        dev = context.task.dev
        queries = drawn(dev.queries, self.options.dev_queries, context.seed)
        if not queries:
            raise LeserError(
                f"RM3 is tuned on dev, and the task {context.task.name} has no dev queries. Drop rm3, or add some."
            )
        self._read(queries, max(self.options.fb_docs))
        grid = list(product(self.options.fb_docs, self.options.fb_terms, self.options.original_weight))
        self.chosen, self.dev_reward = best_setting(
            self.name, context, dev, queries, grid, lambda point: self._terms(queries, *point)
        )

    def state(self) -> dict[str, Any]:
        """Hits read, terms added and the weight of the original, as dev chose them."""
        return {"chosen": list(self.chosen)}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """Take what dev chose."""
        self._context = context
        docs, terms, weight = state["chosen"]
        self.chosen = (int(docs), int(terms), float(weight))

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """RM3's clauses at the setting chosen on dev."""
        self._read(queries, self.chosen[0])
        return self._terms(queries, *self.chosen)

    def _read(self, queries: Sequence[Query], deepest: int) -> None:
        """Fetch the text of the queries' top hits, as many as the deepest setting that will be asked for reads."""
        tops = [a.hits[:deepest] if isinstance(a, Ranking) else () for a in self._context.originals(queries)]
        texts = self._context.texts([hit.id for top in tops for hit in top])
        self._feedback: dict[tuple[str, int, int], tuple[FeedbackTerm, ...]] = {}
        self._seen = {
            query.text: [(texts[hit.id], hit.score) for hit in top if hit.id in texts]
            for query, top in zip(queries, tops, strict=True)
        }

    def _terms(self, queries: Sequence[Query], docs: int, terms: int, weight: float) -> list[tuple[Term, ...]]:
        options = FeedbackOptions(docs=docs, terms=terms, keep_query_words=True)
        clauses = []
        for query in queries:
            key = query.text, docs, terms
            if key not in self._feedback:  # a third of the tuning's time, and the same for every weight
                seen = self._seen[query.text][:docs]
                texts, scores = [text for text, _ in seen], [score for _, score in seen]
                self._feedback[key] = feedback_terms(query.text, texts, scores, options)
            clauses.append(rm3_clauses(query.text, self._feedback[key], weight))
        return clauses
