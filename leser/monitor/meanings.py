"""What each figure of metrics.jsonl says: its meaning, what is healthy, and from where on it is a warning sign.

One table for the live page (`leser watch`) and for docs/metrics.md, so that neither can name a figure the other lacks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A figure: `text` says what it is, `healthy` how it looks when all is well.

    `side` and `limit` say from where on it is a warning sign; `sign` says of what. Without them no value is one.
    """

    text: str
    healthy: str
    side: Side | None = None
    limit: float = math.nan
    sign: str = ""

    def warns(self, value: float) -> bool:
        """Whether this value is a warning sign."""
        if self.side is None or not math.isfinite(value):
            return False
        return value > self.limit if self.side == "above" else value < self.limit


_WRITTEN = {
    "length": Meaning("tokens of a completion, on average", "as long as the terms need; far below the limit"),
    "distinct_terms": Meaning(
        "different words that a completion's expansions hold", "steady or rising",
        "below", 0.3, "the policy stops expanding: compare no_expansion, and see how much reward is left to gain",
    ),
    "parse_errors": Meaning(
        "share of completions that cannot be read", "below 2 % after the warm-up",
        "above", 0.1, "raise training.max_new_tokens, or warm up for longer",
    ),
    "rule_violations": Meaning(
        "share of completions that break a rule", "falling to below 5 %",
        "above", 0.3, "a rule forbids what the policy writes most: read them with leser rollouts --code rule_violation",
    ),
    "engine_errors": Meaning(
        "share of completions whose search failed; they teach nothing", "0",
        "above", 0.01, "the engine is overloaded or refuses long queries: see [search] and the engine's log",
    ),
    "nothing_found": Meaning("share of completions with which the engine found nothing", "as for the original queries"),
    "no_expansion": Meaning(
        "share of completions that leave the query as it is", "the share of queries that nothing helps",
        "above", 0.9, "the policy has learned to leave queries alone: the rewards see no gain in expanding",
    ),
}  # fmt: skip

_FEWER = "fewer updates per batch, or a lower rate"

