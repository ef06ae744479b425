"""How many queries are taught that they are best left alone: no more than is true, and never as the easy answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import floor

from leser.warmup.targets import Target


def left_alone(targets: Sequence[Target]) -> list[str]:
    """Ids of the queries whose only targets raise nothing."""
    gaining = {target.query.id for target in targets if target.gain > 0}
    return list(dict.fromkeys(target.query.id for target in targets if target.query.id not in gaining))


def limit_left_alone(targets: Sequence[Target], most: float, seed: int) -> list[Target]:
    """The targets with so few queries left alone that they are at most the share `most` of all; those kept are drawn by the seed.

    All are kept where no query has a target that gains: there would be nothing to learn from.
    """
    nothing = left_alone(targets)
    gaining = len({target.query.id for target in targets}) - len(nothing)
    if most >= 1 or gaining == 0:
        return list(targets)
    count = floor(most * gaining / (1 - most) + 1e-9)
    dropped = set(sorted(nothing, key=lambda query: _draw(query, seed))[count:])
    return [target for target in targets if target.query.id not in dropped]


def _draw(query: str, seed: int) -> bytes:
    return hashlib.blake2b(repr((seed, query)).encode("utf-8", "backslashreplace"), digest_size=8).digest()
