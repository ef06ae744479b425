"""Every baseline that comes with LESER passes the contract a third party's baseline is held to."""

from __future__ import annotations

import pytest
from caught import failures
from planted import baselines as planted

from leser.baseline import Baseline
from leser.evaluation.builtin import leser_baselines
from leser.testing import BaselineContract

BASELINES = {cls.name: cls for cls in leser_baselines()}


class TestBuiltInBaselines(BaselineContract):
    @pytest.fixture(params=BASELINES)
    def baseline(self, request: pytest.FixtureRequest) -> Baseline:
        return BASELINES[request.param]()


def test_the_kit_finds_planted_faults_and_its_first_failure_names_the_cause() -> None:
    seen = failures(planted.__file__)
    assert {name: (seen.failed[name] or [None])[0] for name in planted.FIRST} == planted.FIRST
    assert seen.passed["TestGood"] > 15
