"""clicks@k: what users clicked, as a reward."""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_click_log.measure import Clicks

__all__ = ["Clicks"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The reward out of a click log."""
    return [Clicks]
