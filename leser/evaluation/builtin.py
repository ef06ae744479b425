"""The baselines that come with LESER."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leser.backend import Term
from leser.baseline import Baseline, BaselineContext
from leser.evaluation.calls import fit_baseline
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.pseudo_documents import PseudoDocument, Query2Doc
from leser.evaluation.rm3 import RM3
from leser.evaluation.systems import run_of_baseline
from leser.hooks import hookimpl

if TYPE_CHECKING:
    from leser.evaluation.systems import SystemRun
    from leser.task import Query, Split


class Original(Baseline):
    """The user's query as it stands."""

    name = "original"

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """No expansion terms."""
        return [()] * len(queries)


def run_baseline(baseline: Baseline, context: BaselineContext, split: Split) -> SystemRun:
    """Fit a baseline, then search a split with it, queries without a relevant document included."""

    fit_baseline(baseline, context)
    queries = (*split.queries, *split.no_result)
    return run_of_baseline(baseline, queries, context.k, lambda terms: context.search(queries, terms))


@hookimpl
def leser_baselines() -> list[type[Baseline]]:
    """Three baselines that need no model, and two that ask the untrained policy for a passage."""

    return [Original, RM3, Dictionary, Query2Doc, PseudoDocument]
