"""Texts to vectors in blocks: what is kept at once, and what happens where a model fails on a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from leser.similarity import EncodingFailed, TextEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT_AT_ONCE = 512
"""Texts of a block, after which vectors are written: what a killed process loses at most."""
MOST_FAILURES_IN_A_ROW = 20
"""More than halving a part takes to find one text: the model fails on everything, and the rest is not tried."""


class EncodedPart(NamedTuple):
    """Texts of a block, from `start` to before `stop`, and their vectors; None where the model failed, and why."""

    start: int
    stop: int
    vectors: NDArray[np.float32] | None
    failure: str = ""


def blocks_of(texts: Sequence[str]) -> list[Sequence[str]]:
    """The texts in blocks, in their order."""
    return [texts[start : start + KEPT_AT_ONCE] for start in range(0, len(texts), KEPT_AT_ONCE)]


def encoded_block(encoder: TextEncoder, texts: Sequence[str], query: bool) -> Iterator[EncodedPart]:
    """The parts of a block in order; one that fails is halved until the texts that are to blame stand alone."""
    failures_in_a_row = 0
    waiting = [(0, len(texts))]
    while waiting and failures_in_a_row < MOST_FAILURES_IN_A_ROW:
        start, stop = waiting.pop()
        try:
            vectors = encoder.encode(texts[start:stop], query=query)
        except EncodingFailed as error:
            failures_in_a_row += 1
            yield EncodedPart(start, stop, None, str(error))
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)] if stop - start > 1 else []
            continue
        failures_in_a_row = 0
        yield EncodedPart(start, stop, vectors)
