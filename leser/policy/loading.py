"""Loading a policy: a built-in name, a folder, or a hub id; weights are read from safetensors only."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import torch

from leser.errors import LeserError
from leser.policy.adapters import with_adapters
from leser.policy.attention import ATTENTION_NAME, SharedPrefix, register, sliding_window, why_not_shared
from leser.policy.options import SMOLLM2_HUB_ID, PolicyOptions, check_policy, offline, smollm2_gguf
from leser.policy.policy import MARKERS, Kind, Policy
from leser.policy.precision import resolve, set_matrix_precision

__all__ = ["Policy", "PolicyOptions", "check_policy", "load_policy", "preview_policy"]
log = logging.getLogger(__name__)


def load_policy(
    options: PolicyOptions, *, task_texts: Iterable[str] | None = None, cache_dir: Path | None = None, seed: int = 0
) -> Policy:
    """The policy that `options` name, ready to sample and train.

    `task_texts` are what `tiny` is made from (documents and train queries); `cache_dir` is where converted weights go
    (the user's cache by default); `seed` draws LoRA's weights. Raises LeserError saying what to do when it cannot be
    loaded.
    """
    quiet()
    if options.name == "tiny":
        if task_texts is None:
            raise LeserError(
                "Policy 'tiny' is made from the task's own text: give load_policy task_texts, or name a saved folder."
            )
        from leser.policy.tiny import build_tiny

        policy = build_tiny(task_texts, options.tiny)
    else:
        policy = _load(options, cache_dir)
    return prepare(policy, options, seed)


def preview_policy(options: PolicyOptions, task_texts: Iterable[str] = (), cache_dir: Path | None = None) -> Policy:
    """The policy that `options` name without its weights: it encodes and decodes all it would, on the device "meta".

    For a dry run. `tiny` has a tokenizer of `task_texts`, a few of the task's. Raises LeserError as `load_policy` would,
    except for what only weights can show, and for a device that is not there.
    """
    quiet()
    _check_device(options)
    if options.name == "tiny":
        from leser.policy.tiny import make_model, train_tokenizer

        check_policy(options)
        tokenizer: Any = train_tokenizer(list(task_texts), options.tiny.vocabulary)
        with torch.device("meta"):
            model: Any = make_model(max(len(tokenizer), options.tiny.vocabulary), options.tiny)
        policy = Policy(model, tokenizer, "tiny", "tiny", (int(tokenizer.eos_token_id),), options.tiny.max_context)
    else:
        policy = _outline(options, cache_dir)
    return prepare(policy, options.model_copy(update={"device": "meta"}), 0)


def _outline(options: PolicyOptions, cache_dir: Path | None) -> Policy:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    check_policy(options)
    gguf = smollm2_gguf() if options.name == "smollm2" else None
    source, extra = _source(options, cache_dir, convert=False)
    if gguf and Path(source) == gguf.parent:
        extra = {"gguf_file": gguf.name}
    with _reading(options, source):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=options.trust_remote_code, **extra)
        config = AutoConfig.from_pretrained(source, trust_remote_code=options.trust_remote_code, **extra)
        make: Any = AutoModelForCausalLM
        with torch.device("meta"):
            model = make.from_config(config, trust_remote_code=options.trust_remote_code)
        try:
            model.generation_config = GenerationConfig.from_pretrained(
                source, **{k: v for k, v in extra.items() if k != "gguf_file"}
            )
        except OSError:  # a model need not come with one
            log.debug("%s holds no generation_config.json.", source)
    return _policy(options, model, tokenizer)


def _source(options: PolicyOptions, cache_dir: Path | None, *, convert: bool) -> tuple[str, dict[str, Any]]:
    """Where a policy's files are, and what else their readers are given; SmolLM2's GGUF is only converted on request."""
    extra: dict[str, Any] = {"revision": options.revision} if options.revision else {}
    if offline():
        extra |= {"local_files_only": True}
    if options.name == "smollm2":
        if (gguf := smollm2_gguf()) is None:
            return SMOLLM2_HUB_ID, extra
        made = _converted_folder(gguf, cache_dir)
        if convert:
            return str(converted_smollm2(gguf, cache_dir)), {}
        return str(made if (made / "config.json").is_file() else gguf.parent), {}
    folder = Path(options.name).expanduser()
    return (str(folder), {}) if folder.is_dir() else (options.name, extra)


@contextmanager
def _reading(options: PolicyOptions, source: str) -> Iterator[None]:
    """Turn whatever the readers of models and tokenizers raise into LeserError."""
    try:
        yield
    except LeserError:
        raise
    except Exception as error:  # they raise their own, tokenizers' and safetensors' bare ones, and missing packages'
        raise LeserError(f"Policy '{options.name}' could not be loaded from {source}: {error}") from error


def _load(options: PolicyOptions, cache_dir: Path | None) -> Policy:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    check_policy(options)
    source, extra = _source(options, cache_dir, convert=True)
    with _reading(options, source):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=options.trust_remote_code, **extra)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=getattr(torch, options.dtype),
            use_safetensors=True,
            trust_remote_code=options.trust_remote_code,
            **_quantized(options),
            **extra,
        )
    return _policy(options, model, tokenizer)


def _quantized(options: PolicyOptions) -> dict[str, Any]:
    """What the reader of a model is given for frozen weights in 4 bits: they are quantised on their way to the device."""
    if options.quantize == "none":
        return {}
    from transformers import BitsAndBytesConfig

    make: Any = BitsAndBytesConfig
    settings = make(
        load_in_4bit=True,
        bnb_4bit_quant_type=options.quantize,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, options.dtype),
    )
    return {
        "quantization_config": settings,
        "device_map": {"": options.device if options.device != "auto" else _best_device()},
    }


def _policy(options: PolicyOptions, model: Any, tokenizer: Any) -> Policy:
    policy = Policy(
        model, tokenizer, options.name, _kind(tokenizer), _eos_ids(model, tokenizer), _max_context(model, tokenizer)
    )
    if policy.kind == "chat":
        policy.chat  # noqa: B018 - a template that cannot write a prompt is known now
    return policy


def quiet() -> None:
    """No progress bars of transformers' own among a run's lines: reading and writing weights takes seconds."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _kind(tokenizer: Any) -> Kind:
    if tokenizer.chat_template:
        return "chat"
    return "tiny" if all(f"<{name}>" in tokenizer.get_vocab() for name in MARKERS) else "text"


def _eos_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end a completion, the tokenizer's own (what a supervised target ends with) first."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    own = getattr(model.config.get_text_config(), "eos_token_id", None)
    named = configured if isinstance(configured, list) else [configured, own]
    flat = [
        i
        for item in (tokenizer.eos_token_id, *named)
        for i in (item if isinstance(item, list) else [item])
        if i is not None
    ]
    if not flat:
        raise LeserError(
            "Neither the policy's tokenizer nor its configuration names an end token, so no completion could end. Set eos_token "
            "in tokenizer_config.json, or eos_token_id in config.json."
        )
    return tuple(dict.fromkeys(int(i) for i in flat))


def _max_context(model: Any, tokenizer: Any) -> int:
    config = model.config.get_text_config()
    longest = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    return int(min(longest, 1 << 20))


def prepare(policy: Policy, options: PolicyOptions, seed: int) -> Policy:
    """Device, type, adapters, shared-prefix attention; dropout off, since a shared prompt would share its noise too."""
    device = options.device if options.device != "auto" else _best_device()
    _check_device(options)
    model: Any = policy.causal_lm
    if not getattr(model, "is_quantized", False):  # one that is stays in the types and on the device it was read to
        model = model.to(getattr(torch, options.dtype)).to(device)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    policy.precision = resolve(options.precision, device, sum(p.numel() for p in model.parameters()))
    if model.device.type == "cuda":
        set_matrix_precision(policy.precision)
    policy.shared = _shared(model, options)
    policy.gradient_checkpointing = options.gradient_checkpointing
    if options.gradient_checkpointing:
        # the newer name came within transformers 5
        enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    policy.model = with_adapters(model, options, seed) if options.lora_rank else model
    policy.model.eval()
    policy.max_context = min(policy.max_context, options.max_context or policy.max_context)
    return policy


def _check_device(options: PolicyOptions) -> None:
    """Raise LeserError for a device that torch does not have here."""
    if options.device == "auto":
        return
    try:
        torch.empty(1, device=options.device)
    except (RuntimeError, AssertionError) as error:  # the second where torch was built without it
        reason = str(error).strip().split("\n", 1)[0]
        raise LeserError(
            f"policy.device '{options.device}' cannot be used here: {reason}. Set another, or auto."
        ) from error


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _shared(model: Any, options: PolicyOptions) -> SharedPrefix:
    if options.attention == "plain":
        return SharedPrefix(reason="policy.attention is 'plain'")
    reason = why_not_shared(model)
    if reason is None:
        register()
        model.set_attn_implementation(ATTENTION_NAME)
        return SharedPrefix(True, "", sliding_window(model))
    if options.attention == "shared":
        raise LeserError(
            f"Policy '{options.name}' cannot share prompts within a group: {reason}. Set -o policy.attention=auto."
        )
    log.warning("Policy '%s' does not share prompts within a group (slower, same results): %s.", options.name, reason)
    return SharedPrefix(False, reason)


def _converted_folder(gguf: Path, cache_dir: Path | None) -> Path:
    return (cache_dir or platformdirs.user_cache_path("leser")) / f"smollm2-{gguf.stat().st_size:x}"


def converted_smollm2(gguf: Path, cache_dir: Path | None) -> Path:
    """The folder of the converted weights, made on first use; a second process that converts meanwhile does no harm."""
    folder = _converted_folder(gguf, cache_dir)
    if (folder / "config.json").is_file():
        return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer

    log.warning("Converting %s into %s (once, about half a minute).", gguf.name, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="smollm2-", dir=folder.parent))
    try:
        where: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        AutoTokenizer.from_pretrained(**where).save_pretrained(work)
        read = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        config = copy.deepcopy(read.config)
        del config.quantization_config  # the weights were dequantised, but a model read from GGUF refuses to be saved
        make: Any = AutoModelForCausalLM
        model = make.from_config(config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        model.save_pretrained(work, safe_serialization=True)
        try:
            os.rename(work, folder)  # noqa: PTH104 - the one atomic step
        except OSError:
            if not (folder / "config.json").is_file():  # not another process that was first
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder
