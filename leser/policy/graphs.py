"""What sampling keeps between calls for one model: the weights it samples with, buffers, CUDA graphs, the size of a pass.

A step of training asks for the same shapes again and again, so that a graph is captured once and replayed for the whole
run. Graphs share one memory pool: none of them leaves anything in it after a step.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from leser.policy.memory import free_bytes
from leser.policy.shadow import Shadow, active_adapters, why_no_shadow
from leser.policy.token_step import Cache, Place, StepShape, TokenStep

if TYPE_CHECKING:
    from leser.policy.policy import Policy

log = logging.getLogger(__name__)
KEPT_STEPS = 8
PASS_BYTES = 1 << 30  # of one pass where the device's free memory is not known
SMALLEST_PASS, LARGEST_PASS = 1 << 28, 1 << 33
NARROWEST = 64  # own tokens that a graph looks at, at the least; doubled when a pass goes beyond

_known: WeakKeyDictionary[torch.nn.Module, dict[str, SamplingState]] = WeakKeyDictionary()


class SamplingState:
    """Kept for one model and its active adapters while it lives; `of` finds it, anew when the model's weights have moved."""

    def __init__(self, policy: Policy, weights: tuple[int, ...]) -> None:
        self.weights = weights
        self.shadow: Shadow | None = None
        self.why_no_graph: str | None = None if policy.device.type == "cuda" else "it is not on a CUDA device"
        self.steps: OrderedDict[StepShape, GraphedStep] = OrderedDict()
        self.pool: Any = None  # a handle, which the graphs keep alive
        if policy.precision == "bf16" and copies_weights(policy):
            reason = why_no_shadow(policy)
            if reason is None:
                self.shadow = Shadow(policy)
            else:
                self.do_without(policy, f"its weights are rounded in every pass, because {reason}")
        self.pass_bytes = pass_bytes(policy.device)

    @staticmethod
    def of(policy: Policy) -> SamplingState:
        """The state of this policy's model, its copied weights as they are now."""
        weights = tuple(weight.data_ptr() for weight in policy.model.parameters())
        states = _known.setdefault(policy.model, {})
        active = active_adapters(policy)  # a graph replays those it was captured with
        state = states.get(active)
        if state is None or state.weights != weights:
            state = states[active] = SamplingState(policy, weights)
        elif state.shadow:
            state.shadow.refresh()
        return state

    def sampler(self, policy: Policy) -> Policy:
        """The policy that passes are run with: the same one, or around the copy of its model, which needs no autocast."""
        return replace(policy, model=self.shadow.model, precision="fp32", adapter="") if self.shadow else policy

    def step(self, shape: StepShape, like: Cache) -> GraphedStep:
        """The buffers and graphs of this shape, made when they are not there; the longest unused ones go."""
        kept = self.steps.pop(shape, None)
        if kept is None or kept.dtype != next(iter(like.values()))[0].dtype:
            kept = GraphedStep(self, shape, like)
        self.steps[shape] = kept
        while len(self.steps) > 2 and (
            len(self.steps) > KEPT_STEPS or sum(s.buffers.nbytes for s in self.steps.values()) > self.pass_bytes
        ):
            self.steps.popitem(last=False)
        return kept

    def release(self) -> None:
        """Give buffers and graphs back."""
        self.steps.clear()
        self.pool = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def do_without(self, policy: Policy, reason: str) -> None:
        """Run steps by Python from now on, and say why."""
        self.why_no_graph = reason
        log.warning("Policy '%s' samples without CUDA graphs (slower, same results): %s.", policy.name, reason)


class GraphedStep:
    """A token step with the graphs that were captured of it, one for each number of own tokens looked at."""

    def __init__(self, state: SamplingState, shape: StepShape, like: Cache) -> None:
        self.state = state
        self.dtype = next(iter(like.values()))[0].dtype
        self.buffers = TokenStep(shape, like)
        self.graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def advance(self, policy: Policy, done: int, *, graph: bool) -> None:
        """Run the step after `done` own tokens: replayed, or by Python where `graph` is False or not to be had."""
        seen = own_width(done + 1, self.buffers.shape.columns)
        if graph and self.state.why_no_graph is None and seen not in self.graphs:
            self._capture(policy, seen)
        if graph and seen in self.graphs:
            self.graphs[seen].replay()
        else:
            self.buffers.advance(policy, seen)

    def carry_from(self, old: GraphedStep, place: Place, done: int) -> None:
        """Go on with some rows of another rectangle, after `done` own tokens each."""
        self.buffers.carry(old.buffers, place, done)

    def try_out(self, policy: Policy, seen: int) -> None:
        """Run the step twice and put back what it changed: libraries choose kernels and workspaces before a capture."""
        buffers = self.buffers
        before = [counter.clone() for counter in buffers.counters()]
        for _ in range(2):
            buffers.advance(policy, seen)
            torch._foreach_copy_(buffers.counters(), before)

    def _capture(self, policy: Policy, seen: int) -> None:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                self.try_out(policy, seen)
            torch.cuda.synchronize()
            if self.state.pool is None:
                self.state.pool = torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            # other threads may use the device meanwhile
            with torch.cuda.graph(graph, pool=self.state.pool, stream=stream, capture_error_mode="thread_local"):
                self.buffers.advance(policy, seen)
            self.graphs[seen] = graph
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # whatever a capture forbids: a model that asks the device for a value, above all
            first = str(error).strip().split("\n", 1)[0]
            self.state.do_without(policy, f"its token step could not be captured ({first})")
        finally:
            torch.cuda.current_stream().wait_stream(stream)


def copies_weights(policy: Policy) -> bool:
    """Whether sampling in bfloat16 uses a copy of the weights: on a GPU, where tokens take less than rounding weights."""
    return policy.device.type == "cuda"


def own_width(needed: int, columns: int) -> int:
    """Own tokens that a step looks at: the least of 64, 128, 256 and so on that holds `needed`, or all `columns`."""
    width = NARROWEST
    while width < needed:
        width *= 2
    return min(width, columns)


def pass_bytes(device: torch.device) -> int:
    """Memory that one pass may take: a quarter of what is free on a GPU, a constant elsewhere."""
    free = free_bytes(device)
    return PASS_BYTES if free is None else min(max(free // 4, SMALLEST_PASS), LARGEST_PASS)
