"""Relevance rewards: nDCG, R, RR and P of the expanded ranking, with ir-measures' names, parameters and values."""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_relevance.measures import NDCG, Precision, Recall, ReciprocalRank

__all__ = ["NDCG", "Precision", "Recall", "ReciprocalRank"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The four measures of relevance."""
    return [NDCG, Recall, ReciprocalRank, Precision]
