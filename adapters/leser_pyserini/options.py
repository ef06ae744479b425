"""Options of the backend 'pyserini'."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from leser.adapter import CONTENTS, IndexOptions
from leser.backend import FieldWeights


class PyseriniOptions(IndexOptions):
    """Options of the backend 'pyserini'."""

    index: Path = Field(Path("leser-demo"), description="folder of the Lucene index")
    fields: FieldWeights = Field(
        default={CONTENTS: 1.0}, description="fields to search and their weights, e.g. title^3,text"
    )
    analysis: Literal["english", "german", "standard"] | None = Field(
        None,
        description="english: possessives, stop words and Porter stems (Lucene's EnglishAnalyzer); german: stop words, "
        "umlauts (also written ae, oe, ue) and light stems (its GermanAnalyzer), compounds kept whole; standard: "
        "words and lower case only; default: as the index was made, and english for a new one",
    )
    threads: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 16), ge=1, description="threads that search one batch"
    )
    heap: str = Field(
        "1g", pattern=r"^\d+[kmgKMG]$", description="memory of the Java machine; fixed by the first index opened"
    )
