"""Coverage rewards: are all needs behind a query served, and does a query that found nothing find something?"""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_coverage.measures import Coverage, Rescued, UnionRecall

__all__ = ["Coverage", "Rescued", "UnionRecall"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The three measures of coverage."""
    return [Coverage, UnionRecall, Rescued]
