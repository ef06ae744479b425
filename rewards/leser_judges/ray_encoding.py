"""Blocks of texts encoded by workers of a Ray, each with the model; this process alone writes the file of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from leser.cluster.connection import Cluster, open_ray
from leser.cluster.pool import Words, WorkerPool, in_order
from leser.errors import LeserError
from leser.printable import printable
from leser_judges.blocks import EncodedPart, encoded_block
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions

if TYPE_CHECKING:
    from leser_judges.vectors import Encoding


def _block(texts: Sequence[str]) -> str:
    return f"the block of {len(texts)} texts that begins with '{printable(texts[0], 60)}'"


WORDS = Words(
    work="the encoder",
    unlike="the encoder's files differ between them.",
    resume="What is encoded is kept: run the command again, and it goes on there.",
    block=_block,
)


class EncodingWork:
    """An encoder as a worker's work."""

    def __init__(self, options: EncoderOptions) -> None:
        self._encoder = Encoder(options)
        self.facts = self._encoder.fingerprint

    def work(self, block: Sequence[str], query: bool) -> list[EncodedPart]:
        """The parts of a block."""
        return list(encoded_block(self._encoder, block, query))


@contextmanager
def _opened(options: EncoderOptions) -> Iterator[EncodingWork]:
    yield EncodingWork(options)


@contextmanager
def encoding_on(cluster: Cluster, options: EncoderOptions, fingerprint: str) -> Iterator[Encoding]:
    """Encodes blocks on workers of a Ray while it is open. Raises LeserError, also where their encoder is another one."""
    with open_ray(cluster) as ray, WorkerPool(ray, partial(_opened, options), cluster, WORDS) as pool:
        check_same(pool.facts, fingerprint, options)
        yield lambda blocks, query: in_order(pool.work(blocks, query))


def check_same(theirs: str, ours: str, options: EncoderOptions) -> None:
    """Raise LeserError where the workers' encoder is not the one whose vectors are in the file."""
    if theirs != ours:
        raise LeserError(
            f"The workers' encoder '{options.model}' is not the one that is here: its files differ. Give every machine the "
            "same ones."
        )
