"""What one more term is worth to a policy: what each slot brings, sampled and greedy, and what a term that is forced would bring.

    python -m benchmarks.continuing --seeds 1 2 3 --out runs/recipe
    python -m benchmarks.continuing --seeds 1 --policies runs/demo/policies/warmup runs/demo/policy --out runs/recipe

On the warm-up of `benchmarks.recipe` for each seed and on the policies given (of the same seed's shop), for dev's queries. A
slot's return is what the reward gains from the choice in it on, against the terms before it; ending is worth 0. Forced: a
greedy answer of one or two terms goes on where it had ended; what its next term brings says whether it had ended too early.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe import held_out, started, warmed_up
from leser.cli.console import replace_what_cannot_be_shown
from leser.environment import Attempt
from leser.expansion import Expansion
from leser.grpo.slots import SEPARATOR
from leser.options import seed_argument
from leser.policy.adapters import load_trained
from leser.policy.generate import NoiseKey, generate
from leser.sampler import Sampler
from leser.session import Session
from leser.task import Query, Split

GROUP, SLOTS = 8, 3
Said = Sequence[tuple[Query, str]]


def main() -> None:
    """Print a JSON object for each seed and policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[1])
    parser.add_argument("--updates", type=int, default=420, help="updates of the warm-up")
    parser.add_argument(
        "--policies", type=Path, nargs="*", default=[], help="folders of other policies of the same shop"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    given = parser.parse_args()
    for seed in given.seeds:
        with warmed_up(seed, given.updates, given.out) as (session, folder):
            print(json.dumps({"seed": seed, "ideal": ideal(session)}), flush=True)
            for place in [folder / "warmup", *given.policies]:
                sampler, dev = started(session, folder), session.task.dev
                load_trained(sampler.policy, place)
                found = {
                    "held_out": held_out(sampler, session),
                    "sampled": by_slot(sampler, dev, GROUP, 1.0),
                    "greedy": by_slot(sampler, dev, 1, 0.0),
                    "forced": [forced(sampler, dev, terms) for terms in (1, 2)],
                }
                print(json.dumps({"seed": seed, "policy": str(place), **found}), flush=True)


def by_slot(sampler: Sampler, split: Split, count: int, temperature: float) -> list[dict[str, Any]]:
    """For each slot: completions that came to it, the share that ended there, and what going on brought to the others."""
    samples = sampler.sample(split.queries, count, seed=7, step=0, temperature=temperature)
    said = [(q, sampler.policy.decode(s.tokens)) for q, row in zip(split.queries, samples, strict=True) for s in row]
    totals, gated = earned(sampler, split, said)
    empty = sampler.environment.say()
    written = [0 if text.strip() == empty else text.count(SEPARATOR) + 1 for _, text in said]
    rows = []
    for slot in range(SLOTS):
        came = [i for i, terms in enumerate(written) if terms >= slot]
        on = [i for i in came if written[i] > slot]
        prefixes = [(said[i][0], SEPARATOR.join(said[i][1].split(SEPARATOR)[:slot]).strip() or empty) for i in on]
        before, broken = earned(sampler, split, prefixes)
        returns, unread = totals[on] - before, gated[on]
        rows.append({
            "came": len(came),
            "ended": round(1 - len(on) / max(1, len(came)), 3),
            "gated": _mean(unread[~broken]),
            "return": _mean(returns[~broken]),
            "return_readable": _mean(returns[~unread & ~broken]),
        })  # fmt: skip
    return rows


def forced(sampler: Sampler, split: Split, terms: int) -> dict[str, Any]:
    """Greedy answers that ended after so many terms, made to go on by one: what that brings."""
    policy, empty = sampler.policy, sampler.environment.say()
    separator = next(t for t in policy.encode_completion("sofa; rug") if SEPARATOR in policy.decode([t]))
    samples = [row[0] for row in sampler.sample(split.queries, 1, seed=0, step=0, temperature=0.0)]
    texts = [policy.decode(s.tokens) for s in samples]
    prompts = sampler.prompts(split.queries)
    chosen = [
        i for i, text in enumerate(texts)
        if samples[i].finished and text.strip() != empty and text.count(SEPARATOR) == terms - 1
    ]  # fmt: skip
    queries = [split.queries[i] for i in chosen]
    more = generate(
        policy, [[*prompts[i], *samples[i].tokens[:-1], separator] for i in chosen],
        [[NoiseKey(0, 0, q.id, 0)] for q in queries], max_new_tokens=sampler.max_new_tokens, temperature=0.0,
    )  # fmt: skip
    nexts = [policy.decode(row[0].tokens).split(SEPARATOR)[0] for row in more]
    before, broken = earned(sampler, split, [(q, texts[i]) for q, i in zip(queries, chosen, strict=True)])
    after, gated = earned(
        sampler, split, [(q, texts[i] + SEPARATOR + n) for q, i, n in zip(queries, chosen, nexts, strict=True)]
    )
    gain = (after - before)[~gated & ~broken]
    return {
        "ended_after": terms,
        "answers": int((~broken).sum()),
        "gated": _mean(gated[~broken]),
        "gain_readable": _mean(gain),
        "helps": _mean(gain > 1e-9),
        "hurts": _mean(gain < -1e-9),
        "gain_of_those_that_help": _mean(np.maximum(gain, 0)),
    }


def earned(sampler: Sampler, split: Split, said: Said) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What completions earn, and which of them are gated."""
    environment = sampler.environment
    outcomes = environment.judge([Attempt(query, i, text) for i, (query, text) in enumerate(said)], split)
    scores = environment.score(outcomes)
    return scores.total, scores.gated


def ideal(session: Session) -> dict[str, Any]:
    """Of the ideal expansions, in the task's order: how many there are, and what dev earns with the first so many."""
    known, dev, environment = session.task.ideal, session.task.dev, session.environment
    if known is None:
        return {}
    terms = {q.id: [Expansion(t) for t in known(q.id)] for q in dev.queries}
    rewards = {}
    for most in range(SLOTS + 1):
        attempts = [Attempt(q, i, environment.say(terms[q.id][:most])) for i, q in enumerate(dev.queries)]
        rewards[most] = _mean(environment.score(environment.judge(attempts, dev)).total)
    counts = np.array([len(row) for row in terms.values()])
    return {"terms": _mean(counts), "none": _mean(counts == 0), "reward": rewards}


def _mean(values: np.ndarray[Any, Any]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
