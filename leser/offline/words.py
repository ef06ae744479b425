"""What a refresh and a promotion say in words."""

from __future__ import annotations

from collections.abc import Mapping

from leser.offline.refresh import Refreshed

OUTCOMES: Mapping[str, str] = {
    "expanded": "live: their expansions are served",
    "proposed": "proposed only, because nothing could prove them: see `leser entries list {store} --state proposed`",
    "none": "left alone, because nothing was proposed for them",
    "rules": "left alone, because what was proposed breaks a rule",
    "nothing_found": "left alone, because the expanded query finds nothing",
    "overlap": "left alone, because too few of the original's top hits would stay (precompute.overlap)",
    "judge": "left alone, because the judge's score does not rise enough (precompute.margin)",
    "judgments": "left alone, because the half of the judgments that took no part in the choice speaks against it",
    "engine": "without an answer, because a search failed: the next refresh tries them again",
    "unjudged": "without an answer, because no reward speaks of them: take a judge such as encoder@10",
}
"""Every outcome of a query, in the order in which they are said."""


def said_of(done: Refreshed, place: str) -> str:
    """A refresh in a few lines."""
    kept = f"{done.fresh} fresh and {done.decided} decided entries stay as they are."
    if done.generation is None:
        return f"Nothing to do for {place}: {kept}"
    lines = [
        f"Written: {place}, generation {done.generation.number}, {done.generation.entries} entries.",
        f"{done.done} queries in {done.seconds:.1f} s ({done.done / max(done.seconds, 1e-9):.1f} per second):",
    ]
    width = len(str(done.done))
    lines += [
        f"  {count:>{width}} {name.replace('_', ' ')}: {said.format(store=place)}"
        for name, said in OUTCOMES.items()
        if (count := done.outcomes[name])
    ]
    lines.append(kept)
    if done.stale:
        changed = ", ".join(f"{name} {count}" for name, count in sorted(done.stale.items()))
        lines.append(f"Stale because of: {changed}.")
    return "\n".join(lines)
