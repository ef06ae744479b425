"""Targets of the supervised start: expansions the engine itself has proven on train queries.

Candidates are words that enough of a query's relevant documents share, the hits' feedback terms, and (later) completions
that the policy sampled. A candidate is proven when searching with it raises the reward. Proven terms are then joined
greedily, each addition searched again.

With labels in hand the engine also proves words by luck: a model number, a brand, "laboratory". Nothing in a prompt
predicts those, and imitating them teaches noise. So a term counts only where it was proven for several train queries
that share a word with this one.

Only train queries are ever looked at.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import TYPE_CHECKING

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Expansion, Parsed, parse
from leser.files import write_atomically
from leser.prompt import Observation
from leser.task import Query, Split, drawn
from leser.text import STOP_WORDS, words
from leser.warmup.options import WarmupOptions

if TYPE_CHECKING:
    from leser.sampler import Examples, Sampler

_NUMBER = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Target:
    """A completion worth imitating: what it says and by how much it raised the reward over the original query's.

    `reasoning` is what stands before it, which is not imitated.
    """

    query: Query
    completion: str
    gain: float
    reasoning: str = ""


@dataclass(slots=True)
class _Candidate:
    terms: tuple[str, ...]
    gain: float


def proven_targets(
    environment: Environment, split: Split, seen: Sequence[Observation], options: WarmupOptions, seed: int
) -> list[Target]:
    """Targets for (up to `max_queries` of) the train queries, several per query; "none" where nothing raised the reward.

    A query whose proven terms were all set aside as unpredictable has no target: that it is best left alone is not true.
    """
    drawn_ids = {query.id for query in drawn([o.query for o in seen], options.max_queries, seed)}
    chosen = [o for o in seen if o.query.id in drawn_ids]
    base = _rewards(environment, split, [(o.query, ()) for o in chosen])
    vocabularies = _candidates(environment, split, chosen, options)
    failed: set[int] = set()
    singles = _prove(environment, split, chosen, base, [[(t,) for t in v] for v in vocabularies], options, failed)
    proven = {row for row, found in enumerate(singles) if found}
    singles = _predictable(environment, chosen, singles, options)
    pools = [sorted(found, key=lambda c: -c.gain)[:8] for found in singles]
    beams: list[list[_Candidate]] = [list(found) for found in pools]
    best = [found[:2] for found in pools]
    for _ in range(options.max_terms - 1):
        longer = [
            sorted(
                {tuple(sorted((*kept.terms, o.terms[0]))) for kept in row for o in pool if o.terms[0] not in kept.terms}
            )
            for row, pool in zip(best, pools, strict=True)
        ]
        joined = _prove(environment, split, chosen, base, longer, options, failed)
        for row, beam, found in zip(range(len(best)), beams, joined, strict=True):
            known = best[row][0].gain if best[row] else 0.0
            best[row] = [c for c in sorted(found, key=lambda c: -c.gain)[:2] if c.gain > known + options.min_addition]
            beam += best[row]
    proofs = Counter(c.terms[0] for found in singles for c in found)
    targets = []
    for row, (observation, start, beam) in enumerate(zip(chosen, base, beams, strict=True)):
        if start is None:
            continue
        if not beam and row not in failed | proven:
            targets.append(Target(observation.query, environment.say(), 0.0))
        targets += _keep(environment, observation.query, beam, proofs, options)
    return targets


def write_targets(path: Path, targets: Sequence[Target]) -> None:
    """Keep targets as one JSON line each, for a resume and for the reader."""
    rows = [
        {"query_id": t.query.id, "query": t.query.text, "completion": t.completion, "gain": t.gain}
        | ({"reasoning": t.reasoning} if t.reasoning else {})
        for t in targets
    ]
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_targets(path: Path, split: Split) -> list[Target]:
    """The targets that `write_targets` kept."""
    by_id = {q.id: q for q in split.queries}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [Target(by_id[row["query_id"]], row["completion"], row["gain"], row.get("reasoning", "")) for row in rows]


def _predictable(
    environment: Environment, chosen: Sequence[Observation], singles: list[list[_Candidate]], options: WarmupOptions
) -> list[list[_Candidate]]:
    """The proven terms that were proven for at least `min_queries` queries sharing one word.

    A small task may not have that many alike: the number is lowered until half of the queries keep a term.
    """
    asked = [set(words) for words in environment.analyze([o.query.text for o in chosen])]
    proofs = Counter(
        (word, c.terms[0]) for words, found in zip(asked, singles, strict=True) for c in found for word in words
    )
    kept = singles
    for least in sorted({options.min_queries, min(2, options.min_queries), 1}, reverse=True):
        kept = [
            [c for c in found if any(proofs[word, c.terms[0]] >= least for word in words)]
            for words, found in zip(asked, singles, strict=True)
        ]
        if 2 * sum(map(bool, kept)) >= sum(map(bool, singles)):
            break
    return kept


def _keep(
    environment: Environment, query: Query, beam: list[_Candidate], proofs: Counter[str], options: WarmupOptions
) -> list[Target]:
    """The best few different sets of terms, none behind the best by more than the options allow.

    Terms stand in one order everywhere, the most often proven first: a set has no order, and a policy that sees both
    "sofa; teak" and "teak; sofa" learns to say "sofa; sofa".
    """
    kept: dict[frozenset[str], Target] = {}
    ranked = sorted(beam, key=lambda c: -c.gain)
    for candidate in ranked:
        if len(kept) == options.targets_per_query or candidate.gain < options.min_share * ranked[0].gain:
            break
        terms = sorted(candidate.terms, key=lambda t: (-proofs[t], t))
        kept.setdefault(frozenset(terms), Target(query, environment.say([Expansion(t) for t in terms]), candidate.gain))
    return list(kept.values())


def _candidates(
    environment: Environment, split: Split, chosen: Sequence[Observation], options: WarmupOptions
) -> list[list[str]]:
    """Words for each query: those typical of its relevant documents, most typical first, then feedback terms.

    Typical: held by `min_support` of them and by two at least (a word with a digit in it by half of them), and
    `min_lift` times as often as by all queries' relevant documents together.
    """
    relevant = {o.query.id: _best_documents(split, o.query) for o in chosen}
    ids = sorted({d for found in relevant.values() for d in found})
    documents = environment.client.fetch(ids, (environment.title_field, "text"))
    held = {d: set(words(" ".join(documents[d].fields.values()))) for d in ids if d in documents}
    everywhere = Counter(word for found in held.values() for word in found)
    rows = []
    for observation in chosen:
        texts = [held[d] for d in relevant[observation.query.id] if d in held]
        shares = {w: n / len(texts) for w, n in Counter(word for found in texts for word in found).items()}
        least = max(options.min_support, min(2, len(texts)) / max(1, len(texts)))  # one document alone is chance
        typical = {
            w: share * len(held) / everywhere[w]
            for w, share in shares.items()
            if share >= least and (share >= 0.5 or not _NUMBER.search(w))
        }
        ranked = sorted(
            (w for w, lift in typical.items() if lift >= options.min_lift),
            key=lambda w: (-shares[w] * log(typical[w]), w),
        )
        rows.append(_fresh(environment, observation, [*ranked, *observation.terms], options.candidates))
    return rows


def _fresh(environment: Environment, observation: Observation, found: Sequence[str], count: int) -> list[str]:
    """The first `count` of these words that are one word to the engine, no stop word, new to the query and to each other."""
    asked, *analyses = environment.analyze(
        [observation.query.text, *found]
    )  # one request, where the engine is a server
    seen = set(asked)
    fresh = []
    for word, analysed in zip(found, analyses, strict=True):
        if word not in STOP_WORDS and len(analysed) == 1 and analysed[0] not in seen:
            seen.add(analysed[0])
            fresh.append(word)
    return fresh[:count]


def _best_documents(split: Split, query: Query) -> list[str]:
    """The query's documents of the highest grade, or all relevant ones when those are fewer than three."""
    grades = {d: g for d, g in split.qrels.get(query.id, {}).items() if g > 0}
    top = [d for d, g in grades.items() if g == max(grades.values())]
    return sorted(top if len(top) >= 3 else grades)[:200]


