"""What a refresh and a promotion say in words."""

from __future__ import annotations

from leser.offline.refresh import Refreshed


def said_of(done: Refreshed, place: str) -> str:
    """A refresh in a few lines."""
    kept = f"{done.fresh} fresh and {done.decided} decided entries stay as they are."
    if done.generation is None:
        return f"Nothing to do for {place}: {kept}"
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(done.outcomes.items()))
    lines = [
        f"Written: {place}, generation {done.generation.number}, {done.generation.entries} entries.",
        f"{done.done} queries in {done.seconds:.1f} s ({done.done / max(done.seconds, 1e-9):.1f} per second): {counts}.",
        kept,
    ]
    if done.stale:
        changed = ", ".join(f"{name} {count}" for name, count in sorted(done.stale.items()))
        lines.append(f"Stale because of: {changed}.")
    if count := done.outcomes["engine"]:
        lines.append(f"{count} queries have no answer, because a search failed: the next refresh tries them again.")
    if count := done.outcomes["unjudged"]:
        lines.append(
            f"{count} queries have no answer, because no reward speaks of them: take a judge such as encoder@10."
        )
    if count := done.outcomes["proposed"]:
        lines.append(
            f"{count} entries are proposed only: nothing could prove them. Look at them with `leser entries export`."
        )
    return "\n".join(lines)
