"""A small policy that can say "sofa", "tall; floor" and "none", on a shelf of furniture: made in two seconds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from environments import SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend

from leser.backend import Backend
from leser.expansion import ExpansionOptions
from leser.grpo.options import GrpoOptions
from leser.grpo.update import make_optimizer
from leser.policy.options import TinyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import build_tiny
from leser.prompt import PromptOptions
from leser.rollout import RolloutEngine
from leser.sampler import Sampler
from leser.task import Query, Split
from leser.training.supervised import Example, supervised_step

QUERIES = [Query(f"q{i}", "navy couch") for i in range(8)]
WIDE = Split("train", tuple(QUERIES), {q.id: SPLIT.qrels["q1"] for q in QUERIES})
SAID: Sequence[str] = ("sofa", "tall; floor", "none")


def speaking_policy() -> Policy:
    """The same policy at every call: 40 supervised updates from seeded weights."""
    torch.manual_seed(0)
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch none"]
    shape = TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0, seed=1)
    policy = build_tiny(texts, shape)
    optimizer, sampler = make_optimizer(policy, GrpoOptions()), sampler_of(policy)
    said = [policy.encode_completion(text) for text in SAID]
    examples = [Example(prompt, said) for prompt in sampler.prompts(QUERIES[:3])]
    for _ in range(40):
        supervised_step(policy, optimizer, examples, 1e-2)
    return policy


def sampler_of(policy: Policy, backend: Backend | None = None, rollouts: RolloutEngine | None = None) -> Sampler:
    """The policy asked on the shelf, twelve tokens at most."""
    environment = environment_of(backend or MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0))
    return Sampler(policy, environment, PromptOptions(context=False), 12, rollouts=rollouts)
