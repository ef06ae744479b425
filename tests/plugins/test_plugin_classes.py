"""Plugins given in Python as classes: checked and found as those of a file or a package are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from leser_memory import MemoryBackend

import leser
from leser.api import configure
from leser.backend import Backend
from leser.config.build import complete
from leser.config.load import load_config
from leser.errors import LeserError
from leser.inspect.opening import configured
from leser.plugins import load_plugins
from leser.reward import Outcome, Reward
from leser.rule import Rule
from leser.scoring import RewardSet
from leser.store.folder import RunFolder


class Shop(MemoryBackend):
    """The engine in process under a name of its own."""

    name = "shop-in-python"


class Halves(Reward):
    """Half of everything."""

    name = "halves"

    def score(self, outcomes: Sequence[Outcome]) -> Sequence[float | None]:
        return [0.5 for _ in outcomes]


class Quiet(Rule):
    """Nothing is against it."""

    name = "quiet"

    def check(self, *_: Any) -> None:
        return None


def test_classes_are_found_by_their_names() -> None:
    given = {"task": "demo", "backend": Shop, "rewards": [Halves, "nDCG@10=0.5"], "plugins": (Quiet,)}
    config, registry = configure(given)
    assert (config.backend.name, config.rewards.weights) == ("shop-in-python", ("halves", "nDCG@10=0.5"))
    assert config.plugins == ()
    assert registry.get("backend", "shop-in-python") is Shop
    assert registry.all("rule")["quiet"] is Quiet
    assert RewardSet.of(config.rewards, registry.all("reward")).names == ("halves", "nDCG@10")
    (offer,) = [offer for offer in registry.offers() if offer.cls is Shop]
    assert (offer.kind, offer.description) == ("backend", "The engine in process under a name of its own.")
    assert "the class" in str(offer.origin)


def test_an_engine_given_as_a_class_is_searched() -> None:
    with leser.search(backend=Shop, task="demo") as engine:
        assert isinstance(engine.backend, Shop)
        assert len(engine.rank("red sofa", k=3).hits) == 3


def test_a_class_that_a_package_offers_is_the_same_plugin() -> None:
    _, registry = configure({"task": "demo", "backend": MemoryBackend})
    assert registry.get("backend", "memory") is MemoryBackend


def test_a_run_folder_keeps_the_name_and_opens_with_the_class(tmp_path: Any) -> None:
    config = complete(load_config(None, {"task.name": "demo", "backend.name": Shop.name}), load_plugins([Shop]))
    folder = RunFolder(tmp_path / "run")
    folder.create(config.resolved(), resume=False)
    opened, registry = configured(folder, plugins=[Shop])
    assert registry.get("backend", opened.backend.name) is Shop
    with pytest.raises(LeserError, match="Unknown backend 'shop-in-python'"):
        configured(folder)


def test_a_class_that_cannot_be_used_is_named() -> None:
    class Unfinished(Backend):
        """Searches nothing yet."""

        name = "unfinished"

    with pytest.raises(
        LeserError, match=r"The class .*Unfinished cannot be used as a backend: .*lacks fetch, search\."
    ):
        load_plugins([Unfinished])
    with pytest.raises(
        LeserError, match=r"The class builtins\.int is not a plugin\. Inherit from one of: Backend, Reward"
    ):
        load_plugins([int])
    with pytest.raises(LeserError, match="is offered twice"):
        load_plugins([Shop, type("Other", (Shop,), {"__doc__": "Another."})]).get("backend", "shop-in-python")
