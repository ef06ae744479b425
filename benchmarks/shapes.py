"""Shapes of models that people train, for benchmarks with random weights."""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, tuple[str, dict[str, int]]] = {
    "toy": ("llama", {"width": 64, "ffn": 128, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 1000}),
    "tiny": ("llama", {"width": 256, "ffn": 704, "layers": 4, "heads": 4, "kv_heads": 2, "vocabulary": 3000}),
    # SmolLM2-135M, Qwen2.5-0.5B and Qwen2.5-1.5B
    "135M": ("llama", {"width": 576, "ffn": 1536, "layers": 30, "heads": 9, "kv_heads": 3, "vocabulary": 49152}),
    "0.5B": ("qwen2", {"width": 896, "ffn": 4864, "layers": 24, "heads": 14, "kv_heads": 2, "vocabulary": 151936}),
    "1.5B": ("qwen2", {"width": 1536, "ffn": 8960, "layers": 28, "heads": 12, "kv_heads": 2, "vocabulary": 151936}),
}
"""Size to the kind of model and its dimensions; the head is tied to the embeddings."""


def make_model(size: str, context: int) -> Any:
    """A model of this size with random weights, on torch's default device; the same for the same size."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    kinds: dict[str, tuple[Any, Any]] = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    }
    kind, shape = SHAPES[size]
    config_class, model_class = kinds[kind]
    config = config_class(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["width"],
        intermediate_size=shape["ffn"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        max_position_embeddings=max(2048, context),
        tie_word_embeddings=True,
        use_sliding_window=False,
    )
    torch.manual_seed(0)
    return model_class(config)
