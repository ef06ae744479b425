"""Fused modules of a model that only samples: the same values, fewer operators, weights written where they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_policies import toy_model, toy_policy
from transformers import GemmaConfig, GemmaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from leser.policy.fused import FusedNorm, Joined, Part, fuse
from leser.policy.fused_attention import FusedAttention, agrees
from leser.policy.shadow import Shadow

SMALL: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def model_of(kind: str) -> Any:
    if kind not in ("qwen2", "gemma"):
        return toy_model(kind)
    torch.manual_seed(1)
    model: Any = (
        Qwen2ForCausalLM(Qwen2Config(**SMALL))
        if kind == "qwen2"
        else GemmaForCausalLM(GemmaConfig(**SMALL, head_dim=12))
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.1, std=0.2)
    return model.eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.arange(3, 40).view(1, -1), use_cache=False).logits
    return found


@pytest.mark.parametrize(
    ("kind", "norms", "joined", "attentions"),
    [("llama", 5, 4, 2), ("qwen3", 9, 4, 2), ("qwen2", 5, 4, 2), ("mistral", 5, 4, 0), ("gpt2", 0, 0, 0)],
)
def test_the_same_logits(kind: str, norms: int, joined: int, attentions: int) -> None:
    model = model_of(kind)
    before, size = logits(model), sum(p.numel() for p in model.parameters())
    fuse(model)
    assert torch.allclose(logits(model), before, atol=1e-4)
    assert sum(isinstance(m, FusedNorm) for m in model.modules()) == norms
    assert len({id(m) for m in model.modules() if isinstance(m, Joined)}) == joined
    assert sum(isinstance(m, FusedAttention) for m in model.modules()) == attentions
    assert sum(p.numel() for p in model.parameters()) == size


def test_a_norm_that_computes_something_else_stays() -> None:
    """Gemma multiplies by 1 + weight, under a class name that ends alike."""
    model = model_of("gemma")
    before = logits(model)
    fuse(model)
    assert not any(isinstance(m, FusedNorm) for m in model.modules())
    assert torch.allclose(logits(model), before, atol=1e-4)


def test_an_attention_that_computes_something_else_is_noticed() -> None:
    layer = model_of("llama").model.layers[0].self_attn
    fused = FusedAttention(layer, Joined([layer.q_proj, layer.k_proj, layer.v_proj]))
    with torch.no_grad():
        assert agrees(layer, fused)
        fused.scaling *= 1.1
        assert not agrees(layer, fused)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "qwen2"])
def test_decoding_on_the_models_own_cache(kind: str) -> None:
    """The way of prompts that are not shared: the model's cache, one token at a time."""
    model = model_of(kind)
    ids, how = torch.arange(3, 12).view(1, -1), {"max_new_tokens": 8, "do_sample": False, "eos_token_id": 119}
    wanted = model.generate(ids, **how).tolist()
    fuse(model)
    assert model.generate(ids, **how).tolist() == wanted


def test_parts_in_another_order_and_nothing_kept() -> None:
    layers = [torch.nn.Linear(8, n, bias=True) for n in (6, 2, 2)]
    x, y = torch.randn(3, 8), torch.randn(3, 8)
    wanted = [[layer(z).detach() for layer in layers] for z in (x, y)]
    joined = Joined(layers)
    parts = [Part(joined, number) for number in range(3)]
    for order in ((0, 1, 2), (2, 1, 0), (0, 2, 1)):
        for number in order:
            assert torch.allclose(parts[number](x), wanted[0][number], atol=1e-6)
    parts[0](x)
    assert torch.allclose(parts[1](y), wanted[1][1], atol=1e-6)  # of another input
    assert torch.allclose(parts[2](x), wanted[0][2], atol=1e-6)
    assert joined.seen is None
    assert joined.parts == ()


def test_a_refresh_reaches_the_joined_matrix() -> None:
    policy = toy_policy("llama")
    shadow = Shadow(policy, torch.float32)
    with torch.no_grad():
        for layer in policy.causal_lm.base_model.layers:
            layer.self_attn.v_proj.weight.mul_(-1)
            layer.mlp.up_proj.weight.mul_(2)
    shadow.refresh()
    assert torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-4)
