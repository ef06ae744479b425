"""A model in the format of sentence-transformers, run with transformers alone.

modules.json lists the parts: a transformer, a pooling of its last hidden states, and optionally dense layers and a
normalisation. Weights are read from safetensors only, and no code of a model is run. Vectors equal those of the package
sentence-transformers on the same files (Reimers and Gurevych, EMNLP 2019).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from leser.errors import LeserError
from leser.policy.loading import quiet
from leser.similarity import EncodingFailed
from leser_judges.options import MODULES

if TYPE_CHECKING:
    from numpy.typing import NDArray

Layer = Callable[[Tensor], Tensor]
_POOLINGS = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
"""The kinds of pooling, in the order in which several are joined."""
_ACTIVATIONS = {"Identity": torch.nn.Identity, "Tanh": torch.nn.Tanh, "ReLU": torch.nn.ReLU, "GELU": torch.nn.GELU}


class SentenceModel:
    """Texts to vectors of length 1; loaded once. Raises LeserError for files that are missing, broken or of another form."""

    def __init__(self, folder: Path, *, max_length: int, device: str) -> None:
        quiet()
        self.folder = folder
        self.device = device_of(device)
        self._layers: list[Layer] = []
        self._pooling: tuple[str, ...] = ()
        self._transformer: Any = None
        try:
            for module in _json(folder / MODULES):
                self._add(str(module["type"]).rpartition(".")[2], folder / module["path"], max_length)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
            raise LeserError(f"The encoder in {folder} cannot be loaded: {type(error).__name__}: {error}") from error
        if self._transformer is None or not self._pooling:
            raise LeserError(f"The encoder in {folder} lists no transformer or no pooling in {MODULES}.")

    def encode(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
        """Vectors of shape (texts, dimension), each of length 1. Raises EncodingFailed."""
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        cleaned = [text.strip().lower() if self._lower else text.strip() for text in texts]
        try:
            # texts of like length share a batch, so that little is computed for padding
            lengths = [
                len(ids) for ids in self._tokenizer(cleaned, truncation=True, max_length=self.length)["input_ids"]
            ]
            order = np.argsort(lengths, kind="stable")
            parts = [
                self._batch([cleaned[place] for place in order[start : start + batch_size]])
                for start in range(0, len(texts), batch_size)
            ]
        except (RuntimeError, MemoryError) as error:
            raise EncodingFailed(f"The encoder in {self.folder} failed: {type(error).__name__}: {error}") from error
        return np.concatenate(parts)[np.argsort(order, kind="stable")]

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            return self._forward(texts)
        except torch.OutOfMemoryError:
            if len(texts) == 1:
                raise
        half = len(texts) // 2
        return np.concatenate([self._batch(texts[:half]), self._batch(texts[half:])])

    @torch.inference_mode()
    def _forward(self, texts: list[str]) -> NDArray[np.float32]:
        read = self._tokenizer(texts, padding=True, truncation=True, max_length=self.length, return_tensors="pt")
        read = read.to(self.device)
        states = self._transformer(**read).last_hidden_state.float()
        pooled = _pooled(states, read["attention_mask"], self._pooling)
        for layer in self._layers:
            pooled = layer(pooled)
        vectors: NDArray[np.float32] = functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors

    def _add(self, kind: str, folder: Path, max_length: int) -> None:
        """Make one part of the model ready."""
        if kind == "Transformer":
            self._read_transformer(folder, max_length)
        elif kind == "Pooling":
            self._pooling = _poolings(_json(folder / "config.json"))
        elif kind == "Dense":
            self._layers.append(_dense(folder, self.device))
        elif kind == "Normalize":
            self._layers.append(lambda pooled: functional.normalize(pooled, dim=-1))
        else:
            raise ValueError(f"its part '{kind}' is not supported (Transformer, Pooling, Dense and Normalize are)")

    def _read_transformer(self, folder: Path, max_length: int) -> None:
        settings: dict[str, Any] = next((_json(path) for path in sorted(folder.glob("sentence_*_config.json"))), {})
        self._lower = bool(settings.get("do_lower_case", False))
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = AutoModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        # a pooler is not read; anything else that the file lacks would be drawn at random
        missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
        if missing:
            raise ValueError(f"its weights lack {', '.join(missing[:3])}")
        if model.config.is_encoder_decoder:
            raise ValueError("it is an encoder with a decoder, which is not supported")
        own = settings.get("max_seq_length") or getattr(model.config, "max_position_embeddings", None)
        self.length = min(max_length, own or max_length)
        self._transformer = model.to(self.device).eval()


def device_of(name: str) -> torch.device:
    """The device of this name, auto being a GPU where there is one; raises LeserError where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise LeserError(
            f"The encoder's device '{name}' is not valid: {error}. Use cpu, cuda, cuda:N or auto."
        ) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LeserError(f"The encoder's device '{name}' is not there: torch finds no GPU. Use cpu or auto.")
    return device


def _poolings(config: dict[str, Any]) -> tuple[str, ...]:
    if not config.get("include_prompt", True):
        raise ValueError("its pooling leaves out the prompt (include_prompt), which is not supported")
    named = config.get("pooling_mode")  # newer files name the pooling, older ones have a switch for each
    if named:
        given = [named] if isinstance(named, str) else list(named)
        chosen = tuple(p for p in _POOLINGS if p in given or p.removesuffix("_tokens").removesuffix("_token") in given)
    else:
        given = [key for key, on in config.items() if key.startswith("pooling_mode_") and on]
        chosen = tuple(p for p in _POOLINGS if f"pooling_mode_{p}" in given)
    if len(chosen) != len(given) or not chosen:
        raise ValueError(f"its pooling {given} is not supported")
    return chosen


def _pooled(states: Tensor, mask: Tensor, kinds: Sequence[str]) -> Tensor:
    """Hidden states (texts, tokens, d) under a mask (texts, tokens) to (texts, d x kinds)."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    counted = weights.sum(dim=1).clamp(min=1e-9)
    places = torch.arange(mask.shape[1], device=mask.device)
    parts = []
    for kind in kinds:
        if kind == "cls_token":
            first = mask.argmax(dim=1)  # after what is padded on the left
            parts.append(states[torch.arange(len(states), device=mask.device), first])
        elif kind == "lasttoken":
            last = (mask * places).argmax(dim=1)
            parts.append(states[torch.arange(len(states), device=mask.device), last])
        elif kind == "max_tokens":
            parts.append(states.masked_fill(weights == 0, float("-inf")).max(dim=1).values)
        elif kind == "weightedmean_tokens":
            rising = weights * (places + 1).to(states.dtype).view(1, -1, 1)
            parts.append((states * rising).sum(dim=1) / rising.sum(dim=1).clamp(min=1e-9))
        else:
            total = (states * weights).sum(dim=1)
            parts.append(total / (counted if kind == "mean_tokens" else counted.sqrt()))
    return torch.cat(parts, dim=-1)


def _dense(folder: Path, device: torch.device) -> Layer:
    config = _json(folder / "config.json")
    name = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if name not in _ACTIVATIONS:
        raise ValueError(f"the activation '{name}' of its dense layer is not supported ({', '.join(_ACTIVATIONS)} are)")
    linear = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    weights = load_file(folder / "model.safetensors")
    linear.load_state_dict({key.removeprefix("linear."): value.float() for key, value in weights.items()})
    return torch.nn.Sequential(linear, _ACTIVATIONS[name]()).to(device).eval()


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
