"""What RolloutContract opens: an engine with its options, and the small policy that it must sample from."""

from __future__ import annotations

import copy
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leser.options import validate_options
from leser.policy.options import PolicyOptions, TinyOptions
from leser.rollout import RolloutEngine, RolloutPlace, Sample, SamplingRequest, TokenPrompt
from leser.rollouts.checked import sampled
from leser.testing.documents import DOCUMENTS

if TYPE_CHECKING:
    from leser.policy.policy import Policy

CONTEXT = 96
"""Most tokens of prompt and completion that the kit's policy reads."""
LONGEST = 12
"""Tokens of a completion, at most."""
MEAN_GAP = {"fp32": 1e-4, "tf32": 3e-3, "bf16": 0.05}
"""Mean distance in nats per token that rounding may leave between an engine's log-probabilities and the policy's own."""
LARGEST_GAP = {"fp32": 2e-3, "tf32": 0.06, "bf16": 1.0}
"""The same of any single token."""
SECONDS_TO_END = 10.0
"""How long threads and processes may take to end after `close`."""


@dataclass(frozen=True)
class RolloutCase:
    """An engine, its options, and what it computes in ("fp32", "tf32" or "bf16"), which says how exact it must be.

    `breaks` makes an open engine fail as it does in life: it stops the server, or ends the processes that sample.
    """

    engine: type[RolloutEngine]
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    breaks: Callable[[RolloutEngine], None] | None = None

    def make(self) -> RolloutEngine:
        """The engine as a run makes it: not open yet."""
        return self.engine(validate_options(self.engine.Options, dict(self.options), f"rollout engine '{self.name}'"))

    @property
    def name(self) -> str:
        """The engine's name."""
        return str(getattr(self.engine, "name", self.engine.__qualname__))


