"""The optimiser of the trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from leser.grpo.options import GrpoOptions

if TYPE_CHECKING:
    from leser.policy.policy import Policy


def make_optimizer(policy: Policy, options: GrpoOptions) -> torch.optim.Optimizer:
    """AdamW over the policy's trained weights; its learning rate is set anew at every update.

    On a GPU one kernel updates many weights at once (fused).
    """
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        trained,
        lr=0.0,
        betas=(options.beta1, options.beta2),
        weight_decay=options.weight_decay,
        fused=True if trained and all(p.is_cuda for p in trained) else None,
    )
