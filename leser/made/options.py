"""Settings of query making; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from leser.options import Options, Seed


class MakingOptions(Options):
    """Which queries are made of a catalogue, and how many."""

    count: int = Field(2000, ge=1, description="queries made at most")
    least: int = Field(3, ge=1, description="least number of documents that a phrase or an attribute's value stands in")
    most_share: float = Field(0.2, gt=0, le=1, description="greatest share of the documents that it stands in")
    max_words: int = Field(4, ge=1, description="most words in a query")
    cohesion: float = Field(
        0.3,
        ge=-1,
        le=1,
        description="least normalised pointwise mutual information of neighbouring words of a phrase",
    )
    documents: int = Field(20, ge=1, description="documents kept beside a query at most: those it was made of")
    seed: Seed = Field(1, description="seed of the draw")
