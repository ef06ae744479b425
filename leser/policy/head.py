"""The language-model head: log-probabilities and entropies of wanted tokens from hidden states, logits a chunk at a time.

With h the hidden states, z = h W^T / temperature and p = softmax(z): log p(t) = z[t] - logsumexp(z), H = logsumexp(z) -
sum p z. Both gradients are known in closed form, d log p(t) / dz = onehot(t) - p and dH / dz = -p (log p + H), so no graph
over the vocabulary is kept: chunks of log p are kept where memory allows and computed again where not, and the gradient of W
is added up in one buffer. Products are in the policy's precision, all else is float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from leser.policy.memory import CHUNK_ELEMENTS, head_elements, logits_to_keep
from leser.policy.precision import autocast, compute_dtype

if TYPE_CHECKING:
    from leser.policy.policy import Policy


def head(policy: Policy, hidden: Tensor) -> Tensor:
    """Logits (N, V) float32 of hidden states (N, d), with the scaling and capping its configuration names."""
    model: Any = policy.causal_lm
    output: Any = model.get_output_embeddings()
    if type(output) is torch.nn.Linear and policy.precision == "bf16":
        dtype = compute_dtype(policy)
        logits = product(hidden.to(dtype), output.weight.to(dtype).t())
        logits = logits if output.bias is None else logits + output.bias
    else:
        with autocast(policy):
            logits = output(hidden).float()
    return Shaping.of(policy).apply(logits)


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a model does to its logits: times `scale`, then squeezed below `cap`."""

    scale: float | None = None
    divisor: float | None = None
    cap: float | None = None

    @staticmethod
    def of(policy: Policy) -> Shaping:
        """What the policy's configuration names."""
        config: Any = policy.causal_lm.config.get_text_config()
        names = ("logit_scale", "logits_scaling", "final_logit_softcapping")
        return Shaping(*(getattr(config, name, None) or None for name in names))

    def apply(self, logits: Tensor) -> Tensor:
        """The model's logits from the products with its output weights."""
        if self.divisor:
            logits = logits / self.divisor
        if self.scale:
            logits = logits * self.scale
        if self.cap:
            logits = torch.tanh(logits / self.cap) * self.cap
        return logits

    def backward(self, grad: Tensor, shaped: Tensor | None) -> Tensor:
        """The gradient before shaping from the one after it, in place; what was shaped is needed for a cap alone."""
        if self.cap:
            assert shaped is not None
            grad *= 1 - (shaped / self.cap) ** 2
        if self.scale:
            grad *= self.scale
        if self.divisor:
            grad /= self.divisor
        return grad


