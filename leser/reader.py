"""Reader: how queries, judgments and documents on disk become a Task.

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
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from leser.options import Options, Seed

if TYPE_CHECKING:
    from leser.backend import Document
    from leser.task import Task


class ReaderOptions(Options):
    """Options every reader shares."""

    path: Path | None = Field(None, description="folder or file that holds the task")
    seed: Seed = Field(1, description="seed of the split, where the task does not come with one")
    unjudged: Literal["none", "train", "all"] = Field(
        "none",
        description="queries without a relevant document that take part, for rewards that need no judgments, such as encoder@10: "
        "none; those of train; or those of train, dev and test",
    )


class Reader(ABC):
    """A format of tasks. Built from validated options; reads nothing before `read` is called."""

    name: ClassVar[str]
    api: ClassVar[int] = 1

    class Options(ReaderOptions):
        """Options of this reader."""

    def __init__(self, options: ReaderOptions) -> None:
        self.options = options

    @classmethod
    def recognises(cls, path: Path) -> bool:  # noqa: ARG003 - readers that are chosen by name only recognise no path
        """True when `path` (a folder or a file) is in this format, judged by names and first lines alone."""
        return False

    @classmethod
    def why_not(cls, path: Path) -> str | None:  # noqa: ARG003 - most readers have nothing to say
        """Why `path` is not recognised though it looks like this format; part of the message where no reader takes it."""
        return None

    @abstractmethod
    def read(self) -> Task:
        """Read the task; raises LeserError naming the file and line of what cannot be read."""

    def catalogue(self) -> Callable[[], Iterable[Document]] | None:
        """The documents alone, for a machine that serves and holds no judgments; None where the task brings none.

        Here the whole task is read, with `unjudged` "all". A reader that finds documents without it overrides this.
        """
        return self.read().documents
