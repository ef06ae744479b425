"""What grpo_vs_trl gives to both sides, and the clock that times their steps.

Same on both: a Llama of one size and seed, prompts, lengths, rewards, advantages (scaled by the group's deviation), the
DAPO loss without KL, one update per batch of completions, AdamW, the rate, gradient clipping, precision, LoRA's rank and
targets, threads. On a CPU both train one group per pass; on a GPU LESER sizes its passes from free memory and TRL's rows
per pass are an argument. No completion can end early, at no cost to either side: the end token's id is the first that
the model lacks.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import shapes
from leser.errors import LeserError
from leser.policy.options import TinyOptions

RATE = 1e-6
SPECIAL = ("<pad>", "<bos>", "<unk>")
SHAPES: dict[str, dict[str, int]] = {
    "toy": {"d_model": 32, "layers": 2, "heads": 4, "kv_heads": 2, "ffn": 64, "vocabulary": 300},
    "6M": {"d_model": 256, "layers": 5, "heads": 4, "kv_heads": 2, "ffn": 704, "vocabulary": 8192},
    "30M": {"d_model": 512, "layers": 8, "heads": 8, "kv_heads": 4, "ffn": 1408, "vocabulary": 8192},
    "120M": {"d_model": 768, "layers": 16, "heads": 12, "kv_heads": 6, "ffn": 2048, "vocabulary": 8192},
}
SHAPES |= {
    size: {"d_model" if name == "width" else name: value for name, value in shapes.SHAPES[size][1].items()}
    for size in ("135M", "0.5B", "1.5B")  # of real models, for GPUs
}
LORA_ALPHA = 32


@dataclass(frozen=True)
class Case:
    """What is measured: model, lengths in tokens, completions a prompt, prompts a step, and how many steps."""

    size: str = "6M"
    prompt: int = 512
    group: int = 16
    completion: int = 32
    prompts: int = 4
    threads: int = 1
    trl_rows: int | None = None  # completions in one pass of TRL's training; None: a group, as on our side
    rounds: int = 5
    warm_up: int = 2
    device: str = "cpu"
    precision: str = "fp32"  # fp32, tf32 or bf16 (mixed: float32 weights); under LoRA bf16 means a base in bfloat16
    lora: int = 0  # rank of LoRA adapters on all linear layers; 0 trains every weight

    @property
    def cuda(self) -> bool:
        """Whether the case runs on a GPU."""
        return self.device.startswith("cuda")

    @property
    def steps(self) -> int:
        """Steps that each side takes."""
        return self.rounds + self.warm_up

    @property
    def completions(self) -> int:
        """Completions in one step."""
        return self.prompts * self.group

    @property
    def token_ratio(self) -> float:
        """Tokens that pass through the model without sharing and with: G (P + C) / (P + G C)."""
        whole = self.group * (self.prompt + self.completion)
        return whole / (self.prompt + self.group * self.completion)


@dataclass(frozen=True)
class Report:
    """One step of one side: seconds, memory in MB so far, and what it worked on."""

    step: float
    sampling: float  # token ids in, completions' token ids out
    training: float  # forward, backward, clipping, optimiser
    cpu: float  # processor seconds of the step, of all threads
    memory: float  # largest resident set so far above the one before the first step; on a GPU the allocator's peak
    resident: float  # largest resident set so far; on a GPU the allocator's peak, weights included
    prompts: str  # digest of the prompts' token ids, in order
    sampled: int  # completion tokens
    trained: int  # completion tokens in the loss
    parameters: int


class Turns:
    """A side's end of the pipe: waits for its turn, times the step, reports."""

    def __init__(self, pipe: Connection, *, cuda: bool = False) -> None:
        self.pipe = pipe
        self.cuda = cuda
        self.before: float | None = None
        self.started = self.cpu = 0.0

    def now(self) -> float:
        """The clock, once the GPU has done what it was given."""
        if self.cuda:
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def begin(self) -> None:
        """Wait to be asked for a step, then start the clock."""
        self.pipe.recv()
        if self.before is None:
            self.before = self._start_memory()
        self.started, self.cpu = self.now(), time.process_time()

    def end(self, **measured: Any) -> None:
        """Stop the clock and report; `measured` are the fields of Report that only the side knows."""
        seconds, cpu = self.now() - self.started, time.process_time() - self.cpu
        peak = self._peak_memory()
        assert self.before is not None
        self.pipe.send(Report(step=seconds, cpu=cpu, memory=peak - self.before, resident=peak, **measured))

    def _start_memory(self) -> float:
        if self.cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated() / 1e6
        Path("/proc/self/clear_refs").write_text("5")  # the largest resident set starts anew (proc(5))
        return resident("VmRSS")

    def _peak_memory(self) -> float:
        if self.cuda:
            import torch

            return torch.cuda.max_memory_allocated() / 1e6
        return resident("VmHWM")


def resident(name: str) -> float:
    """VmRSS (now) or VmHWM (largest) of this process in MB; getrusage's figure can't be reset. Linux only."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise LeserError("Peak memory is read from /proc, which this system lacks. Run the benchmark on Linux.")
    found = [line.split()[1] for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(name)]
    return int(found[0]) / 1000


def make_tokenizer(size: str) -> Any:
    """A tokenizer that maps the word w<n> to token n, so that a prompt's length is what the case says."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    count = SHAPES[size]["vocabulary"]
    words = [*SPECIAL, *(f"w{i}" for i in range(len(SPECIAL), count)), "<end>"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        unk_token="<unk>",
        eos_token="<end>",
        clean_up_tokenization_spaces=False,
    )


def make_model(case: Case) -> Any:
    """The Llama of this size with random weights; `<end>` is the first token id it does not have."""
    import torch

    from leser.policy import tiny

    torch.set_num_threads(case.threads)
    options = TinyOptions(**SHAPES[case.size], architecture="llama", max_context=max(32, case.prompt + case.completion))
    model: Any = tiny.make_model(options.vocabulary, options)
    model.config.eos_token_id = model.generation_config.eos_token_id = options.vocabulary
    return model


def make_prompts(case: Case) -> list[str]:
    """Different prompts of `case.prompt` words for every step, in the order in which both sides take them."""
    draw = random.Random(1)
    known = range(len(SPECIAL), SHAPES[case.size]["vocabulary"])
    return [" ".join(f"w{i}" for i in draw.choices(known, k=case.prompt)) for _ in range(case.steps * case.prompts)]


def make_rewards(case: Case) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rewards (prompts, G) of every step, by position; no group is dead, so that no side may leave one out."""
    place = np.arange(case.completions).reshape(case.prompts, case.group)
    return (7 * place % case.group + place // case.group) / case.group


def digest(rows: Sequence[Sequence[int]]) -> str:
    """A short name for these token ids."""
    return hashlib.blake2b(repr([list(row) for row in rows]).encode(), digest_size=8).hexdigest()
