"""Every benchmark can still be loaded: what it takes from LESER by name is there."""

from __future__ import annotations

from importlib import import_module

import pytest
from places import ROOT

MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", MODULES)
def test_a_benchmark_loads(module: str) -> None:
    assert import_module(f"benchmarks.{module}").__doc__, "it says what it measures"