def score(logits: Tensor, targets: Tensor, temperature: float, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
    """(N, V), (N,) -> log-probability of the targets with gradient (N,), entropy (N,), with one where asked for."""
    logits = (logits if logits.dtype == torch.float64 else logits.float()) / temperature
    normaliser = torch.logsumexp(logits, dim=-1)
    with torch.set_grad_enabled(torch.is_grad_enabled() and with_entropy):
        entropy = normaliser - (torch.softmax(logits, dim=-1) * logits).sum(-1)
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - normaliser, entropy


def score_hidden(
    policy: Policy, hidden: Tensor, targets: Tensor, temperature: float, *, with_entropy: bool = False
) -> tuple[Tensor, Tensor]:
    """The same from hidden states (N, d), never with all logits alive at once where they are many."""
    model: Any = policy.causal_lm
    output: Any = model.get_output_embeddings()
    if type(output) is not torch.nn.Linear or output.bias is not None:
        return _score_any(policy, hidden, targets, temperature, with_entropy)
    vocabulary, shaping = len(output.weight), Shaping.of(policy)
    plan = _Plan(
        rows=max(16, head_elements(hidden.device) // vocabulary),
        keep=shaping.cap is None and logits_to_keep(hidden.device, len(targets) * vocabulary),
        temperature=temperature,
        shaping=shaping,
        dtype=compute_dtype(policy),
        with_entropy=with_entropy,
    )
    found: tuple[Tensor, Tensor] = _HeadScore.apply(hidden, output.weight, targets, plan)
    return found


def _score_any(
    policy: Policy, hidden: Tensor, targets: Tensor, temperature: float, with_entropy: bool
) -> tuple[Tensor, Tensor]:
    """For a head that is no plain matrix (it has a bias, adapters, quantised weights): chunks recomputed by autograd."""

    def part(states: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return score(head(policy, states), wanted, temperature, with_entropy=with_entropy)

    rows = max(16, CHUNK_ELEMENTS // policy.causal_lm.config.get_text_config().vocab_size)
    if len(targets) <= rows:
        return part(hidden, targets)
    parts = [
        checkpoint(part, states, wanted, use_reentrant=False)
        for states, wanted in zip(torch.split(hidden, rows), torch.split(targets, rows), strict=True)
    ]
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


@dataclass(frozen=True, slots=True)
class _Plan:
    rows: int  # of one chunk
    keep: bool  # whether logits are kept for the backward pass
    temperature: float
    shaping: Shaping
    dtype: torch.dtype  # of the factors of products
    with_entropy: bool  # whether entropies carry a gradient


class _HeadScore(torch.autograd.Function):
    """(N, d), (V, d), (N,) -> log-probabilities (N,), entropies (N,)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, plan: _Plan) -> tuple[Tensor, Tensor]:
        needed = any(ctx.needs_input_grad[:2])
        values, entropies, kept = [], [], []
        with torch.autocast(hidden.device.type, enabled=False):
            factor = weight.to(plan.dtype)
            for states, wanted in zip(torch.split(hidden, plan.rows), torch.split(targets, plan.rows), strict=True):
                logs, _ = _chunk(states.to(plan.dtype), factor, plan)
                values.append(logs.gather(-1, wanted.unsqueeze(-1)).squeeze(-1))
                entropies.append(-logs.exp().mul_(logs).sum(-1))
                kept += [logs] if plan.keep and needed else []
        found = torch.cat(values), torch.cat(entropies)
        ctx.plan = plan
        ctx.save_for_backward(hidden, weight, targets, *kept)
        if not plan.with_entropy:
            ctx.mark_non_differentiable(found[1])
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, targets, *kept = ctx.saved_tensors
        plan: _Plan = ctx.plan
        grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        grad_weight: Tensor | None = None
        with torch.autocast(hidden.device.type, enabled=False):
            factor = weight.to(plan.dtype)
            for number, first in enumerate(range(0, len(targets), plan.rows)):
                part = slice(first, first + plan.rows)
                states = hidden[part].to(plan.dtype)
                logs, shaped = (kept[number], None) if kept else _chunk(states, factor, plan)
                below = _below(logs, targets[part], grads[0][part], grads[1][part], plan)
                below = plan.shaping.backward(below, shaped).to(plan.dtype)
                if grad_hidden is not None:
                    grad_hidden[part] = product(below, factor).to(hidden.dtype)
                if ctx.needs_input_grad[1]:
                    found = product(below.t(), states)
                    grad_weight = found if grad_weight is None else grad_weight.add_(found)
        return grad_hidden, None if grad_weight is None else grad_weight.to(weight.dtype), None, None


def _chunk(states: Tensor, factor: Tensor, plan: _Plan) -> tuple[Tensor, Tensor]:
    """Log-probabilities (n, V) of all tokens, and the logits before the temperature."""
    shaped = plan.shaping.apply(product(states, factor.t()))
    logits = shaped if plan.temperature == 1 else shaped / plan.temperature
    if logits.is_cuda:
        return torch.log_softmax(logits, dim=-1), shaped
    return logits - torch.logsumexp(logits, dim=-1, keepdim=True), shaped


def _below(logs: Tensor, targets: Tensor, on_value: Tensor, on_entropy: Tensor, plan: _Plan) -> Tensor:
    """The gradient of the shaped logits from those of log-probabilities and entropies."""
    grad = logs.exp()
    if plan.with_entropy:
        entropy = -(grad * logs).sum(-1, keepdim=True)
        grad *= -on_value.unsqueeze(-1) - on_entropy.unsqueeze(-1) * (logs + entropy)
    else:
        grad *= -on_value.unsqueeze(-1)
    grad.scatter_add_(-1, targets.unsqueeze(-1), on_value.unsqueeze(-1))
    return grad if plan.temperature == 1 else grad.div_(plan.temperature)


def product(left: Tensor, right: Tensor) -> Tensor:
    """A matrix product of factors in any type, added up and returned in float32 (float64 stays)."""
    if left.dtype in (torch.float32, torch.float64):
        return left @ right
    if left.is_cuda and not torch.is_grad_enabled():
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()