@cache
def _weights() -> Policy:
    import torch

    from leser.policy.loading import prepare
    from leser.policy.tiny import build_tiny

    shape = TinyOptions(
        d_model=32, layers=2, heads=2, kv_heads=1, ffn=48, vocabulary=300, max_context=CONTEXT, pretrain_steps=0
    )
    policy = prepare(
        build_tiny([" ".join(d.fields.values()) for d in DOCUMENTS], shape), PolicyOptions(device="cpu"), 0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for weight in policy.model.parameters():
            if weight.dim() > 1:  # so large that every token read changes what comes next
                torch.nn.init.normal_(weight, std=0.3)
    # many tokens end a completion, so that short ones end in any way there is
    policy.eos_ids = (*policy.eos_ids, *range(20, policy.model.config.vocab_size, 12))  # type: ignore[union-attr,arg-type]
    return policy


def kit_policy() -> Policy:
    """A policy of random weights in float32 on the CPU, the same at every call, with some 25 tokens that end a completion."""
    return copy.deepcopy(_weights())


def change_weights(policy: Policy, seed: int) -> None:
    """Move every weight as far as no real update would, so that old weights show at once."""
    import torch

    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.add_(torch.randn(weight.shape, generator=noise), alpha=0.2)


def prompts_of(*lengths: int, seed: int = 0) -> list[TokenPrompt]:
    """Prompts of so many tokens each, drawn from the plain ones."""
    drawn = random.Random(seed)
    return [
        TokenPrompt(f"q{n}-{length}", [drawn.randrange(10, 250) for _ in range(length)])
        for n, length in enumerate(lengths)
    ]


class Life:
    """An engine over its life: opened when it is first needed, given weights step by step; after `close` another is opened.

    `lives` counts those that were opened, `before` is what this process had open before the last of them.
    """

    def __init__(self, case: RolloutCase, policy: Policy, folder: Path) -> None:
        self.case, self.policy, self.step = case, policy, -1
        self._folder, self.lives = folder, 0
        self.before: Counter[str] = Counter()
        self._engine: RolloutEngine | None = None

    def is_of(self, case: RolloutCase) -> bool:
        """Whether this is the engine of a case."""
        return (case.engine, dict(case.options)) == (self.case.engine, dict(self.case.options))

    @property
    def place(self) -> Path:
        """The folder of the engine that is open, or was last."""
        return self._folder / f"rollout-engine-{self.lives}"

    @property
    def engine(self) -> RolloutEngine:
        """The open engine; nothing is sampled before `sync`."""
        if self._engine is None:
            self.before = left_open()
            self.lives += 1
            engine = self.case.make()
            engine.open(self.policy, RolloutPlace(self.place))
            self._engine = engine
        return self._engine

    def sync(self) -> None:
        """The policy's weights as they are, for one step more."""
        self.step += 1
        self.engine.sync_weights(self.policy, self.step)

    def request(self, **changes: Any) -> SamplingRequest:
        """Eight completions for each prompt at temperature 1, unless `changes` say otherwise."""
        return SamplingRequest(
            **{"count": 8, "max_new_tokens": LONGEST, "temperature": 1.0, "seed": 7, "step": self.step, **changes}
        )

    def draw(self, prompts: Sequence[TokenPrompt], **changes: Any) -> list[list[Sample]]:
        """What the engine samples, held against its contract as a run does; raises LeserError."""
        return sampled(self.engine, prompts, self.request(**changes), self.policy.eos_ids)

    def gap(self, prompts: Sequence[TokenPrompt], found: Sequence[Sequence[Sample]], temperature: float = 1.0) -> str:
        """How the log-probabilities differ from the policy's own; empty where rounding explains it."""
        gaps = self._gaps(prompts, found, temperature)
        if not gaps:
            return "there is no token"
        mean, largest, precision = sum(gaps) / len(gaps), max(gaps), self.case.precision
        if mean <= MEAN_GAP[precision] and largest <= LARGEST_GAP[precision]:
            return ""
        return (
            f"log-probabilities are not the policy's: {mean:.2g} nats per token on average and {largest:.2g} at most, "
            f"{MEAN_GAP[precision]:g} and {LARGEST_GAP[precision]:g} are allowed in {precision}"
        )

    def _gaps(
        self, prompts: Sequence[TokenPrompt], found: Sequence[Sequence[Sample]], temperature: float
    ) -> list[float]:
        from leser.policy.packed import group_logprobs

        completions = [[sample.tokens for sample in group] for group in found]
        own = group_logprobs(self.policy, [p.tokens for p in prompts], completions, temperature=temperature).logprobs
        rows = zip(
            (row for group in own.detach().tolist() for row in group),
            (s for group in found for s in group),
            strict=True,
        )
        return [abs(mine - noted) for row, sample in rows for mine, noted in zip(row, sample.logprobs, strict=False)]

    def close(self) -> None:
        """Close the engine where one is open."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def first_token_probabilities(policy: Policy, prompt: TokenPrompt, temperature: float) -> list[float]:
    """What the policy would say first, by token."""
    import torch

    with torch.no_grad():
        logits = policy.causal_lm(input_ids=torch.tensor([prompt.tokens]), use_cache=False).logits[0, -1]
    found: list[float] = torch.softmax(logits.double() / temperature, dim=-1).tolist()
    return found


def left_open(before: Counter[str] | None = None) -> Counter[str]:
    """Threads, child processes and sockets of this process; with `before`, those that are new and do not end."""
    if before is None:
        return _open_now()
    until = time.monotonic() + SECONDS_TO_END
    while (new := _open_now() - before) and time.monotonic() < until:
        time.sleep(0.05)
    return new


def _open_now() -> Counter[str]:
    found = Counter(f"thread '{thread.name}'" for thread in threading.enumerate())
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended meanwhile
            found.update(f"process {child}" for child in task.read_text().split())
    with suppress(FileNotFoundError):
        for descriptor in os.scandir("/proc/self/fd"):
            with suppress(OSError):
                if os.readlink(descriptor.path).startswith("socket:"):  # noqa: PTH115 - it is no path
                    found["sockets"] += 1
    return found
