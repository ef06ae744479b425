"""A vLLM server beside the trainer, on GPUs or machines of its own; all processes of a run share it.

Written against the routes of vLLM 0.33: tokens in and out with log-probabilities (`POST /inference/v1/generate`), and those of
VLLM_SERVER_DEV_MODE=1 for new weights: pause, reload or receive, forget cached prompts, set the weights' version, resume. Each
completion comes back with the version that sampled it, which is held against the step.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from leser.errors import LeserError
from leser.files import write_folder
from leser.options import secret
from leser.rollout import (
    RolloutEngine,
    RolloutOptions,
    RolloutPlace,
    Sample,
    SamplingRequest,
    TokenPrompt,
    TrainedPolicy,
)
from leser.rollouts.vllm_calls import TRANSFER, check_installed
from leser.rollouts.vllm_colocated import sample_of
from leser.rollouts.vllm_nccl import WeightSender
from leser.rollouts.vllm_wire import START, VllmWire

_WEIGHTS = re.compile(r"weights-\d+|\.weights-\d+\.(part|old)")
_FILES = {"model.safetensors", "config.json"}


class VllmServerRollouts(RolloutEngine):
    """A vLLM server (VLLM_SERVER_DEV_MODE=1 vllm serve ...): new weights before each batch, through a shared folder or NCCL."""

    name = "vllm-server"
    shared = True

    class Options(RolloutOptions):
        """Options of a vLLM server."""

        url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://", description="where the server answers")
        api_key_env: str | None = Field(None, description="environment variable with the server's key")
        transfer: Literal["disk", "nccl"] = Field(
            "disk",
            description="how weights get there: disk, a folder that both see; nccl, from GPU to GPU, with vllm here too",
        )
        folder: Path | None = Field(None, description="folder for transfer=disk; none: one in the run folder")
        server_folder: str | None = Field(
            None, description="the same folder as the server's machine names it, where it has another name there"
        )
        master_address: str = Field(
            "127.0.0.1", description="address of this machine that the server reaches, for transfer=nccl"
        )
        master_port: int = Field(29600, ge=1, le=65535, description="port of this machine for transfer=nccl")
        concurrency: int = Field(64, ge=1, description="prompts asked at once; the server forms its own batches")
        timeout: float = Field(600, gt=0, description="seconds that one answer may take")
        patience: float = Field(120, ge=0, description="seconds that a server which does not answer is asked again")
        seeded: bool = Field(
            True,
            description="a seed for each group, so that a run can be repeated as far as vLLM's sums allow; costs some speed",
        )

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._wire: VllmWire | None = None
        self._sender: WeightSender | None = None
        self._ends: tuple[int, ...] = ()
        self._folder = Path()
        self._last: Path | None = None
        self._version: str | None = None

    def check(self) -> str:
        """Which server samples; raises LeserError where it does not answer, or takes no new weights."""
        if self.options.transfer == "nccl":
            check_installed(TRANSFER, self.name, "set -o rollout.transfer=disk")
        wire = self._connect()
        try:
            config = wire.get("/server_info", config_format="json")["vllm_config"]["model_config"]
        except (KeyError, TypeError) as error:
            raise LeserError(
                f"The server {wire.url} says nothing of its model: is it vLLM? Start one with: {START}."
            ) from error
        finally:
            wire.close()
        if config.get("logprobs_mode") != "processed_logprobs":
            raise LeserError(
                f"The server {wire.url} gives log-probabilities before the temperature (logprobs_mode="
                f"{config.get('logprobs_mode')}). Start it with: {START}."
            )
        return f"the vLLM server {wire.url}"

    def open(self, policy: TrainedPolicy, place: RolloutPlace) -> None:
        """Connect. The main process makes the folder for weights, or the group of GPUs that they travel in."""
        self._wire, self._ends = self._connect(), tuple(policy.eos_ids)
        self._folder = self.options.folder or place.folder.absolute()
        if place.process:
            return
        if self.options.transfer == "nccl":
            self._sender = WeightSender(self._wire, policy, self.options.master_address, self.options.master_port)
        else:
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in filter(_is_weights, self._folder.iterdir()):  # of a run that was killed
                shutil.rmtree(left, ignore_errors=True)

    def sync_weights(self, policy: TrainedPolicy, step: int) -> None:
        """Hand the weights over while no completion is being sampled; their version is the step's number."""
        wire = self._opened()
        with _paused(wire):
            if self._sender is not None:
                self._sender.send()
            else:
                self._reload(wire, policy, step)
            if not wire.post("/reset_prefix_cache")["success"]:
                raise LeserError(
                    f"The server {wire.url} did not forget the prompts that it read with old weights: other requests hold "
                    "them. Let it serve this run alone, then run again with --resume."
                )
            wire.post("/update_weight_version", {"new_version": str(step)})
        self._version = str(step)

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        """One request per prompt, many at once; the answers keep the prompts' order."""
        wire = self._opened()
        with ThreadPoolExecutor(min(self.options.concurrency, max(1, len(prompts))), "leser-rollout") as threads:
            answers = list(threads.map(partial(self._choices, wire, request), prompts))
        versions = {span["version"] for choices in answers for c in choices for span in c.get("weight_versions") or ()}
        if len(versions) > 1 or (versions and self._version is not None and versions != {self._version}):
            raise LeserError(
                f"The server {wire.url} sampled with weights of version {', '.join(sorted(versions))}, not {self._version}: "
                "somebody else changes them. Let it serve this run alone, then run again with --resume."
            )
        return [[_sample(choice, wire.url) for choice in choices] for choices in answers]

    def close(self) -> None:
        """Let go of the server, which goes on; folders with weights are removed."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        if self._last is not None:
            shutil.rmtree(self._last, ignore_errors=True)
            self._last = None

    def _reload(self, wire: VllmWire, policy: TrainedPolicy, step: int) -> None:
        folder = self._folder / f"weights-{step}"
        write_folder(folder, partial(_write_weights, policy))
        seen = f"{self.options.server_folder.rstrip('/')}/{folder.name}" if self.options.server_folder else str(folder)
        wire.post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": seen}})
        if self._last is not None and self._last != folder:
            shutil.rmtree(self._last, ignore_errors=True)
        self._last = folder

    def _choices(self, wire: VllmWire, request: SamplingRequest, prompt: TokenPrompt) -> list[dict[str, Any]]:
        params: dict[str, Any] = {
            "n": request.count,
            "temperature": request.temperature,
            "stop_token_ids": list(self._ends),
            "max_tokens": request.max_new_tokens,
            "logprobs": 0,
            "detokenize": False,
        }
        if self.options.seeded:
            params["seed"] = request.seed_of(prompt)
        body = {"token_ids": prompt.tokens, "sampling_params": params, "stream": False}
        return sorted(wire.post("/inference/v1/generate", body)["choices"], key=lambda choice: int(choice["index"]))

    def _connect(self) -> VllmWire:
        key = secret(self.options.api_key_env, "rollout.api_key_env")
        return VllmWire(self.options.url, key, self.options.timeout, self.options.patience)

    def _opened(self) -> VllmWire:
        if self._wire is None:
            raise LeserError(f"The rollout engine '{self.name}' is not open. Call open() before it is used.")
        return self._wire


def _sample(choice: dict[str, Any], url: str) -> Sample:
    """A GenerateTokensChoice as a Sample."""
    tokens, content = list(choice["token_ids"]), choice["logprobs"]["content"]
    if [at["token_id"] for at in content] != tokens:
        raise LeserError(
            f"The server {url} gave log-probabilities of other tokens than it sampled. Report it with its version."
        )
    return sample_of(tokens, [float(at["logprob"]) for at in content], choice["finish_reason"])


def _is_weights(folder: Path) -> bool:
    """Whether this is a folder of weights that an engine of this kind wrote, whole or in part."""
    named = _WEIGHTS.fullmatch(folder.name) is not None and folder.is_dir() and not folder.is_symlink()
    return named and {path.name for path in folder.iterdir()} <= _FILES


def _write_weights(policy: TrainedPolicy, folder: Path) -> None:
    """The weights as a saved model's folder, in what the trainer computes in: half the bytes for bf16."""
    import torch
    from safetensors.torch import save_file

    wire = torch.bfloat16 if policy.precision == "bf16" else torch.float32
    tensors = {name: weight.detach().to("cpu", wire).contiguous() for name, weight in policy.weights()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(policy.configuration, encoding="utf-8")


@contextmanager
def _paused(wire: VllmWire) -> Iterator[None]:
    """Meanwhile the server samples nothing; requests under way are finished first."""
    wire.post("/pause", mode="wait")
    try:
        yield
    finally:
        wire.post("/resume")
