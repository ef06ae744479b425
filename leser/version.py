"""The version of LESER that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version that the installed distribution names; "0+unknown" in a source tree that was never installed."""
    try:
        return version("leser")
    except PackageNotFoundError:
        return "0+unknown"
