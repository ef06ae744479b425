"""What a policy computes in: float32 weights always, and passes under autocast where the device has fast bfloat16.

AdamW's steps are a few millionths of a weight, far below bfloat16's last digit (2^-8), so trained weights stay in float32
and only the matrix products round. Sums, softmax and log-probabilities are float32 in every precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leser.errors import LeserError
from leser.policy.options import PrecisionName, PrecisionOption

if TYPE_CHECKING:
    from leser.policy.policy import Policy

MEAN_GAP = {torch.bfloat16: 0.15}
"""Mean gap in nats per token that rounding may leave between two ways of computing the same; it leaves about a third."""
LEAST_GAP = 2e-3
"""Mean gap in nats per token that is allowed however little the plain path itself loses by rounding."""
LARGEST_GAP = {"fp32": 1e-3, "tf32": 3e-2}
"""Largest gap of any token without bfloat16; rounding leaves a tenth of it or less."""


LARGE_ON_CPU = 100_000_000
"""From so many weights on, a CPU's bfloat16 products save far more than rounding the weights costs (measured at 135 million)."""


def resolve(asked: PrecisionOption, device: torch.device | str, weights: int = 0) -> PrecisionName:
    """The precision that passes on `device` run in, of a model of so many weights; raises LeserError for one that the device
    does not have."""
    kind = torch.device(device).type
    bf16 = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if asked == "auto":
        large = kind == "cpu" and weights >= LARGE_ON_CPU and cpu_multiplies_bf16()
        return "bf16" if bf16 or large else "fp32"
    if asked == "bf16" and kind == "cuda" and not bf16:
        raise LeserError(
            "policy.precision 'bf16' is not valid: this GPU does not compute in bfloat16. Set fp32, or auto."
        )
    if asked == "bf16" and kind == "mps":
        raise LeserError("policy.precision 'bf16' is not valid: it is for CUDA and CPU. Set fp32, or auto.")
    if asked == "tf32" and kind not in ("cuda", "meta"):
        raise LeserError(
            f"policy.precision 'tf32' is not valid: the device '{kind}' does not have it. Set fp32, or auto."
        )
    return asked


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bfloat16 products (AVX512-BF16, AMX); False where torch cannot say."""
    said: Callable[[], dict[str, Any]] | None = getattr(torch.cpu, "get_capabilities", None)
    found = said() if said is not None else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def set_matrix_precision(precision: PrecisionName) -> None:
    """Let float32 matrix products on a GPU round to TF32 (10 bits) where the precision says so; for the whole process."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


def autocast(policy: Policy) -> AbstractContextManager[Any]:
    """The context that one forward pass of `policy` runs in: bfloat16 products, or nothing at all.

    Enter it once per pass: the rounded weights are kept until the outermost one is left. A backward pass needs none.
    """
    if policy.precision != "bf16":
        return nullcontext()
    return torch.autocast(policy.device.type, dtype=torch.bfloat16)


def compute_dtype(policy: Policy) -> torch.dtype:
    """The type that matrix products of a pass round their factors to."""
    return torch.bfloat16 if policy.precision == "bf16" else weight_dtype(policy)


def weight_dtype(policy: Policy) -> torch.dtype:
    """The type that the model's own weights are held in; under LoRA the frozen ones may be bfloat16."""
    embeddings: Any = policy.causal_lm.get_input_embeddings()
    found: torch.dtype = embeddings.weight.dtype
    return found


@contextmanager
def exactly(policy: Policy) -> Iterator[None]:
    """Within it, passes of a policy whose weights are float32 compute in float32."""
    kept, policy.precision = policy.precision, "fp32"
    matrices = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        policy.precision = kept
        torch.set_float32_matmul_precision(matrices)


def disagreement(policy: Policy, found: Tensor, plain: Tensor, exact: Tensor | None = None) -> str | None:
    """How log-probabilities differ from the plain path's where rounding in the policy's precision cannot explain it.

    Where `exact`, the plain path's in float32, is given, it says how much rounding costs the plain path itself. In bfloat16
    single tokens may differ by tenths of a nat without any error, so means decide there.
    """
    if not found.numel():
        return None
    if exact is not None:
        gap, allowed = (found - exact).abs().mean().item(), 3 * (plain - exact).abs().mean().item() + LEAST_GAP
    elif rough := MEAN_GAP.get(compute_dtype(policy)):
        gap, allowed = (found - plain).abs().mean().item(), rough
    else:
        gap, allowed = (found - plain).abs().max().item(), LARGEST_GAP[policy.precision]
    return None if gap <= allowed else f"{gap:.2g} nats ({allowed:.2g} allowed)"
