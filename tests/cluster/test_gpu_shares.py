"""Shares of GPUs that Ray cannot give are refused in words, before a worker waits for one for ever."""

from __future__ import annotations

import pytest

from leser.cluster.connection import Cluster, check_size
from leser.errors import LeserError
from leser.rollouts.ray_rollouts import SAID


def test_a_share_lies_on_one_gpu() -> None:
    with pytest.raises(
        LeserError, match=r"Ray has 2 GPUs, on which 2 workers with 0\.6 of one fit\. Take fewer --workers"
    ):
        check_size({"CPU": 8.0, "GPU": 2.0}, Cluster(workers=3, gpus=0.6))
    check_size({"CPU": 8.0, "GPU": 2.0}, Cluster(workers=2, gpus=0.6))
    for share, workers in ((0.5, 4), (0.25, 8), (0.1, 20), (1 / 3, 6)):
        check_size({"CPU": 99.0, "GPU": 2.0}, Cluster(workers=workers, gpus=share))


def test_above_one_gpus_are_whole() -> None:
    with pytest.raises(LeserError, match=r"rollout\.gpus of 1\.5 is not valid: .* Write 1 or 2\."):
        check_size({"CPU": 8.0, "GPU": 8.0}, Cluster(workers=2, gpus=1.5, said=SAID))
    check_size({"CPU": 8.0, "GPU": 8.0}, Cluster(workers=4, gpus=2))