MEANINGS: dict[str, Meaning] = {
    "phase": Meaning("warmup or grpo", "-"),
    "step": Meaning("updates of the phase so far", "-"),
    "elapsed_s": Meaning("seconds of the phase so far, over all its starts", "-"),
    "run_s": Meaning("seconds of the run so far, over all its starts; only with training.minutes", "below the limit"),
    "loss": Meaning("the phase's loss: in the warm-up nats per token; in GRPO near 0 by its making", "falling in the warm-up"),
    "reward": Meaning("mean reward of the step's completions", "rising slowly, with noise"),
    "zero_variance_groups": Meaning(
        "share of queries whose completions all earned the same: they teach nothing", "below 60 %",
        "above", 0.8, "use a reward that moves more often (nDCG@100 beside nDCG@10), or more completions per query",
    ),
    "zero_variance_failed": Meaning(
        "share of groups that teach nothing because all searches failed, or all but one", "0",
        "above", 0.05, "the engine fails: read the reasons with leser rollouts --code engine_error",
    ),
    "zero_variance_gated": Meaning(
        "share of groups that teach nothing because every completion was gated", "near 0 after the warm-up",
        "above", 0.3, "warm up for longer, or raise training.max_new_tokens",
    ),
    "zero_variance_equal": Meaning(
        "share of groups that teach nothing although completions were judged: all earned the same", "below 60 %",
        "above", 0.8, "a finer reward (nDCG@100 beside nDCG@10); grpo.refill or grpo.curriculum",
    ),
    "refilled_groups": Meaning(
        "groups of further queries that were sampled for those that teach nothing (grpo.refill)", "fewer than the batch"
    ),
    **_WRITTEN,
    "echo": Meaning(
        "share of the expansions' words that the query holds already", "below 20 %",
        "above", 0.5, "much of what is written stands in the query already: rewards.term_cost makes expansions earn their place",
    ),
    "repeated_terms": Meaning(
        "share of words written before in the same completion", "below 5 %",
        "above", 0.2, "the policy pads: rewards.term_cost makes expansions earn their place",
    ),
    "commonest_term": Meaning(
        "share of completions that hold the word which most of them share", "below 20 %",
        "above", 0.5, "one filler word for all queries: the reward pays for it, or the policy has collapsed",
    ),
    "unknown_expansions": Meaning(
        "share of expansions no word of which any document holds", "below 20 %",
        "above", 0.6, "expansions that cannot match; they cost nothing and bring nothing",
    ),
    "grad_norm": Meaning("length of the gradient before it is clipped", "steady", "above", 100.0, "lower the learning rate"),
    "learning_rate": Meaning("rate of this step", "follows the schedule"),
    "entropy": Meaning(
        "nats per token, of the completions that taught something", "falling slowly",
        "below", 0.05, "the policy samples one answer per query: nothing new is tried",
    ),
    "entropy_all": Meaning(
        "nats per token, of all completions, those of zero-variance groups included", "falling slowly",
        "below", 0.02, "the policy is sure of nearly every query; entropy alone hides it",
    ),
    "update_kl": Meaning(
        "nats per token by which the policy left the one that sampled, before the last update; 0 with one update per batch",
        "below 0.05", "above", 0.1, "fewer updates per batch, a lower rate, or grpo.stop_kl",
    ),
    "corrected": Meaning(
        "share of tokens whose importance weight was truncated or masked; 0 where grpo.importance is none", "below 5 %",
        "above", 0.2, "find out why the sampler computes other probabilities than the trainer",
    ),
    "kl": Meaning("nats per token from the policy that GRPO began with; 0 where it is not asked for", "below 0.5"),
    "clipped_low": Meaning(
        "share of tokens clipped from below; 0 with one update per batch", "below 10 %", "above", 0.3, _FEWER
    ),
    "clipped_high": Meaning(
        "share of tokens clipped from above; 0 with one update per batch", "below 10 %", "above", 0.3, _FEWER
    ),
    "log_ratio_max": Meaning(
        "largest log-ratio of a token between the policy and the one that sampled", "below 1 with one update per batch",
        "above", 5.0, "the policy moved far within one batch",
    ),
    "sampler_gap": Meaning(
        "mean gap, in nats per token, between the sampler's log-probabilities and the trainer's, of the same weights",
        "below 1e-4 in float32, below 0.05 in bf16 and with another rollout engine", "above", 0.1,
        "the sampler and the trainer compute different things, or the rollout engine has old weights",
    ),
    "tokens": Meaning("completion tokens in the loss", "above 0"),
    "passes": Meaning("forward and backward passes of the update", "few: raise grpo.tokens_per_pass where memory allows"),
    "updates": Meaning("updates made from the batch", "epochs_per_batch x mini_batches, fewer where grpo.stop_kl ends them"),
    "skipped": Meaning(
        "updates skipped because their gradient was not finite", "0",
        "above", 0.0, "lower the learning rate; check policy.precision",
    ),
    "sync_s": Meaning("seconds of giving the rollout engine the policy's weights", "a small part of sample_s"),
    "sample_s": Meaning("seconds of sampling", "-"),
    "search_s": Meaning("seconds of waiting for the engine", "less than sample_s and update_s together"),
    "hidden_s": Meaning("seconds of searching while the next batch was sampled; only with training.overlap", "near sample_s"),
    "update_s": Meaning("seconds of the update", "-"),
    "searches_per_s": Meaning("searches answered per second", "-"),
    "completions_per_s": Meaning("completions per second of the whole step", "steady"),
    "tokens_per_s": Meaning("completion tokens per second of the whole step", "steady"),
    "mfu": Meaning(
        "share of the devices' peak that the model's products took, waiting included; only on GPUs whose peak is known",
        "highest where sample_s and search_s are small beside update_s",
    ),
    "cache_hits": Meaning("share of searches answered from memory", "rises as the policy settles"),
}  # fmt: skip
"""Figures by their names; `dev_NAME` are the same of greedy answers to dev queries, `reward_NAME` one reward's mean."""

_PREFIXED = {
    "dev_reward": Meaning("mean reward of greedy answers to dev queries: what the best policy is chosen by", "rising"),
    "dev_second_engine": Meaning("mean reward of the same answers on a second engine", "moves as dev_reward does"),
}
_REWARD = Meaning("mean of one reward over the step's completions", "rising, or steady where another one rises")
_DEV = Meaning("mean of one reward or measure over greedy answers to dev queries", "rising")


def meaning_of(name: str) -> Meaning | None:
    """The meaning of a figure of metrics.jsonl, one with a prefix included; None for a plugin's own."""
    if name in MEANINGS or name in _PREFIXED:
        return MEANINGS.get(name) or _PREFIXED[name]
    if name.startswith("reward_"):
        return _REWARD
    if name.startswith("dev_"):
        return MEANINGS.get(name.removeprefix("dev_"), _DEV)
    return None


def signs(figures: Mapping[str, Any]) -> dict[str, str]:
    """The figures that are warning signs, each with what it is a sign of."""
    found = {}
    for name, value in figures.items():
        meaning = meaning_of(name)
        if meaning and isinstance(value, (int, float)) and meaning.warns(float(value)):
            found[name] = meaning.sign
    return found


def as_markdown() -> str:
    """The table of docs/metrics.md."""
    lines = ["| figure | what it is | healthy | warning sign |", "|---|---|---|---|"]
    for name, meaning in {**MEANINGS, **_PREFIXED}.items():
        sign = f"{meaning.side} {meaning.limit:g}: {meaning.sign}" if meaning.side else ""
        sign = re.sub(r"\b(leser rollouts[^;]*)", r"`\1`", sign)
        lines.append(f"| `{name}` | {meaning.text} | {meaning.healthy} | {sign} |")
    return "\n".join(lines) + "\n"
