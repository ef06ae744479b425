"""The anchor: a judge alone can be fooled, so an expanded query must keep what the original found."""

from __future__ import annotations

from leser.backend import Ranking


def kept_share(original: Ranking, expanded: Ranking, top: int, within: int) -> float:
    """kept@top: share of the original's first `top` hits among the expanded query's first `within`; 1 where it had none."""
    wanted = set(original.ids[:top])
    if not wanted:
        return 1.0
    return len(wanted.intersection(expanded.ids[:within])) / len(wanted)
