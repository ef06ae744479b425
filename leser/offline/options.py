"""Settings of precomputing and of promotion; imports nothing heavy, so configurations validate at once."""

from __future__ import annotations

from pydantic import Field

from leser.options import Options


class PrecomputeOptions(Options):
    """What expansions must hold to be stored, and how many queries are worked on together."""

    top: int = Field(10, ge=1, description="how many of the original's hits the overlap is counted on")
    overlap: float = Field(
        0.3, ge=0, le=1, description="least share of the original's top hits in the expanded query's top hits; 0: none"
    )
    margin: float = Field(0.01, ge=0, description="least rise of the judge's score, where a reward speaks of the query")
    measure: str = Field(
        "nDCG(holes=skip)@10",
        description="measure that must not fall on the second half of a query's judgments, where it has any; documents of the "
        "first half are left out of both rankings there",
    )
    queries_at_once: int = Field(
        256, ge=1, description="queries expanded, searched and written together; a killed job loses at most these"
    )


class PromoteOptions(Options):
    """What a new store or policy must hold against the old one on held-out judgments."""

    measure: str = Field("nDCG@10", description="measure that must not fall")
    tolerance: float = Field(
        0.01, ge=0, description="how far below 0 the lower end of the difference's 95 % interval may lie"
    )
    hurt_by: float = Field(0.1, gt=0, description="a query whose measure falls by more than this is hurt")
    hurt: float = Field(0.1, ge=0, le=1, description="largest share of queries that may be hurt")
    top: int = Field(10, ge=1, description="how many of the original's hits the overlap is counted on")
    overlap: float = Field(
        0.3, ge=0, le=1, description="least mean share of the original's top hits that the new one still shows; 0: none"
    )
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples of the interval")
