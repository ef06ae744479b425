"""Settings of the supervised start; imports nothing heavy, so configurations validate at once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from leser.options import Options


class WarmupOptions(Options):
    """The supervised start: how targets are found and when it ends."""

    enabled: bool = Field(True, description="train on proven targets before GRPO")
    targets: Literal["proven", "search", "shown"] = Field(
        "proven",
        description="proven: words of relevant documents and of hits that raise the reward, which needs judgments; search: "
        "verified search with the options of [verified], judged by any rewards; shown: the words that the prompt shows, in their "
        "order, or 'none' where they lower any rewards, for a policy that begins by saying them (policy.tiny.copying)",
    )
    shown: Literal["all", "harmless"] = Field(
        "all",
        description="with targets=shown: all shown words, as many as an answer may hold; or those that alone, at the heaviest of "
        "verified.weights, do not lower what verified search would judge by, for a search per word",
    )
    targets_file: Path | None = Field(
        None,
        description="targets that were made before: a file that `leser search-expansions` wrote, or a run's targets.jsonl",
    )
    from_rollouts: Path | None = Field(
        None,
        description="targets out of the best completions that an earlier run sampled: its folder, or a file of `leser rescore`; "
        "each is proven again, and kept where it lies above the original by min_gain",
    )
    loss: Literal["likelihood", "dpo"] = Field(
        "likelihood",
        description="likelihood: imitate the targets; dpo: prefer the better of two completions that an earlier run sampled "
        "(from_rollouts), starting from a policy that can write already (policy.name=RUN/policies/warmup)",
    )
    dpo_beta: float = Field(
        0.1, gt=0, description="how strongly dpo holds to the policy that it starts from: larger keeps nearer"
    )
    dpo_likelihood: float = Field(
        0.0, ge=0, description="weight of the chosen completion's own likelihood beside dpo's loss (as in MPO)"
    )
    max_none: float = Field(
        1.0,
        ge=0,
        le=1,
        description="most of the queries that targets are learned for whose target may be 'none'; those beyond are left out",
    )
    held_out: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of the queries with targets that are not trained on: their likelihood says when the warm-up begins "
        "to learn by heart, and the policy that finds them likeliest is kept beside the best on dev; 0: none",
    )
    max_queries: int = Field(2000, ge=1, description="train queries that targets are sought for")
    candidates: int = Field(16, ge=1, description="candidate terms tried on the engine for each query")
    min_support: float = Field(
        0.15, ge=0, le=1, description="least share of its relevant documents that hold a candidate"
    )
    min_lift: float = Field(
        2.0, ge=1, description="how much more often they must hold it than relevant documents at large"
    )
    max_terms: int = Field(4, ge=1, description="most terms in a target")
    min_gain: float = Field(0.005, ge=0, description="least rise of the reward that proves a term")
    min_addition: float = Field(0.02, ge=0, description="least rise of the reward that a further term must bring")
    min_queries: int = Field(4, ge=1, description="train queries sharing a word for which a term must be proven")
    min_alike: int = Field(
        1,
        ge=1,
        description="of targets out of verified search: train queries sharing a word whose targets must hold a term, this one "
        "among them; terms of fewer are left out, and a query that loses all of its terms has no target",
    )
    targets_per_query: int = Field(3, ge=1, description="different proven targets kept for a query")
    min_share: float = Field(
        0.95,
        ge=0,
        le=1,
        description="least share of the best target's gain that a further target of the query must have",
    )
    samples: int = Field(
        4,
        ge=0,
        description="completions sampled for each query once dev no longer rises, to find better targets; 0: none",
    )
    leading_space: bool = Field(
        False,
        description="the first word of a target is tokenised as it is after another expansion, with the space before it; changes "
        "nothing for `tiny`, nor after a reasoning",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="peak learning rate; none: 1e-3 for 2 million weights (dpo: 1e-4), falling with their number's square root",
    )
    batch_size: int = Field(32, ge=1, description="queries in a batch")
    steps_between_evaluations: int = Field(20, ge=1, description="batches between two evaluations on dev")
    patience: int = Field(3, ge=1, description="evaluations on dev in a row without a better one, after which it ends")
    max_evaluations: int = Field(200, ge=1, description="most evaluations on dev, a bound against endless slow gains")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.targets_file is not None and self.from_rollouts is not None:
            raise ValueError("targets_file and from_rollouts both bring targets: give one of them")
        if self.loss == "dpo" and self.from_rollouts is None:
            raise ValueError("loss=dpo compares completions that were sampled before: it needs from_rollouts")
        if self.loss == "dpo" and self.held_out:
            raise ValueError("held_out holds targets out, and loss=dpo has none: give one of them")
        return self
