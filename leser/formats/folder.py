"""Which files of a task's folder are data: plain or gzip'd, never a backup, and never two for one thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from leser.errors import LeserError

PART_NAMES = {
    "train": "train", "training": "train",
    "dev": "dev", "development": "dev", "validation": "dev", "valid": "dev", "val": "dev",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What the files of a split are called, and the split."""
_BACKUP = re.compile(r"^\.|~$|\.(?:bak|orig|sw[a-p])(?![a-z])", re.IGNORECASE)
_GZIP = re.compile(r"\.gz$", re.IGNORECASE)


def plain_name(path: Path) -> str:
    """The file's name without the .gz of a packed file."""
    return _GZIP.sub("", path.name)


def data_files(folder: Path, stem: str = "") -> list[Path]:
    """The files of a folder whose names begin with `stem`, sorted; backups and hidden files are left out."""
    return sorted(p for p in folder.glob(f"{stem}*") if p.is_file() and not _BACKUP.search(plain_name(p)))


def has_file(folder: Path, name: str) -> bool:
    """Whether the folder holds a file of this name, plain or gzip'd."""
    return (folder / name).is_file() or (folder / f"{name}.gz").is_file()


def data_file(folder: Path, name: str) -> Path | None:
    """The file of this name, plain or gzip'd; None where there is neither. Raises LeserError where there are both."""
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    return one_of(found, f"be {name}") if found else None


def one_of(found: Sequence[Path], purpose: str) -> Path:
    """The only one of these files; raises LeserError naming two of them where there are several."""
    if len(found) > 1:
        raise LeserError(
            f"{found[0]} and {found[1]} could both {purpose}. Keep one, and move the other one out of the folder or add "
            ".bak to its name."
        )
    return found[0]


def part_of(name: str) -> str | None:
    """The split that a file's name says: train, dev or test ("qrels.validation.txt": dev); None where it says none."""
    return next((PART_NAMES[word] for word in re.split(r"[\W_]+", name.lower()) if word in PART_NAMES), None)


def one_source_of_judgments(folder: Path) -> None:
    """Raises LeserError where a file of judgments stands beside a folder of them: the one would be read, the other not.

    Not where the folder holds a whole BEIR and a whole TREC task: its user has named the format.
    """
    if has_file(folder, "queries.jsonl") and data_files(folder, "topics"):
        return
    beside = [path for path in data_files(folder, "qrels") if re.fullmatch(r"qrels(\.[a-z]+)?", plain_name(path), re.I)]
    below = data_files(folder / "qrels") if (folder / "qrels").is_dir() else []
    if beside and below:
        one_of([beside[0], below[0]], "hold the judgments")
