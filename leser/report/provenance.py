"""Where a result comes from: versions, the machine, and the configuration as flat keys."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from leser.config.given import NOT_GIVEN

PACKAGES = ("leser", "torch", "transformers", "tokenizers", "pyserini", "ir-measures", "numpy")


def provenance() -> dict[str, Any]:
    """What evaluation.json says of its making: when, on which machine, with which versions."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": dict(versions()),
    }


def versions() -> list[tuple[str, str]]:
    """Python's version, and that of every package a result depends on, where it is installed."""
    found = [("python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue  # an optional engine that this installation does without
    return found


def flattened(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested configuration as (dotted key, value) pairs, without the lists of what nobody gave."""
    pairs: list[tuple[str, str]] = []
    for key, value in settings.items():
        if key == NOT_GIVEN:
            continue
        if isinstance(value, Mapping):
            pairs += flattened(value, f"{prefix}{key}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            pairs.append((f"{prefix}{key}", shown))
    return pairs
