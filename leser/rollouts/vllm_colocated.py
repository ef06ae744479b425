"""vLLM in the trainer's own process: it samples from a copy of the weights, and lends its memory to training in between.

Written against vLLM 0.33: `LLM` with prefix caching, so that the prompt of a group is read once; `reload_weights` in place
before each batch, so that captured graphs stay; sleep mode while the policy is updated; the sampled tokens' log-probabilities
at the sampling temperature (`processed_logprobs`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from leser.errors import LeserError
from leser.rollout import (
    RolloutEngine,
    RolloutOptions,
    RolloutPlace,
    Sample,
    SamplingRequest,
    TokenPrompt,
    TrainedPolicy,
)
from leser.rollouts.vllm_calls import COLOCATED, check_installed

INPROCESS = "VLLM_ENABLE_V1_MULTIPROCESSING"
"""vLLM's variable: "0" keeps its engine in this process, so that weights are handed over as tensors."""
ADVICE = "set -o rollout.name=policy"


class VllmRollouts(RolloutEngine):
    """vLLM in the trainer's own process, on its GPU: weights synced in place before each batch, asleep during updates."""

    name = "vllm"

    class Options(RolloutOptions):
        """Options of vLLM in the trainer's process."""

        gpu_memory_utilization: float = Field(
            0.3, gt=0, lt=1, description="share of the GPU's memory for vLLM's weights and cache; training has the rest"
        )
        dtype: Literal["auto", "bfloat16", "float32"] = Field(
            "auto", description="what vLLM computes in; auto: bfloat16 where policy.precision is bf16, else float32"
        )
        max_num_seqs: int | None = Field(None, ge=1, description="completions sampled at once; none: vLLM's own choice")
        sleep: bool = Field(True, description="give the memory of weights and cache back while the policy is updated")
        eager: bool = Field(False, description="no CUDA graphs: starts sooner, samples slower")
        seeded: bool = Field(
            True,
            description="a seed for each group, so that a run can be repeated as far as vLLM's sums allow; costs some speed",
        )

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._llm: Any = None
        self._ends: tuple[int, ...] = ()
        self._asleep = False

    def check(self) -> str:
        """Which vLLM samples; raises LeserError where none is installed, or one without what is called."""
        return f"{check_installed(COLOCATED, self.name, ADVICE)} in this process"

    def open(self, policy: TrainedPolicy, place: RolloutPlace) -> None:
        """Start vLLM on a saved copy of the policy. Raises LeserError where it cannot start."""
        if place.processes > 1:
            raise LeserError(
                f"The rollout engine '{self.name}' works in a run of one process, this one has {place.processes}. Set "
                "-o rollout.name=vllm-server, which all processes share, or -o rollout.name=policy."
            )
        if os.environ.setdefault(INPROCESS, "0") != "0":
            raise LeserError(
                f"{INPROCESS} is set to {os.environ[INPROCESS]}. Set it to 0, or unset it: weights are handed over."
            )
        try:
            from vllm import LLM
        except ImportError as error:
            raise LeserError(f"vllm cannot be imported ({error}). Install it for this torch, or {ADVICE}.") from error
        folder = place.folder / "policy"
        policy.save(folder)
        options = self.options
        bf16 = options.dtype == "bfloat16" or (options.dtype == "auto" and policy.precision == "bf16")
        try:
            self._llm = LLM(
                model=str(folder),
                skip_tokenizer_init=True,
                dtype="bfloat16" if bf16 else "float32",
                seed=0,
                gpu_memory_utilization=options.gpu_memory_utilization,
                enforce_eager=options.eager,
                max_model_len=policy.max_context,
                max_num_seqs=options.max_num_seqs,
                enable_prefix_caching=True,
                enable_sleep_mode=options.sleep,
                logprobs_mode="processed_logprobs",
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise LeserError(
                f"vLLM could not start on the policy '{policy.name}': {error}. Lower rollout.gpu_memory_utilization where "
                f"memory is short, or {ADVICE}."
            ) from error
        self._ends = tuple(policy.eos_ids)

    def sync_weights(self, policy: TrainedPolicy, step: int) -> None:  # noqa: ARG002 - it holds one set of weights
        """Put the policy's weights in the place of the old ones, and forget the prompts that those read."""
        llm = self._opened()
        if self._asleep:
            llm.wake_up(tags=["weights"])
        llm.collective_rpc("reload_weights", kwargs={"weights_iterator": policy.weights()})
        if self._asleep:
            llm.wake_up(tags=["kv_cache"])
            self._asleep = False
        if not llm.reset_prefix_cache():
            raise LeserError("vLLM did not forget the prompts that it read with old weights. Run again with --resume.")

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        """All prompts in one call; vLLM forms its own batches."""
        from vllm import SamplingParams

        llm = self._opened()
        params = [
            SamplingParams(
                n=request.count,
                temperature=request.temperature,
                seed=request.seed_of(prompt) if self.options.seeded else None,
                stop_token_ids=list(self._ends),
                max_tokens=request.max_new_tokens,
                logprobs=0,
                detokenize=False,
            )
            for prompt in prompts
        ]
        tokens = [{"prompt_token_ids": prompt.tokens} for prompt in prompts]
        answers = llm.generate(prompts=tokens, sampling_params=params, use_tqdm=False)
        return [[_sample(o) for o in sorted(a.outputs, key=lambda o: o.index)] for a in answers]

    def rest(self) -> None:
        """Sleep, where that is on: weights come anew before the next batch, so that none are kept."""
        if self.options.sleep and not self._asleep:
            self._opened().sleep(level=2)
            self._asleep = True

    def close(self) -> None:
        """End vLLM's engine and give its memory back."""
        llm, self._llm = self._llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()

    def _opened(self) -> Any:
        if self._llm is None:
            raise LeserError(f"The rollout engine '{self.name}' is not open. Call open() before it is used.")
        return self._llm


def _sample(output: Any) -> Sample:
    """A CompletionOutput as a Sample: the log-probability of each sampled token stands under its own id."""
    tokens = list(output.token_ids)
    logprobs = [float(at[token].logprob) for at, token in zip(output.logprobs, tokens, strict=True)]
    return sample_of(tokens, logprobs, output.finish_reason)


def sample_of(tokens: list[int], logprobs: list[float], reason: str | None) -> Sample:
    """A completion by vLLM's finish_reason: "stop" at an end token, "length" at the limit, anything else broke it off."""
    broken = "" if reason in ("stop", "length") else f"vLLM ended it: {reason}"
    return Sample(tokens, logprobs, reason == "stop", broken)
