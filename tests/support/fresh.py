"""An environment of its own outside the checkout, as a third party has one: LESER out of its wheel, no source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path


def environment(home: Path, *packages: Path) -> Path:
    """Make an environment in `home`, install wheels or package folders into it, and return its Python.

    What this environment has besides LESER (dependencies, pytest, the build backend) is linked in one by one: it would take
    minutes to install. Nothing comes from a network.
    """
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "installed_base": str(home)}))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("leser", "_leser", "__editable__")):
            (site / path.name).symlink_to(path)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    done = run([*pip, "--no-deps", "--no-index", "--no-build-isolation", *map(str, packages)], home)
    assert done.returncode == 0, done.stderr
    return python


def run(command: list[str], folder: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without the variables that would lead it back to this environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "LESER", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=timeout, check=False)
