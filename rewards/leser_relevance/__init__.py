"""Relevance rewards: nDCG, R, RR and P with ir-measures' names, parameters and values, and log_rank."""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_relevance.log_rank import LogRank
from leser_relevance.measures import NDCG, Precision, Recall, ReciprocalRank

__all__ = ["NDCG", "LogRank", "Precision", "Recall", "ReciprocalRank"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The measures of relevance."""
    return [NDCG, Recall, ReciprocalRank, Precision, LogRank]
