"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from leser.characters import well_formed


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a run killed meanwhile, sees the old file or the new one, never a part."""
    with replacing(path) as file:
        file.write(well_formed(text))


@contextmanager
def replacing(path: Path, *, packed: bool = False) -> Iterator[TextIO]:
    """A file to write, `packed` by gzip if wanted, which takes the place of `path` when the block ends well."""
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as raw:
            zipped = gzip.GzipFile(path.stem, "wb", fileobj=raw, mtime=0) if packed else None
            with io.TextIOWrapper(zipped or raw, encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                if zipped is not None:
                    zipped.close()
                raw.flush()
                os.fsync(raw.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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
