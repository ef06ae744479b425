"""TRL's side of grpo_vs_trl: its GRPOTrainer's own sampling and training; only the clock and the counters are ours.

Settings are the best for the case: gradient checkpointing off (its default is on), a cache while sampling, one
generation batch per optimiser step (so that it needs no pass for old log-probabilities), no logging and no saving, and
prompts of one length, which it needn't pad; on a GPU bf16 mixed precision and fused AdamW.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from datasets import Dataset
from transformers import TrainerCallback
from trl.trainer import utils
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from benchmarks.grpo_case import (
    LORA_ALPHA,
    RATE,
    Case,
    Turns,
    digest,
    make_model,
    make_prompts,
    make_rewards,
    make_tokenizer,
)
from leser.errors import LeserError


@contextmanager
def head_on_completions() -> Iterator[None]:
    """TRL's language-model head on completion positions alone, as where it has Triton; on a CPU it takes them all.

    Only the choice of positions is replaced (in `trl.trainer.utils`); its kernels still see a machine without Triton.
    """
    if not hasattr(utils, "_use_triton"):
        raise LeserError(
            f"TRL {version('trl')} chooses its head's positions in another way than 1.16. "
            "Install trl==1.16.0, or teach benchmarks/grpo_trl.py the new way."
        )
    with patch.object(utils, "_use_triton", lambda _device: True):
        yield


class TimedTrainer(GRPOTrainer):
    """GRPOTrainer with what one step took and worked on."""

    sampling = not_training = 0.0
    sampled = trained = 0
    prompt_rows: Any = ()
    completion_rows: Any = ()
    now: Any = staticmethod(time.perf_counter)

    def restart(self) -> None:
        """Forget the step before."""
        self.sampling = self.not_training = 0.0
        self.sampled = self.trained = 0

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        base: Any = super()
        before = self.now()
        found = base._generate_single_turn(prompt_ids, *args, **kwargs)
        self.sampling += self.now() - before
        self.prompt_rows, self.completion_rows = prompt_ids, found[0]
        self.sampled += sum(map(len, found[0]))
        return found

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        before = self.now()
        found = super()._generate_and_score_completions(inputs)
        self.not_training += self.now() - before
        return found

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        if inputs.get("old_per_token_logps") is not None:
            raise LeserError("TRL made a pass for old log-probabilities that this case does not need.")
        self.trained += int(inputs["completion_mask"].sum())
        base: Any = super()
        return base._compute_loss(model, inputs)


class Clock(TrainerCallback):
    """Begins and ends a turn around all that the trainer does for a step, loading the data excepted."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.trainer: TimedTrainer | None = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Wait for the turn."""
        assert self.trainer is not None
        self.trainer.restart()
        self.turns.begin()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Report the step; training is all of it but what led to the batch: sampling, decoding, rewards."""
        trainer: Any = self.trainer
        seconds = self.turns.now() - self.turns.started
        self.turns.end(
            sampling=trainer.sampling,
            training=seconds - trainer.not_training,
            prompts=digest(trainer.prompt_rows[:: trainer.num_generations]),
            sampled=trainer.sampled,
            trained=trainer.trained,
            parameters=sum(p.numel() for p in trainer.model.parameters()),
        )


def make_trainer(case: Case, folder: Path, *callbacks: TrainerCallback) -> TimedTrainer:
    """TRL's trainer on the case's model, prompts and rewards. Raises LeserError when its passes do not fill a step."""
    rows = case.trl_rows or case.group
    if case.completions % rows:
        raise LeserError(f"{rows} rows a pass do not divide the {case.completions} completions of a step.")
    # fmt: off
    config = GRPOConfig(
        output_dir=str(folder), seed=1, max_steps=case.steps, use_cpu=not case.cuda,
        bf16=case.precision == "bf16", tf32=tf32(case), optim="adamw_torch_fused" if case.cuda else "adamw_torch",
        per_device_train_batch_size=rows, gradient_accumulation_steps=case.completions // rows,
        num_generations=case.group, max_completion_length=case.completion, generation_kwargs={"use_cache": True},
        loss_type="dapo", beta=0.0, epsilon=0.2, epsilon_high=0.28, scale_rewards="group", num_iterations=1,
        learning_rate=RATE, lr_scheduler_type="constant", adam_beta1=0.9, adam_beta2=0.95, weight_decay=0.0,
        max_grad_norm=1.0, gradient_checkpointing=False, shuffle_dataset=False, dataloader_pin_memory=False,
        logging_strategy="no", save_strategy="no", report_to=[], disable_tqdm=True,
    )
    # fmt: on
    rewards: list[float | None] = [float(r) for r in make_rewards(case).flatten()]

    def reward(completions: list[str], **_: Any) -> list[float | None]:
        return rewards[: len(completions)]

    model = make_model(case)
    if case.lora and case.precision == "bf16":
        model = model.bfloat16()
    return TimedTrainer(
        model=model,
        peft_config=lora(case),
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": text} for text in make_prompts(case)]),
        processing_class=make_tokenizer(case.size),
        callbacks=list(callbacks),
    )


def tf32(case: Case) -> bool | None:
    """TRL's switch for TF32; None on a CPU, where it may not be set."""
    return case.precision == "tf32" if case.cuda else None


def lora(case: Case) -> Any:
    """The same adapters as LESER's; None where every weight is trained."""
    if not case.lora:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=case.lora, lora_alpha=LORA_ALPHA, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def run_trl(case: Case, folder: Path, turns: Turns) -> None:
    """TRL's steps."""
    clock = Clock(turns)
    clock.trainer = make_trainer(case, folder, clock)
    clock.trainer.now = turns.now
    clock.trainer.train()
