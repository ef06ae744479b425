"""own_score@k: what the engine itself, asked with the query as typed, thinks of the hits that the expanded query brings."""

from __future__ import annotations

from collections.abc import Sequence

from leser.reward import Outcome, Reward
from leser.verified.anchor import agreement


class OwnScore(Reward):
    """Scores that the expanded top k had for the query as typed, in shares of the best, discounted as in DCG (own_score@k).

    0 to 1; a hit that the original does not list counts 0. An anchor for judges that need no labels: a judge and an engine err
    differently, and their sum orders documents better than either (Fox and Shaw's CombSUM, TREC-2, 1994). Verified search and the
    baseline `encoder-feedback` count it in the same way, .3 beside 1 of the judge.
    """

    name = "own_score"
    anchor = True

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The discounted mean; does not apply where the original found nothing or the expanded query was not searched."""
        return [
            agreement(outcome.original, outcome.expanded, self.depth)
            if outcome.expanded is not None and outcome.original.hits
            else None
            for outcome in outcomes
        ]
