"""Targets of the supervised start: expansions the engine itself has proven on train queries.

Candidates are words that enough of a query's relevant documents share, the hits' feedback terms, and (later) completions
that the policy sampled. A candidate is proven when searching with it raises the reward. Proven terms are then joined
greedily, each addition searched again. Words that only one relevant document holds (its model number, a rare brand) would
prove themselves too, but nothing in the prompt predicts them: the support threshold keeps them out.

Only train queries are ever looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leser.expansion import Expansion, render
from leser.feedback import STOP_WORDS, words
from leser.prompt import Observation
from leser.task import Query, Split
from leser.teacher import Attempt, Teacher
from leser.warmup.options import WarmupOptions


@dataclass(frozen=True, slots=True)
class Target:
    """A completion worth imitating: what it says and by how much it raised the reward over the original query's."""

    query: Query
    completion: str
    gain: float


@dataclass(slots=True)
class _Candidate:
    terms: tuple[str, ...]
    gain: float


def proven_targets(teacher: Teacher, split: Split, seen: Sequence[Observation], options: WarmupOptions, seed: int) -> list[Target]:
    """Targets for (up to `max_queries` of) the train queries, several a query; "none" where nothing raised the reward."""
    chosen = _sample(seen, options.max_queries, seed)
    base = _rewards(teacher, split, [(o.query, ()) for o in chosen])
    vocabularies = _candidates(teacher, split, chosen, options)
    singles = _prove(teacher, split, chosen, base, [[(t,) for t in v] for v in vocabularies], options)
    pools = [sorted(found, key=lambda c: -c.gain)[:8] for found in singles]
    beams: list[list[_Candidate]] = [list(found) for found in pools]
    best = [found[:2] for found in pools]
    for _ in range(options.max_terms - 1):
        longer = [
            [(*kept.terms, other.terms[0]) for kept in row[:2] for other in pool if other.terms[0] not in kept.terms]
            for row, pool in zip(best, pools, strict=True)
        ]
        joined = _prove(teacher, split, chosen, base, longer, options)
        for row, beam, found in zip(range(len(best)), beams, joined, strict=True):
            beam += found
            known = best[row][0].gain if best[row] else 0.0
            best[row] = [c for c in sorted(found, key=lambda c: -c.gain)[:2] if c.gain > known + options.min_gain]
    targets = []
    for observation, start, beam in zip(chosen, base, beams, strict=True):
        if start is None:
            continue
        if not beam:
            targets.append(Target(observation.query, render(()), 0.0))
        targets += _keep(observation.query, beam, options)
    return targets


def _keep(query: Query, beam: list[_Candidate], options: WarmupOptions) -> list[Target]:
    """The best few different sets of terms, none far behind the best."""
    kept: dict[frozenset[str], Target] = {}
    ranked = sorted(beam, key=lambda c: -c.gain)
    for candidate in ranked:
        if len(kept) == options.targets_per_query or candidate.gain < 0.7 * ranked[0].gain:
            break
        kept.setdefault(frozenset(candidate.terms), Target(query, render([Expansion(t) for t in candidate.terms]), candidate.gain))
    return list(kept.values())


def _sample(seen: Sequence[Observation], count: int, seed: int) -> list[Observation]:
    if len(seen) <= count:
        return list(seen)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(seen))[:count]
    return [seen[i] for i in sorted(order)]


def _candidates(teacher: Teacher, split: Split, chosen: Sequence[Observation], options: WarmupOptions) -> list[list[str]]:
    """Words for each query: those its relevant documents share, most shared first, then feedback terms."""
    relevant = {o.query.id: _best_documents(split, o.query) for o in chosen}
    documents = teacher.client.fetch(sorted({d for ids in relevant.values() for d in ids}), (teacher.title_field, "text"))
    rows = []
    for observation in chosen:
        texts = [" ".join(documents[d].fields.values()) for d in relevant[observation.query.id] if d in documents]
        counts = Counter(word for text in texts for word in dict.fromkeys(words(text)))
        asked = set(teacher.analyze([observation.query.text])[0])
        shared = [w for w, n in counts.most_common(3 * options.candidates) if n >= max(1, options.min_support * len(texts))]
        fresh: dict[str, str] = {}
        for word in [*shared, *observation.terms]:
            if word in STOP_WORDS:
                continue
            analysed = teacher.analyze([word])[0]
            if len(analysed) == 1 and analysed[0] not in asked:
                fresh.setdefault(analysed[0], word)
        rows.append(list(fresh.values())[: options.candidates])
    return rows


def _best_documents(split: Split, query: Query) -> list[str]:
    """The query's documents of the highest grade, or all relevant ones when those are fewer than three."""
    grades = {d: g for d, g in split.qrels.get(query.id, {}).items() if g > 0}
    top = [d for d, g in grades.items() if g == max(grades.values())]
    return sorted(top if len(top) >= 3 else grades)[:200]


def _prove(
    teacher: Teacher,
    split: Split,
    chosen: Sequence[Observation],
    base: Sequence[float | None],
    proposals: Sequence[Sequence[tuple[str, ...]]],
    options: WarmupOptions,
) -> list[list[_Candidate]]:
    """Search with each proposal of each query; those that raise the reward enough, with their gain."""
    flat = [(row, terms) for row, sets in enumerate(proposals) for terms in sets]
    rewards = _rewards(teacher, split, [(chosen[row].query, terms) for row, terms in flat])
    proven: list[list[_Candidate]] = [[] for _ in chosen]
    for (row, terms), reward in zip(flat, rewards, strict=True):
        start = base[row]
        if reward is not None and start is not None and reward - start >= options.min_gain:
            proven[row].append(_Candidate(terms, reward - start))
    return proven


def _rewards(teacher: Teacher, split: Split, asked: Sequence[tuple[Query, tuple[str, ...]]]) -> list[float | None]:
    """The total reward of each (query, terms); None where the search failed or a rule was broken."""
    rewards: list[float | None] = []
    for start in range(0, len(asked), 4096):  # a bound on memory: outcomes hold their rankings
        attempts = [
            Attempt(query, start + i, render([Expansion(t) for t in terms])) for i, (query, terms) in enumerate(asked[start : start + 4096])
        ]
        scores = teacher.score(teacher.judge(attempts, split))
        rewards += [
            None if excluded or gated else float(total)
            for total, excluded, gated in zip(scores.total, scores.excluded, scores.gated, strict=True)
        ]
    return rewards


