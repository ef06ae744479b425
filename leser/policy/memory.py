"""Device memory: what is free, and how large a pass, a chunk of logits and a batch of rows may be for it.

On a CPU these are constants, so that a run does not depend on what else the machine holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch

from leser.policy.precision import compute_dtype

if TYPE_CHECKING:
    from leser.policy.policy import Policy

TOKENS_PER_PASS = 8192
"""Tokens of a training pass where the device's memory is not asked: enough for wide matrix products."""
CHUNK_ELEMENTS = 1 << 23
"""Logits alive at once in the head, as float32 elements."""
LARGEST_CHUNK = 1 << 28
FEWEST_TOKENS, MOST_TOKENS = 1 << 10, 1 << 16
"""Bounds of a pass that is chosen by memory: more tokens make products no faster."""
PASS_SHARE = 0.6
"""Share of the free device memory that the activations of a training pass may take."""


def free_bytes(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a GPU, those that torch holds unused included; None for other devices."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def head_elements(device: torch.device) -> int:
    """Elements of one chunk of logits, float32."""
    free = free_bytes(device)
    return CHUNK_ELEMENTS if free is None else min(LARGEST_CHUNK, max(CHUNK_ELEMENTS, free // 64))


def logits_to_keep(device: torch.device, elements: int) -> bool:
    """Whether this many logits are kept from the forward to the backward pass rather than computed again."""
    free = free_bytes(device)
    return elements <= CHUNK_ELEMENTS if free is None else 4 * elements <= free // 8


class HasPass(Protocol):
    """Options that may bound a pass by hand."""

    @property
    def tokens_per_pass(self) -> int | None: ...


def pass_tokens(policy: Policy, options: HasPass) -> int:
    """Tokens of one forward and backward pass: what the options say, else what the free memory of a GPU holds.

    A power of two, so that a run which resumes with a little more or less memory free splits its batches alike.
    """
    if options.tokens_per_pass is not None:
        return options.tokens_per_pass
    free = free_bytes(policy.device)
    if free is None:
        return TOKENS_PER_PASS
    # gradients and, before the first step, moments are still to be allocated; autocast keeps a rounded copy of the weights
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    copied = 2 * trained if policy.precision == "bf16" else 0
    room = free - 12 * trained - copied
    return fitting_tokens(room, activation_bytes(policy))


def fitting_tokens(room: int, per_token: int) -> int:
    """Tokens of a pass for this many bytes free, a power of two."""
    fitting = int(PASS_SHARE * room / per_token)
    return 1 << max(FEWEST_TOKENS, min(fitting, MOST_TOKENS)).bit_length() - 1


def activation_bytes(policy: Policy, half: int | None = None) -> int:
    """Bytes per token that a training pass keeps for its backward pass, from the model's configuration.

    `half` are the bytes of what goes into a product: 2 or 4; None: those of the policy's precision.
    """
    config: Any = policy.causal_lm.config.get_text_config()
    half = half or compute_dtype(policy).itemsize
    kept = layer_bytes(config, half, adapters=hasattr(policy.model, "peft_config"))
    layers = int(config.num_hidden_layers)
    if policy.gradient_checkpointing:
        return 4 * layers * int(config.hidden_size) + kept
    return layers * kept


def pair_bytes(shape: Any, size: int) -> int:
    """Bytes per token of all layers' keys and values, each number of `size` bytes."""
    heads = int(shape.num_attention_heads)
    width = int(getattr(shape, "head_dim", None) or int(shape.hidden_size) // heads)
    return 2 * size * width * int(getattr(shape, "num_key_value_heads", None) or heads) * int(shape.num_hidden_layers)


def layer_bytes(shape: Any, half: int, *, adapters: bool = False) -> int:
    """Bytes per token kept by one layer of a model's configuration: norms in float32, factors of products in `half` bytes.

    Norms and sums keep five rows of the model's width, five of seven products a rounded copy of their input, attention its
    queries, keys, values and output, the gated feed-forward its two products, the activation and their product. Without
    half precision attention gathers rectangles: about as much again as the rows of keys and values themselves.
    """
    width = int(shape.hidden_size)
    ffn = int(getattr(shape, "intermediate_size", None) or 4 * width)
    heads = int(shape.num_attention_heads)
    size = int(getattr(shape, "head_dim", None) or width // heads)
    pairs = 2 * size * int(getattr(shape, "num_key_value_heads", None) or heads)
    norms = 5 * 4 * width + (5 * half * width if half == 2 else 0)
    rectangles = 0 if half == 2 else half * (heads * size + 4 * pairs)
    whole = norms + rectangles + half * (3 * heads * size + 2 * pairs) + 4 * half * ffn
    return whole + (whole // 4 if adapters else 0)  # adapters keep their inputs in float32
