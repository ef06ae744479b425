"""Settings of verified search; imports nothing heavy, so configurations validate at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leser.options import Options


class VerifiedOptions(Options):
    """Verified search: which expansions are tried on the engine for each query, and what they must prove."""

    candidates: int = Field(24, ge=1, description="candidate terms tried for each query")
    wide: int = Field(
        40,
        ge=1,
        description="words of documents that an encoder chooses from, where there is one: those that by themselves are most "
        "like the query become `candidates`, a vote on the words that does not depend on what they find",
    )
    documents: int = Field(10, ge=1, description="hits that candidates are read from")
    nearest: int = Field(30, ge=0, description="an encoder's nearest documents that candidates are read from")
    fields: tuple[str, ...] = Field(
        ("text",),
        description="document fields that candidates are read from beside the title, where the engine can say how many "
        "documents hold a word; else titles alone are read",
    )
    lift: float = Field(
        3.0,
        ge=0,
        description="how many times more of these documents than of the whole index must hold a candidate",
    )
    min_documents: int = Field(3, ge=1, description="least number of these documents that hold a candidate")
    digits: bool = Field(
        False, description="a candidate from documents, or one that a reward suggests, may hold a digit"
    )
    spelling: bool = Field(True, description="also try words of the index that are spelled like a rare query word")
    weights: tuple[float, ...] = Field(
        (0.2, 0.5),
        min_length=1,
        description="weights tried for a term; 1 counts as much as the same word in the original query",
    )
    max_terms: int = Field(3, ge=1, description="most terms added to a query one at a time")
    ready: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (3, 5, 8),
        description="ready-made sets that the search also starts from, where there is an encoder: the first so many words of its "
        "`nearest` documents, those that stand out most in the nearest of them; sizes above expansion.max_expansions are "
        "left out; empty: none",
    )
    ready_weights: tuple[float, ...] = Field(
        (0.2, 0.35), min_length=1, description="weights at which a ready-made set is tried"
    )
    ready_proven: bool = Field(
        True,
        description="a ready-made set holds only words that alone, at the heaviest of `weights`, bring the judge something",
    )
    beam: int = Field(3, ge=1, description="sets of terms kept from one round to the next")
    pool: int = Field(8, ge=1, description="best single terms that sets are made of")
    margin: float = Field(
        0.01,
        ge=0,
        description="least rise of the judge's score that each term must bring; more where the judge is noisy",
    )
    further: float = Field(
        0.002,
        ge=0,
        description="least rise that each term after the first must bring where an encoder gives its second opinions, which "
        "tell good sets apart more finely, and several words err less together than one; elsewhere `margin`",
    )
    opinions: float = Field(
        0.75,
        ge=0,
        le=1,
        description="share of an encoder's part in the judge's score that three further views of the same encoder have: how the "
        "known hits are ordered, and both views beside the query's nearest documents; 0: the judge's own view alone",
    )
    known: int = Field(50, ge=10, description="second opinions: how many of the original's hits are known")
    feedback: int = Field(10, ge=1, description="second opinions: nearest documents that a query is compared with")
    doubt: float = Field(
        0.0,
        ge=0,
        description="how many times the judge's noise each term must bring beyond `margin`; the noise is estimated on train "
        "judgments, where the queries searched for have any",
    )
    noise: float | None = Field(
        None,
        ge=0,
        description="the judge's noise, where it is known from elsewhere; none: estimated, 0 without judgments",
    )
    keep: float = Field(
        0.6, ge=0, le=1, description="anchor: least share of the original's top hits that must still be found; 0: none"
    )
    keep_top: int = Field(10, ge=1, description="anchor: how many of the original's hits are looked for")
    keep_within: int = Field(15, ge=1, description="anchor: among how many of the expanded query's hits")
    agree: float = Field(
        0.15,
        ge=0,
        description="soft anchor: what the engine's own scores for the original query count beside the judge's score, both "
        "from 0 to 1 over the first `keep_top` hits; 0: nothing",
    )
    trust: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of a term's own gain that is believed; the rest is what it brings to queries that share a word; "
        "1: the query alone decides",
    )
    min_like: int = Field(2, ge=1, description="queries sharing a word that must have tried a term before they count")
    confirm: bool = Field(
        False, description="choose terms on one half of a query's judgments and keep them only if the other half agrees"
    )
    budget: int = Field(200, ge=2, description="most searches for one query")
    queries_at_once: int = Field(64, ge=1, description="queries searched together and written together")
