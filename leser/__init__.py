"""LESER: fine-tune a language model to expand search queries, with your own search engine as the teacher.

    import leser

    run = leser.train(task="demo", backend="memory", policy="tiny", steps=20)
    run.evaluation                                  # systems by measures, with intervals
    run.expand("couch for small room")              # [Expansion("sofa"), Expansion("loveseat", 0.5)]

    with leser.open_run("runs/demo") as run:        # what serving does
        run.filter("couch for small room", "sofa; loveseat ^0.5")

    leser.search(backend="memory", task="demo").rank("red sofa")

Plugin authors import their contracts from here too: Backend, Reward, Rule, Reader, Baseline, and the marker hookimpl. A
name is loaded when it is first used: importing this package loads no torch, no engine client and no plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leser.api import open_run, search, train
    from leser.backend import Backend, Ranking
    from leser.baseline import Baseline
    from leser.expansion import Expansion
    from leser.hooks import hookimpl
    from leser.reader import Reader
    from leser.reward import Reward
    from leser.rule import Rule
    from leser.task import Query

_HOMES = {
    "Backend": "leser.backend",
    "Baseline": "leser.baseline",
    "Expansion": "leser.expansion",
    "Query": "leser.task",
    "Ranking": "leser.backend",
    "Reader": "leser.reader",
    "Reward": "leser.reward",
    "Rule": "leser.rule",
    "hookimpl": "leser.hooks",
    "open_run": "leser.api",
    "search": "leser.api",
    "train": "leser.api",
}
"""Each public name and the module that defines it."""

__all__ = [
    "Backend", "Baseline", "Expansion", "Query", "Ranking", "Reader", "Reward", "Rule", "hookimpl", "open_run", "search",
    "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("leser.version").installed_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'leser' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