def _prove(
    environment: Environment,
    split: Split,
    chosen: Sequence[Observation],
    base: Sequence[float | None],
    proposals: Sequence[Sequence[tuple[str, ...]]],
    options: WarmupOptions,
    failed: set[int],
) -> list[list[_Candidate]]:
    """Search with each proposal of each query; those that raise the reward enough, with their gain.

    Rows of queries of which a search failed are added to `failed`: that nothing was proven for them proves nothing.
    """
    flat = [(row, terms) for row, sets in enumerate(proposals) for terms in sets]
    rewards = _rewards(environment, split, [(chosen[row].query, terms) for row, terms in flat])
    proven: list[list[_Candidate]] = [[] for _ in chosen]
    for (row, terms), reward in zip(flat, rewards, strict=True):
        start = base[row]
        if reward is None:
            failed.add(row)
        elif start is not None and reward - start >= options.min_gain:
            proven[row].append(_Candidate(terms, reward - start))
    return proven


def _rewards(
    environment: Environment, split: Split, asked: Sequence[tuple[Query, tuple[str, ...]]]
) -> list[float | None]:
    """The total reward of each (query, terms), low where a rule was broken; None where the search failed."""
    rewards: list[float | None] = []
    for start in range(0, len(asked), SEARCHES_AT_ONCE):  # a bound on memory: outcomes hold their rankings
        attempts = [
            Attempt(query, start + i, environment.say([Expansion(t) for t in terms]))
            for i, (query, terms) in enumerate(asked[start : start + SEARCHES_AT_ONCE])
        ]
        scores = environment.score(environment.judge(attempts, split))
        rewards += [
            None if excluded else float(total) for total, excluded in zip(scores.total, scores.excluded, strict=True)
        ]
    return rewards


def worked_examples(sampler: Sampler, targets: Sequence[Target]) -> Examples:
    """Train queries with a proven expansion, as a few-shot prompt shows them."""
    seen = sampler.observations([t.query for t in targets])
    read = [parse(t.completion, sampler.environment.expansion) for t in targets]
    return [(o, p.expansions) for o, p in zip(seen, read, strict=True) if isinstance(p, Parsed)]
