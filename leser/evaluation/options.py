"""Options of the final table."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from leser.options import Options


class EvaluationOptions(Options):
    """What the final table holds."""

    measures: tuple[str, ...] = Field(
        ("nDCG@10", "R@100", "RR@10", "Judged@10", "coverage@10"),
        min_length=1,
        description="ir-measures' names, or a reward's; the first is the one that the report is about, unless `primary` is",
    )
    primary: str | None = Field(
        None,
        description="the measure that the verdict is about, fixed before training; none: the first of `measures`, on judged "
        "documents alone (holes=skip) where too few of the dev queries' top hits are judged",
    )
    judge: str | None = Field(
        None,
        description="a reward that reads documents, such as encoder: what it expects of documents that nobody judged; none: "
        "that of the run's own rewards, where one compares documents with queries",
    )
    baselines: tuple[str, ...] = Field(("original", "rm3", "dictionary"), description="baselines that need no policy")
    baseline_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="options of baselines, a sub-table each: [evaluation.baseline_options.rm3]"
    )
    passages: bool = Field(
        True,
        description="also ask the policy before training for passages (baselines query2doc, pseudo-document); not `tiny`, "
        "which writes no sentences",
    )
    search: bool = Field(
        False,
        description="also search for each test query's expansions (the system `search`), with the options of [verified] and "
        "without its judgments: what the teacher reaches; at most verified.budget searches per query",
    )
    abstain: float | None = Field(
        None,
        ge=0,
        le=1,
        description="also the policy that leaves a query alone where it is not sure of its answer (the system `leser-sure`): "
        "the greatest share of dev queries that may earn less than the original; none: without it",
    )
    prompted: bool = Field(True, description="also ask the policy as it was before any training")
    best_of: int = Field(8, ge=0, description="completions sampled for the system best-of-N; 0 leaves it out")
    warmup_plus: bool = Field(
        True, description="also train supervised for as long as GRPO took (the control, system warmup+)"
    )
    warmup_plus_share: float = Field(
        1.0, gt=0, le=1, description="share of GRPO's time that this control is trained for; the report says so below 1"
    )
    resamples: int = Field(10_000, ge=100, le=1_000_000, description="bootstrap resamples")
