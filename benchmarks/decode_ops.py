"""Operators that one token of decoding sends to the device, by way of decoding: the stand-in for kernels without a GPU.

    python -m benchmarks.decode_ops [--layers 30] [--rows 16]

Counts what PyTorch's dispatcher runs below autograd, views left out, in the middle of a pass on a CPU. "plain" is the
model's own cache with a loop in Python, one prompt after the other (there are two). "ragged" is LESER's loop for a CPU.
"static" is the step that a CUDA graph replays: its operators still run, but are launched at once. "copy" is the static step
over the bfloat16 copy of the weights, as on a GPU; RMSNorm is one kernel there and several operators here, which
`with_one_kernel_per_norm` leaves out.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from leser.cli.console import replace_what_cannot_be_shown
from leser.policy import tiny
from leser.policy.fused import FusedNorm
from leser.policy.generate import Decoding, NoiseKey, generate
from leser.policy.graphs import SamplingState
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions, TinyOptions
from leser.policy.policy import Policy
from leser.policy.shadow import Shadow

NO_WORK = {
    "view", "_unsafe_view", "transpose", "t", "permute", "expand", "slice", "select", "unsqueeze", "squeeze", "detach",
    "alias", "as_strided", "split", "split_with_sizes", "unbind", "empty", "empty_like", "new_empty", "lift_fresh",
    "unflatten", "_reshape_alias",
}  # fmt: skip


class Counts(TorchDispatchMode):
    """How often each operator ran."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in NO_WORK:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def make_policy(layers: int) -> Policy:
    """A small Llama with as many layers as asked; it never ends by itself."""
    options = TinyOptions(
        d_model=64, layers=layers, heads=4, kv_heads=2, ffn=128, vocabulary=1024, architecture="llama", max_context=256
    )
    policy = Policy(tiny.make_model(1024, options), None, "ops", "text", (1024,), 256)
    return prepare(policy, PolicyOptions(device="cpu", attention="shared"), seed=0)


def count(policy: Policy, rows: int, how: Decoding | None) -> Counter[str]:
    """Operators of a pass of 12 tokens less those of a pass of 11; `how` None is the plain loop."""
    keys = [[NoiseKey(0, 0, str(b), g) for g in range(rows // 2)] for b in range(2)]
    prompts = [[3, 4, 5, 6], [7, 8, 9]]
    policy.shared.enabled = how is not None

    def run(limit: int) -> Counter[str]:
        def ask() -> None:
            generate(policy, prompts, keys, max_new_tokens=limit, temperature=0.8, decoding=how)

        ask()  # buffers are made, the self-check is over
        with Counts() as counts:
            ask()
        return counts.found

    return run(12) - run(11)


def main(arguments: list[str] | None = None) -> None:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--rows", type=int, default=16)
    given = parser.parse_args(arguments)
    policy = make_policy(given.layers)
    ways: dict[str, Decoding | None] = {"plain": None, "ragged": "ragged", "static": "static"}
    result: dict[str, Any] = {"layers": given.layers, "rows": given.rows}
    for name, how in ways.items():
        found = count(policy, given.rows, how)
        result[name] = {"operators_per_token": sum(found.values()), "most": dict(found.most_common(8))}
    state = SamplingState.of(policy)
    state.shadow = Shadow(policy)
    found = count(policy, given.rows, "static")
    norms = sum(isinstance(module, FusedNorm) for module in state.shadow.model.modules())
    with Counts() as of_norm:
        F.rms_norm(torch.ones(1, 8, dtype=torch.bfloat16), (8,), torch.ones(8, dtype=torch.bfloat16), 1e-6)
    inside = sum(n for name, n in of_norm.found.items() if name != "ones")
    result["copy"] = {
        "operators_per_token": sum(found.values()),
        "with_one_kernel_per_norm": sum(found.values()) - norms * (inside - 1),
        "most": dict(found.most_common(8)),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
