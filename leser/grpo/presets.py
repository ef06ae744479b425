"""Presets: the published algorithms by name, as options of [grpo]. A preset lies under everything that is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leser.errors import unknown_name

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # DeepSeekMath, arXiv 2402.03300: section 4.2 has the KL weight, eq. 4 its estimate
    "grpo": {
        "baseline": "mean", "scale": "group", "ratio": "token", "loss": "sequence", "zero_variance_groups": "count",
        "clip_low": 0.2, "clip_high": 0.2, "kl": 0.04, "kl_estimate": "k3",
    },
    # arXiv 2503.20783: neither the deviation nor the completion's own length divides
    "dr-grpo": {
        "baseline": "mean", "scale": "none", "ratio": "token", "loss": "constant", "zero_variance_groups": "count",
        "clip_low": 0.2, "clip_high": 0.2, "kl": 0.0,
    },
    # arXiv 2503.14476; its length penalty of 1 stands beside rewards from -1 to 1, LESER's lie in 0 to 1
    "dapo": {
        "baseline": "mean", "scale": "group", "ratio": "token", "loss": "token", "zero_variance_groups": "drop",
        "clip_low": 0.2, "clip_high": 0.28, "kl": 0.0, "refill": 3, "overlong_penalty": 0.5, "overlong_start": 0.8,
    },
    # arXiv 2507.18071, section 5.1: the clip of sequence ratios, four mini-batches
    "gspo": {
        "baseline": "mean", "scale": "group", "ratio": "sequence", "loss": "sequence", "zero_variance_groups": "count",
        "clip_low": 3e-4, "clip_high": 4e-4, "kl": 0.0, "mini_batches": 4,
    },
    # arXiv 2402.14740: REINFORCE on whole completions, sum over tokens, on policy
    "rloo": {
        "baseline": "leave_one_out", "scale": "none", "ratio": "token", "loss": "constant", "loss_length": 1,
        "zero_variance_groups": "count", "kl": 0.0, "epochs_per_batch": 1, "mini_batches": 1,
    },
}  # fmt: skip
"""By name, exactly the options that it sets."""


def preset(name: str) -> dict[str, dict[str, Any]]:
    """The tables that a preset sets; raises LeserError for a name that is not known."""
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return {"grpo": dict(PRESETS[name])}
