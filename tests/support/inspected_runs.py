"""A finished run that commands look into, made once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result
from filelock import FileLock
from settings import small, small_task

from leser.cli.main import group


def leser(*arguments: str | Path, width: int = 120) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], env={"COLUMNS": str(width), "HF_HUB_OFFLINE": "1"})


def said(*arguments: str | Path) -> str:
    done = leser(*arguments)
    assert done.exception is None, done.exception
    return done.output


def refused(*arguments: str | Path) -> str:
    done = leser(*arguments)
    assert done.exception is not None
    return str(done.exception)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "inspected"
    with FileLock(f"{shared}.lock"):
        if not (shared / "run" / "evaluation.json").exists():
            task = {"name": str(small_task(shared / "task"))}
            config = shared / "run.toml"
            config.write_text(tomli_w.dumps(small(shared / "run", task=task)), encoding="utf-8")
            said("run", "--config", config)
    return shared / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    copy: Path = shutil.copytree(made, tmp_path / "run")
    return copy
