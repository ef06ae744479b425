"""Targets that the warm-up never trains on: when it begins to learn its own targets by heart, and what a prompt can predict.

Dev's reward is measured on a few hundred queries and hardly moves at first; the likelihood of targets that were held out tells
from the first look on whether what is learned holds for other queries. Beside it stands a unigram model of the targets, which
knows how often each token is said and nothing of the prompt: what the policy gains over it is what the prompt predicts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch

from leser.formats.split import near_duplicates
from leser.policy.packed import group_logprobs
from leser.sampler import Sampler
from leser.shares import in_words
from leser.warmup.targets import Target

CHUNK = 16
"""Queries whose likelihood is computed at once."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Of held-out targets: mean negative log-likelihood per token under policy and unigram model (nats), and the share of
    targets to which the policy gives the higher likelihood."""

    loss: float
    unigram: float
    predicted: float

    def row(self) -> dict[str, float]:
        """As metrics.jsonl holds it."""
        return {"held_out_loss": self.loss, "held_out_unigram": self.unigram, "held_out_predicted": self.predicted}

    def sentence(self) -> str:
        """For the user: how far the prompt makes targets predictable."""
        return (
            f"Held-out targets: {in_words(self.predicted)} are likelier under the policy, which reads the prompt, than under a "
            f"unigram model of the targets ({self.loss:.2f} against {self.unigram:.2f} nats per token)."
        )


def hold_out(targets: Sequence[Target], share: float, seed: int) -> tuple[list[Target], list[Target]]:
    """Targets to train on, and those of a share of the queries, near-duplicates together, drawn by the seed."""
    queries = list({target.query.id: target.query for target in targets}.values())
    held: set[str] = set()
    for group in sorted(near_duplicates(queries), key=lambda group: _draw(group[0].id, seed)):
        if len(held) + len(group) <= share * len(queries):
            held |= {query.id for query in group}
    return [t for t in targets if t.query.id not in held], [t for t in targets if t.query.id in held]


Prompted = tuple[list[int], list[list[int]]]
"""A query's prompt, and the token ids of its targets."""


class HeldOut:
    """Held-out queries with their targets, beside the unigram model of the targets that are trained on."""

    def __init__(self, held: Sequence[Prompted], trained: Sequence[Prompted]) -> None:
        self._held = held
        counts = Counter(token for _, rows in trained for row in rows for token in row)
        # add-one smoothing over all that is said anywhere: what training never met must not be impossible
        met = {token for _, rows in held for row in rows for token in row} | counts.keys()
        total = counts.total() + len(met)
        self._unigram = {token: log((counts[token] + 1) / total) for token in met}

    def likelihood(self, sampler: Sampler) -> Likelihood:
        """How likely the policy finds the held-out targets now; changes nothing in it."""
        sampler.policy.model.eval()
        tokens = better = targets = 0
        policy_sum = unigram_sum = 0.0
        for first in range(0, len(self._held), CHUNK):
            part = self._held[first : first + CHUNK]
            with torch.no_grad():
                found = group_logprobs(sampler.policy, [prompt for prompt, _ in part], [rows for _, rows in part])
            own = (found.logprobs * found.mask).sum(dim=-1).tolist()
            for (_, rows), sums in zip(part, own, strict=True):
                for row, policy in zip(rows, sums, strict=False):  # groups are padded to the largest
                    unigram = sum(self._unigram[token] for token in row)
                    tokens, targets, better = tokens + len(row), targets + 1, better + (policy > unigram)
                    policy_sum, unigram_sum = policy_sum + policy, unigram_sum + unigram
        return Likelihood(-policy_sum / tokens, -unigram_sum / tokens, better / targets)


def _draw(query: str, seed: int) -> bytes:
    return hashlib.blake2b(repr((seed, query)).encode("utf-8", "backslashreplace"), digest_size=8).digest()
