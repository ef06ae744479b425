"""Small policies with random weights, for tests that need a real model but no learning."""

from __future__ import annotations

import random
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions
from leser.policy.policy import Policy

VOCABULARY, EOS = 120, 2
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 256,
    "eos_token_id": EOS,
    "pad_token_id": 0,
    "bos_token_id": 1,
}


def toy_model(kind: str, seed: int = 0) -> Any:
    """A model of the family `kind`; weights large enough for attention to matter."""
    torch.manual_seed(seed)
    if kind == "qwen3":
        model: Any = Qwen3ForCausalLM(Qwen3Config(**SHAPE, tie_word_embeddings=True))
    elif kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    elif kind == "gpt2":
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=VOCABULARY, n_embd=48, n_layer=2, n_head=4, n_positions=256, eos_token_id=EOS, bos_token_id=1
            )
        )
    elif kind == "mistral":
        model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=16))
    elif kind == "gemma2":
        model = Gemma2ForCausalLM(Gemma2Config(**SHAPE))
    elif kind == "lfm2":
        model = Lfm2ForCausalLM(Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]))
    else:
        raise ValueError(kind)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    return model.eval()


def toy_policy(kind: str = "qwen3", seed: int = 0, **options: Any) -> Policy:
    """A policy around a toy model; it has no tokenizer, prompts are token ids."""
    policy = Policy(toy_model(kind, seed), None, kind, "text", (EOS,), 256)
    return prepare(policy, PolicyOptions(device="cpu", **options), seed)


def token_rows(rng: random.Random, lengths: list[int]) -> list[list[int]]:
    """Rows of random tokens, none of them special."""
    return [[rng.randrange(3, VOCABULARY) for _ in range(n)] for n in lengths]


def ragged_batch(seed: int = 0) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Prompts of mixed lengths, groups of mixed sizes, completions of mixed lengths, one of them of a single token."""
    rng = random.Random(seed)
    prompts = token_rows(rng, [7, 23, 1, 12])
    completions = [token_rows(rng, lengths) for lengths in ([5, 1, 9], [3, 8, 2], [4, 6], [1, 1, 7])]
    return prompts, completions
