"""Folders that a rollout engine writes go with it, and those of a run that was killed before the next one begins."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from speaking import QUERIES, WIDE, sampler_of, speaking_policy
from token_server import serving

from leser.errors import LeserError
from leser.grpo.options import GrpoOptions
from leser.options import validate_options
from leser.processes import ALONE
from leser.rollout import RolloutPlace
from leser.rollouts.own import PolicyRollouts
from leser.rollouts.vllm_server import VllmServerRollouts
from leser.training.engine_open import rollouts_open
from leser.training.rollout import roll_out, sync_weights

KILLED = {"weights-7": ("model.safetensors", "config.json"), ".weights-8.part": ("model.safetensors",)}


def fill(folder: Path, names: dict[str, tuple[str, ...]]) -> None:
    for name, files in names.items():
        (folder / name).mkdir(parents=True)
        for file in files:
            (folder / name / file).write_text("{}")


def test_weights_of_a_killed_run_go_from_a_folder_that_a_user_named_and_nothing_else(tmp_path: Path) -> None:
    mine = {
        "weights-1": ("notes.txt", "config.json"),
        "weights-best": ("model.safetensors",),
        "policy": ("config.json",),
    }
    fill(tmp_path, KILLED | mine)
    policy = speaking_policy()
    with serving(copy.deepcopy(policy)) as server:
        given = {"url": server.url, "patience": 5, "folder": tmp_path}
        engine = VllmServerRollouts(validate_options(VllmServerRollouts.Options, given, "the test"))
        sampler = sampler_of(policy, rollouts=engine)
        engine.open(policy, RolloutPlace(tmp_path / "unused"))
        assert {path.name for path in tmp_path.iterdir()} == set(mine)
        sync_weights(sampler, 3, ALONE)
        assert {path.name for path in tmp_path.iterdir()} == {*mine, "weights-3"}
        described = json.loads((tmp_path / "weights-3" / "config.json").read_text())
        policy.save(tmp_path / "saved")
        saved = json.loads((tmp_path / "saved" / "config.json").read_text())
        assert described["architectures"] == saved["architectures"]
        assert (
            described.items() >= {k: v for k, v in saved.items() if k not in ("dtype", "transformers_version")}.items()
        )
        assert roll_out(sampler, WIDE, QUERIES[:1], GrpoOptions(group_size=2), 1, 3).samples
        engine.close()
    assert {path.name for path in tmp_path.iterdir()} == {*mine, "saved"}


class Writing(PolicyRollouts):
    """An engine that writes into its folder when it opens, and leaves that there."""

    def open(self, policy: Any, place: RolloutPlace) -> None:
        assert not place.folder.exists(), "what a killed run left is gone"
        fill(place.folder, {"policy": ("model.safetensors",)})
        super().open(policy, place)


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, LeserError])
def test_the_engines_folder_in_a_run_folder_goes_however_it_ends(
    tmp_path: Path, error: type[BaseException] | None
) -> None:
    fill(tmp_path / "rollout-engine", KILLED)
    sampler = sampler_of(speaking_policy(), rollouts=Writing(PolicyRollouts.Options()))

    def train() -> None:
        with rollouts_open(sampler, tmp_path, ALONE):
            assert (tmp_path / "rollout-engine" / "policy").is_dir()
            if error is not None:
                raise error("in the middle")

    if error is None:
        train()
    else:
        with pytest.raises(error, match="in the middle"):
            train()
    assert not list(tmp_path.iterdir())
