"""The demo task: an invented shop whose customers use other words than its catalogue, generated from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leser.hooks import hookimpl
from leser_catalogue.reader import Demo

if TYPE_CHECKING:
    from leser.reader import Reader


@hookimpl
def leser_readers() -> list[type[Reader]]:
    """The reader of the demo task."""

    return [Demo]
