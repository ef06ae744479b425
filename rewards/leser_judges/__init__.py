"""Judges: models that say how well a document answers a query, as rewards and as systems to compare with."""

from leser.baseline import Baseline
from leser.hooks import hookimpl
from leser.reward import Reward
from leser_judges.baselines import EncoderAlone, EncoderFeedback, EncoderRerank
from leser_judges.cross_encoder import CrossEncoder
from leser_judges.guard import Guard
from leser_judges.learned import Learned
from leser_judges.llm import LlmJudge
from leser_judges.proven import EncoderProven
from leser_judges.similarity import EncoderSimilarity

__all__ = [
    "CrossEncoder", "EncoderAlone", "EncoderFeedback", "EncoderProven", "EncoderRerank", "EncoderSimilarity", "Guard", "Learned",
    "LlmJudge",
]  # fmt: skip


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The judges: by vectors, a reranker, a language model, what train teaches, and the guard against bad new documents."""
    return [EncoderSimilarity, CrossEncoder, LlmJudge, Learned, Guard]


@hookimpl
def leser_baselines() -> list[type[Baseline]]:
    """What the judge reaches as a reranker, as a search engine, and by words of what it finds."""
    return [EncoderRerank, EncoderAlone, EncoderFeedback, EncoderProven]
