"""Rewards on the shape of the change: the format gate, and how much of what was good before is still there."""

from leser.hooks import hookimpl
from leser.reward import Reward
from leser_shape.measures import Format, Kept
from leser_shape.own_score import OwnScore

__all__ = ["Format", "Kept", "OwnScore"]


@hookimpl
def leser_rewards() -> list[type[Reward]]:
    """The format gate, kept and own_score."""
    return [Format, Kept, OwnScore]
