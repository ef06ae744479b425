"""Figures of what completions say, beside what they earn: a policy that games its reward shows here first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from leser.environment import Environment
from leser.expansion import Code
from leser.reward import Outcome

if TYPE_CHECKING:
    from leser.policy.generate import Sample
    from leser.sampler import Sampler

Analyze = Callable[[Sequence[str]], list[list[str]]]
DocFreq = Callable[[Sequence[str]], list[int]]


def distinct_terms(environment: Environment, outcomes: Sequence[Outcome]) -> float:
    """Distinct analysed words a completion's expansions hold, on average over completions that could be read and judged."""
    read = [o for o in outcomes if o.code not in (Code.PARSE_ERROR, Code.ENGINE_ERROR)]
    if not read:
        return float("nan")
    words = environment.analyze([" ".join(e.text for e in o.expansions) for o in read if o.expansions])
    return sum(len(set(w)) for w in words) / len(read)


def behaviour(sampler: Sampler, outcomes: Sequence[Outcome], tokens: Sequence[int]) -> dict[str, float]:
    """What completions look like beside what they earn: a policy that games its reward shows here first."""
    count = max(1, len(outcomes))
    return {
        "length": fmean(tokens) if tokens else 0.0,
        "distinct_terms": distinct_terms(sampler.environment, outcomes),
        "parse_errors": sum(o.code is Code.PARSE_ERROR for o in outcomes) / count,
        "rule_violations": sum(o.code is Code.RULE_VIOLATION for o in outcomes) / count,
        "engine_errors": sum(o.code is Code.ENGINE_ERROR for o in outcomes) / count,
        "nothing_found": sum(o.code is Code.NOTHING_FOUND for o in outcomes) / count,
        "no_expansion": sum(o.code is Code.NONE for o in outcomes) / count,
    }


def sampled_entropy(samples: Sequence[Sequence[Sample]]) -> float:
    """Mean of -log p over the tokens of all completions as they were drawn: their entropy in nats per token, estimated.

    Zero-variance groups are in it: a policy that is sure of most queries shows here, and not in the entropy of the other groups.
    """
    values = [value for row in samples for s in row for value in s.logprobs]
    return -fmean(values) if values else 0.0


MANY_QUERIES = 8
"""From so many queries on a word that they share tells something: a batch of two may well be about one thing."""


def wording(
    rollouts: Sequence[Mapping[str, Any]], analyze: Analyze, doc_freq: DocFreq | None = None
) -> dict[str, float]:
    """Shares (0 to 1) of what a step's completions say; one that there is nothing to take of is left out.

    `rollouts` are rows with `query_id`, `query`, `expansions` and `code`; those that the engine failed on are left out: nobody
    has analysed them. `echo`: analysed words of expansions that the query holds.
    `repeated_terms`: words that stand in the completion before. `commonest_term`: completions (of those that expand) that
    hold the word which most of them share, where there are at least eight queries. `unknown_expansions`: expansions no word
    of which any document holds.
    """
    written = [row for row in rollouts if row["expansions"] and row.get("code") != Code.ENGINE_ERROR]
    texts = list(dict.fromkeys(text for row in written for text in (row["query"], *row["expansions"])))
    words = dict(zip(texts, analyze(texts), strict=True)) if texts else {}
    total = echoed = repeated = 0
    holding: Counter[str] = Counter()
    for row in written:
        asked, said = set(words[row["query"]]), [word for text in row["expansions"] for word in words[text]]
        total += len(said)
        echoed += sum(word in asked for word in said)
        repeated += len(said) - len(set(said))
        holding.update(set(said) - asked)
    figures = {"echo": echoed / total, "repeated_terms": repeated / total} if total else {}
    if holding and len({row["query_id"] for row in written}) >= MANY_QUERIES:
        figures["commonest_term"] = max(holding.values()) / len(written)
    if doc_freq is not None and written:
        expansions = [words[text] for row in written for text in row["expansions"]]
        words_written = sorted({word for said in expansions for word in said})
        missing = {word for word, count in zip(words_written, doc_freq(words_written), strict=True) if not count}
        figures["unknown_expansions"] = sum(missing.issuperset(said) for said in expansions) / len(expansions)
    return figures
