"""Fixtures that several tests of config share."""

from __future__ import annotations

from pathlib import Path

import pytest
from platforms import Write


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files below a folder that is the working directory from then on; gives the last one's relative path."""
    monkeypatch.chdir(tmp_path)

    def written(**files: str) -> Path:
        for name, text in files.items():
            path = Path(f"{name.replace('__', '/')}.toml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return path

    return written
