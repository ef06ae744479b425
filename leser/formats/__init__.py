"""Readers: how queries, judgments and documents on disk become a Task.

A third party's reader is one class and a hook `leser_readers()` that returns it:

    class Clicks(Reader):
        \"\"\"Our click log, one CSV a day.\"\"\"
        name = "clicks"

        class Options(ReaderOptions):
            min_clicks: int = 3

        @classmethod
        def recognises(cls, path): return (path / "clicks.csv").is_file()
        def read(self): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from leser.hooks import hookimpl
from leser.options import Options, Seed
from leser.reader import Reader

if TYPE_CHECKING:
    from leser.task import Task
