"""A policy in shards (FSDP2): weights are whole where the policy speaks, and in shards where it learns.

Sampling, searching and evaluation are each process's own, with as many passes as its queries ask for; gathering weights layer by
layer would make all of them wait for each other at every token. So each holds the whole weights then. For an update they are
given back, and every process keeps its share of the weights, of their gradients and of the moments: a training pass gathers
one layer at a time. After the update the shards are gathered once.

The shards belong to a second set of modules, the learner. Both are one policy: whatever was written into the whole weights in
between is taken over before an update. Under LoRA frozen weights are in shards beside the adapters, which are trained in shards;
a reference policy, a second set of adapters, is asked outside of updates and lives over the whole weights alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leser.errors import LeserError
from leser.policy.packed import Completions, check_training, group_logprobs
from leser.processes import all_sum, together

if TYPE_CHECKING:
    from leser.policy.policy import Policy


class Root(torch.nn.Module):
    """What a training pass goes through, so that weights outside of the layers are gathered for it."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, run: Callable[[], Any]) -> Any:
        """Whatever `run` returns."""
        return run()


def shard(policy: Policy, count: int) -> None:
    """Give the policy a learner whose weights are split over `count` processes; every process must call it.

    Raises LeserError for a policy that cannot be trained in shards.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if any(not weight.is_floating_point() for weight in policy.model.parameters()):
        raise LeserError(
            "policy.shard=fsdp cannot split weights in 4 bits. Set policy.quantize=none, or policy.shard=none."
        )
    if not policy.shared.enabled:
        raise LeserError(
            f"policy.shard=fsdp cannot be used: all processes must make the same passes, and policy '{policy.name}' does not "
            f"share prompts within a group ({policy.shared.reason}). Set policy.shard=none."
        )
    mesh = init_device_mesh(policy.device.type, (count,))
    model = copy.deepcopy(policy.model)
    layers = max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)
    root = Root(model)
    for part in (*layers, root):
        fully_shard(part, mesh=mesh)
    for part in root.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)  # the loss has the whole batch's denominator: gradients are added up
            part.set_force_sum_reduction_for_comms(True)
    policy.learner = replace(policy, model=model, root=root)
    for whole, _ in _pairs(policy, policy.learner):
        if not whole.untyped_storage().resizable():  # read from a file by mapping it: that memory cannot be given back
            whole.data = whole.data.clone()


@contextmanager
def learning(policy: Policy) -> Iterator[Policy]:
    """The policy that passes of an update are made with; one in shards gives its whole weights back meanwhile."""
    learner = policy.learner
    if learner is None:
        yield policy
        return
    take_over(policy)
    pairs = _pairs(policy, learner)
    for whole, _ in pairs:
        whole.untyped_storage().resize_(0)
    yield learner  # after an error the run has ended, and the processes no longer answer each other
    for whole, part in pairs:
        whole.untyped_storage().resize_(whole.numel() * whole.element_size())
        with together():
            whole.data.copy_(part.full_tensor())


def take_over(policy: Policy) -> None:
    """Put the whole weights, as they are now, into the shards."""
    from torch.distributed.tensor import distribute_tensor

    assert policy.learner is not None
    for whole, part in _pairs(policy, policy.learner):
        own = distribute_tensor(whole.detach(), part.device_mesh, part.placements, src_data_rank=None)
        part.detach().to_local().copy_(own.to_local())


def give_back(policy: Policy) -> None:
    """Put the weights in the shards, as they are now, into the whole ones."""
    assert policy.learner is not None
    for whole, part in _pairs(policy, policy.learner):
        with together():
            whole.data.copy_(part.full_tensor())


def agree(policy: Policy, prompts: Sequence[list[int]], completions: Completions, temperature: float) -> None:
    """Check the pass that shares prompts on this process's groups, with the whole weights; nothing without a learner.

    Raises LeserError, in all processes, where one of them would have to do without.
    """
    if policy.learner is None:
        return
    own = [i for i, prompt in enumerate(prompts) if prompt and any(completions[i])]
    rows, groups = [prompts[i] for i in own], [completions[i] for i in own]
    longest = max((len(p) + len(c) for p, group in zip(rows, groups, strict=True) for c in group), default=0)
    if own and policy.shared.fits(longest) and not policy.shared.training_checked:
        check_training(policy, rows, groups, temperature)
    without, *_ = all_sum([float(not policy.shared.fits(longest))], policy.device)
    if without:
        raise LeserError(
            "policy.shard=fsdp cannot go on: all processes must make the same passes, and prompts are not shared within a "
            f"group ({policy.shared.reason or 'a prompt is longer than the attention window'}). Set policy.shard=none."
        )


def passes_short(policy: Policy, planned: int) -> int:
    """How many passes this process plans fewer than the one that plans most: a pass in shards is one of all processes."""
    return 0 if policy.root is None else int(all_sum([float(planned)], policy.device, largest=True)[0]) - planned


def idle_passes(policy: Policy, count: int) -> None:
    """Take part in so many passes of others, without teaching anything."""
    for _ in range(count):
        result = group_logprobs(policy, [[0]], [[[0]]])
        (0 * result.logprobs.sum()).backward()  # type: ignore[no-untyped-call]


def whole_norm(norm: Tensor) -> float:
    """A norm of gradients as a number, also where they are in shards."""
    found: Any = norm
    return float(found.full_tensor() if hasattr(found, "full_tensor") else found)


def _pairs(policy: Policy, learner: Policy) -> list[tuple[Tensor, Any]]:
    """Each whole weight with the one in shards; a reference's adapters have none."""
    whole = dict(policy.model.named_parameters())
    return [(whole[name], part) for name, part in learner.model.named_parameters()]
