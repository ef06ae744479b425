"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from leser.characters import well_formed


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a run killed meanwhile, sees the old file or the new one, never a part."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(well_formed(text))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_folder(target: Path, fill: Any) -> None:
    """Let `fill(folder)` write a folder beside `target`, then put it in place in one rename."""
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    if target.exists():
        doomed = target.with_name(f".{target.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        target.rename(doomed)
        partial.rename(target)
        shutil.rmtree(doomed)
    else:
        partial.rename(target)
