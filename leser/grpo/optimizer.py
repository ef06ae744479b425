"""The optimiser of the trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from leser.errors import LeserError
from leser.grpo.options import GrpoOptions, OptimizerName, check_optimizer

if TYPE_CHECKING:
    from leser.policy.policy import Policy


def make_optimizer(policy: Policy, options: GrpoOptions, name: OptimizerName = "adamw") -> torch.optim.Optimizer:
    """AdamW over the policy's trained weights, or this process's shards of them; its learning rate is set anew at every update.

    On a GPU one kernel updates many weights at once (fused). "adamw8bit" holds both moments in 8 bits, each block of 256 numbers
    with a scale of its own (arXiv 2110.02861); tensors below 4,096 numbers keep 32. Raises LeserError without bitsandbytes.
    """
    trained = [p for p in (policy.learner or policy).model.parameters() if p.requires_grad]
    betas = (options.beta1, options.beta2)
    if name == "adamw8bit":
        check_optimizer(name)
        if any(hasattr(p, "full_tensor") for p in trained):
            raise LeserError(
                "training.optimizer=adamw8bit cannot be used on weights in shards. Set -o training.optimizer=adamw, whose "
                "moments are in shards too."
            )
        import bitsandbytes.optim

        optimizers: Any = bitsandbytes.optim
        blockwise: torch.optim.Optimizer = optimizers.AdamW8bit(
            trained, lr=0.0, betas=betas, weight_decay=options.weight_decay
        )
        return blockwise
    fused = True if trained and all(p.is_cuda for p in trained) else None
    return torch.optim.AdamW(trained, lr=0.0, betas=betas, weight_decay=options.weight_decay, fused=fused)
