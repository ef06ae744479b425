"""The benchmarks of sampling: they run on a CPU, and find what they are for."""

from __future__ import annotations

import json

import pytest

from benchmarks import decode_ops, gpu_sampling


def test_ways_of_decoding_agree(capsys: pytest.CaptureFixture[str]) -> None:
    command = (
        "--size toy --device cpu --prompts 3 --prompt 20 --group 2 --completion 6 --rounds 1 --end-share 0.05 --profile"
    )
    result = gpu_sampling.main(command.split())
    assert json.loads(capsys.readouterr().out) == result
    assert result["graph_equals_static"]
    assert result["same_as_ragged_static"] == 1.0
    assert result["static"]["gap_to_plain"]["largest"] < 1e-4
    assert result["shared"] is True
    assert 0 < result["tokens"] <= 3 * 2 * 6
    assert result["step"]["kernels"] > 0


def test_operators_per_token(capsys: pytest.CaptureFixture[str]) -> None:
    decode_ops.main(["--layers", "4", "--rows", "4"])
    result = json.loads(capsys.readouterr().out)
    per_token = {way: result[way]["operators_per_token"] for way in ("plain", "ragged", "static", "copy")}
    assert per_token["plain"] > per_token["ragged"]
    assert (
        per_token["static"] < per_token["ragged"] + 40
    )  # 50 of the draw by blocks and the bookkeeping, once per token
    assert result["copy"]["with_one_kernel_per_norm"] < 0.75 * per_token["static"]
