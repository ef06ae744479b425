"""What a checkpoint stores, and who keeps it: one policy's weights, moments and counters in one run folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from leser.errors import LeserError
from leser.grpo.update import make_optimizer
from leser.monitor.monitor import Monitor
from leser.progress import Reporter
from leser.sampler import Sampler
from leser.session import Session
from leser.store.checkpoint import latest_checkpoint, load_weights, prune, save_checkpoint
from leser.store.folder import RunFolder
from leser.training import warmup as supervised
from leser.training.interrupt import Interruption

if TYPE_CHECKING:
    from leser.config.tables import RunConfig
    from leser.policy.policy import Policy


def load_saved(policy: Policy, folder: Path) -> None:
    """Put the weights of a folder that `Policy.save` wrote into a policy of the same shape."""
    from safetensors.torch import load_file

    stored = {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}
    model = policy.causal_lm
    with torch.no_grad():
        for name, weight in model.state_dict(keep_vars=True).items():
            plain = name.replace(".base_layer.", ".")  # what an adapter wraps keeps its weights under this name
            if plain in stored:
                weight.copy_(stored[plain])
            elif ".lora_B." in name:
                weight.zero_()  # saved weights hold the adapters' part: they start anew from there
            elif ".lora_" not in name and not name.endswith("lm_head.weight"):  # a tied head is stored once
                raise LeserError(f"{folder} does not hold this policy's weights ({plain}). Start the run anew.")


@dataclass(slots=True)
class State:
    """Everything a checkpoint stores beside weights and moments."""

    stage: str = "warmup"
    update: int = 0  # updates of all stages so far
    round: int = 0  # of the warm-up: 1 once sampled targets have joined
    first: int = 0  # the value of `update` when the present stage began
    supervised: dict[str, Any] = field(default_factory=lambda: asdict(supervised.Progress()))
    best: float = -math.inf  # best dev value of GRPO
    best_update: int = 0
    grpo_seconds: float = 0.0
    mark: int = 0  # length of metrics.jsonl
    stopped: str = ""  # the sign for which the monitor ended GRPO

    @classmethod
    def of(cls, stored: Mapping[str, Any], where: Path) -> State:
        """The state a checkpoint holds; raises LeserError for one that another version of LESER wrote."""
        unknown = sorted(stored.keys() - {f.name for f in fields(cls)})
        unknown += sorted(stored.get("supervised", {}).keys() - {f.name for f in fields(supervised.Progress)})
        if unknown:
            raise LeserError(
                f"The checkpoint {where} was written by another version of LESER (it holds {', '.join(unknown)}). "
                "Go on with that version, or start a new run with another --out."
            )
        return cls(**stored)


class Keeper:
    """One policy in one run folder: takes up the last checkpoint, writes new ones, and logs what happens."""

    def __init__(
        self,
        config: RunConfig,
        session: Session,
        sampler: Sampler,
        folder: RunFolder,
        reporter: Reporter,
        notify: Callable[[dict[str, Any]], None],
        monitor: Monitor,
    ) -> None:
        self.config, self.session, self.sampler = config, session, sampler
        self.folder, self.reporter, self.notify, self.monitor = folder, reporter, notify, monitor
        self.state = State()
        self.optimizer = self._new_optimizer()
        self.interruption = Interruption()
        self._pending: list[dict[str, Any]] = []
        self._pending_first = 1

    @property
    def parts(self) -> Path:
        """Where the policies of the stages lie: base, warmup, warmup-plus."""
        return self.folder.path / "policies"

    def rate(self, given: float | None, reference: float) -> float:
        """The rate given, else `reference` for 2 million trained weights, falling with their number's square root."""
        weights = sum(p.numel() for p in self.sampler.policy.model.parameters() if p.requires_grad)
        return given if given is not None else reference * min(1.0, math.sqrt(2e6 / max(weights, 1)))

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(self.sampler.policy, self.config.grpo)

    def restore(self) -> bool:
        """Take up the latest whole checkpoint, if there is one; metrics, rollouts and the monitor go back to it."""
        found = latest_checkpoint(self.folder.checkpoints, self.reporter.warn)
        if found is None:
            if any(self.folder.checkpoints.glob("step-*")):
                self.reporter.warn("No checkpoint is whole: the run begins again from its start.")
            self.folder.cut_back(0, 0)
            return False
        checkpoint, stored = found
        self.state = State.of(stored, checkpoint)
        load_weights(checkpoint, self.sampler.policy.model, self.optimizer)
        self.folder.cut_back(self.state.mark, self.state.update)
        self.monitor.replay(self.folder.metrics())
        self._pending_first = self.state.update + 1
        self.reporter.say(f"Resumed at {checkpoint.name} ({self.state.stage}).")
        return True

    def checkpoint(self) -> None:
        """Put rollouts, then the checkpoint that vouches for them, on disk."""
        self.folder.write_rollouts(self._pending_first, self.state.update, self._pending)
        self._pending, self._pending_first = [], self.state.update + 1
        self.state.mark = self.folder.mark()
        save_checkpoint(
            self.folder.checkpoints,
            f"step-{self.state.update}",
            asdict(self.state),
            self.sampler.policy.model,
            self.optimizer,
        )
        best = f"step-{self.state.best_update}" if self.state.stage != "warmup" else None
        prune(self.folder.checkpoints, self.config.training.keep_checkpoints, best)

    def _begin(self, stage: str) -> None:
        self.state.stage, self.state.first = stage, self.state.update
        self.state.supervised = asdict(supervised.Progress())
        self.optimizer = self._new_optimizer()

    def load(self, folder: Path) -> None:
        """Put the weights of a saved policy in place."""
        load_saved(self.sampler.policy, folder)

    def _log(self, row: dict[str, Any], *, important: bool = False) -> None:
        self.folder.log(row)
        self.notify(row)
        self.reporter.step(self.state.update - self.state.first, row, important=important)
