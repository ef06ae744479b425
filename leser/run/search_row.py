"""The row `search`: what verified search itself reaches on the evaluated queries, the teacher beside its pupil.

The evaluated split's judgments are kept from it. Rewards that need them have nothing to say then; where none is left that
speaks without, there is no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leser.backend import SearchError
from leser.environment import Attempt
from leser.errors import LeserError
from leser.evaluation.systems import SystemRun
from leser.precompute import sources_of
from leser.task import Query, Split
from leser.verified.result import VerifiedAnswer
from leser.verified.search import search_expansions

if TYPE_CHECKING:
    from leser.session import Session

SEARCH = "search"
"""The system's name."""


def search_run(session: Session, split: Split, queries: Sequence[Query], depth: int) -> SystemRun:
    """Verified search's answers to the queries, at most `verified.budget` searches each; rankings `depth` deep.

    Raises LeserError where no reward says anything without judgments, EngineDown once the engine stops answering.
    """
    environment, options, task = session.environment, session.config.verified, session.task
    sources = sources_of(environment, options, task)
    found = search_expansions(environment, queries, options, sources, seed=session.config.seed)
    if all(answer.answer is VerifiedAnswer.UNJUDGED for answer in found):
        raise LeserError(
            f"None of the rewards {', '.join(environment.rewards.names)} says anything of a query without its judgments, which "
            "verified search may not read here. Add one that does, such as encoder@10, or set evaluation.search=false."
        )
    attempts = [Attempt(f.query, number, environment.say(f.expansions)) for number, f in enumerate(found)]
    outcomes = environment.judge(attempts, Split(split.name, split.queries, {}, split.no_result), depth)
    return SystemRun(
        SEARCH,
        rankings={o.query.id: o.expanded or SearchError(o.reason or "the search failed") for o in outcomes},
        expansions={o.query.id: o.expansions for o in outcomes},
        completions={o.query.id: o.completion for o in outcomes},
        codes={o.query.id: o.code for o in outcomes},
    )
