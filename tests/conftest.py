"""What tests share: real data sets, where they are, and plugins installed for one test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

pytest_plugins = ["servers.fixtures", "inspected_runs"]


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """The folder of a real data set; a test that needs one skips where it is missing, except under CI."""

    def folder(name: str) -> Path:
        base = Path(os.environ.get("LESER_DATA", ROOT.parent / "shared" / "data"))
        path = base / name
        if not path.is_dir():
            reason = f"no data set at {path}; set LESER_DATA to the folder that holds it"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a plugin for this test: a module and a distribution's metadata, as pip would leave them."""

    def installed(distribution: str, version: str, module: str, code: str, entry: str | None = None) -> Path:
        site = tmp_path / "site"
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[leser]\n{entry or module} = {module}\n")
        (site / f"{module}.py").write_text(code)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return site

    return installed
