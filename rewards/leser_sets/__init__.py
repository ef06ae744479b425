"""Rewards on a result list as a set: variety, what each expansion adds, what the shop prefers, and a second engine's opinion."""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_sets.agreement import Agreement
from leser_sets.business import Business
from leser_sets.variety import AlphaNDCG, Marginal

__all__ = ["Agreement", "AlphaNDCG", "Business", "Marginal"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The four rewards on sets."""
    return [AlphaNDCG, Marginal, Business, Agreement]
