"""Judges: models that say how well a document answers a query, as rewards and as systems to compare with."""

from leser.baseline import Baseline
from leser.hooks import hookimpl
from leser.reward import Reward
from leser_judges.baselines import EncoderAlone, EncoderRerank
from leser_judges.similarity import EncoderSimilarity

__all__ = ["EncoderAlone", "EncoderRerank", "EncoderSimilarity"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The judge that compares by vectors."""
    return [EncoderSimilarity]


@hookimpl
def leser_baselines() -> list[type[Baseline]]:
    """What the judge reaches as a reranker, and as a search engine."""
    return [EncoderRerank, EncoderAlone]
