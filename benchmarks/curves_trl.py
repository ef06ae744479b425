"""TRL's side of curves_vs_trl: its GRPOTrainer on LESER's prompts and rewards, from LESER's warm-up."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from benchmarks.grpo_trl import head_on_completions
from leser.bridge import Bridge
from leser.grpo.options import GrpoOptions
from leser.policy.policy import Policy
from leser.sampler import Sampler
from leser.session import Session
from leser.task import Query

ROWS_PER_PASS = 64
"""Completions of one pass of TRL's training: the fastest of 16, 32, 64, 128 and 512 for prompts and model of this case."""


class GivenPrompts(GRPOTrainer):
    """GRPOTrainer whose prompts are token ids already: those that LESER writes for the query that a row names."""

    encoded: Mapping[str, list[int]] = {}

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self.encoded[name] for name in prompts], None, {}


class Look(TrainerCallback):
    """Stops the clock after the steps that are looked at, and hands over the steps made and the seconds they took."""

    def __init__(self, every: int, look: Callable[[int, float], None]) -> None:
        self.every, self.look = every, look
        self.seconds = self.begun = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self.begun = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Stop it."""
        self.seconds += time.perf_counter() - self.begun
        if state.global_step % self.every == 0:
            self.look(state.global_step, self.seconds)


def train_trl(
    session: Session,
    sampler: Sampler,
    batches: Sequence[Sequence[Query]],
    options: GrpoOptions,
    *,
    rate: float,
    seed: int,
    every: int,
    look: Callable[[int, float], None],
) -> None:
    """Train a copy of the sampler's policy on these batches, in this order.

    `look(steps, seconds)` is called every `every` steps, when the sampler's policy has the weights that were reached; seconds
    are the trainer's alone, those of looking are not counted.
    """
    policy = sampler.policy
    queries = [query for batch in batches for query in batch]
    bridge = Bridge(session)

    def reward(completion_ids: Sequence[list[int]], query_id: Sequence[str], **_: Any) -> list[float | None]:
        """What `Bridge.trl_reward` gives; from token ids, so that a completion that was cut counts as cut."""
        texts = [policy.decode(ids) for ids in completion_ids]
        ended = [bool(ids) and ids[-1] in policy.eos_ids for ids in completion_ids]
        scores = session.environment.score(bridge.outcomes(query_id, texts, ended))
        return [None if out else float(total) for total, out in zip(scores.total, scores.excluded, strict=True)]

    with tempfile.TemporaryDirectory() as folder, head_on_completions():
        model = _plain_copy(policy)
        observer = Look(every, lambda steps, seconds: (_take_over(policy, model), look(steps, seconds))[1])
        trainer = GivenPrompts(
            model=model,
            reward_funcs=reward,
            args=_settings(options, Path(folder), len(batches), len(batches[0]), sampler.max_new_tokens, rate, seed),
            train_dataset=Dataset.from_list([{"prompt": q.id, "query_id": q.id} for q in queries]),
            processing_class=policy.tokenizer,
            callbacks=[observer],
        )
        trainer.encoded = dict(zip((q.id for q in queries), sampler.prompts(queries), strict=True))
        trainer.train()


def _settings(
    options: GrpoOptions, folder: Path, steps: int, queries: int, longest: int, rate: float, seed: int
) -> GRPOConfig:
    """The same hyperparameters as LESER's; what does not change results is set for speed."""
    completions = queries * options.group_size
    # fmt: off
    return GRPOConfig(
        output_dir=str(folder), seed=seed, max_steps=steps, use_cpu=True, bf16=False, optim="adamw_torch",
        per_device_train_batch_size=ROWS_PER_PASS, gradient_accumulation_steps=completions // ROWS_PER_PASS,
        num_generations=options.group_size, max_completion_length=longest, generation_kwargs={"use_cache": True},
        temperature=options.temperature, top_k=0, top_p=1.0,
        loss_type="dapo", beta=0.0, epsilon=options.clip_low, epsilon_high=options.clip_high, scale_rewards="none",
        num_iterations=1, learning_rate=rate, lr_scheduler_type="constant", adam_beta1=options.beta1,
        adam_beta2=options.beta2, weight_decay=options.weight_decay, max_grad_norm=options.max_grad_norm,
        gradient_checkpointing=False, shuffle_dataset=False, dataloader_pin_memory=False,
        logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True,
    )
    # fmt: on


def _plain_copy(policy: Policy) -> Any:
    """The policy's model as transformers makes it, without LESER's attention."""
    held: Any = policy.causal_lm
    model = type(held)(copy.deepcopy(held.config))  # which says what attention is used
    model.load_state_dict(held.state_dict())
    model.set_attn_implementation("sdpa")
    model.generation_config.eos_token_id = list(policy.eos_ids)
    model.generation_config.pad_token_id = policy.tokenizer.pad_token_id
    return model


@torch.no_grad()
def _take_over(policy: Policy, model: Any) -> None:
    for weight, trained in zip(policy.causal_lm.parameters(), model.parameters(), strict=True):
        weight.copy_(trained)
