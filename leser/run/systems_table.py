"""The systems of an evaluation side by side, as the terminal shows them."""

from __future__ import annotations

from leser.evaluation.evaluate import Evaluation
from leser.report.systems import measures_of


def table(result: Evaluation) -> list[str]:
    """The systems side by side in the first measure, and what the policy gains over each, for the terminal."""
    measure = next(iter(measures_of(result.to_json())), "")
    first, width = max(12, *(len(name) + 2 for name in result.systems)), max(10, len(measure))
    lines = [f"  {'system':<{first}}{measure:>{width}}   leser's gain over it, 95 % interval, wins/ties/losses"]
    against = {c["baseline"]: c for c in result.comparisons if c["system"] == "leser" and c["measure"] == measure}
    for name, figures in result.systems.items():
        text = f"  {name:<{first}}{figures.get(measure, float('nan')):>{width}.4f}"
        if name in against:
            c = against[name]
            low, high = c["ci95"]
            text += f"   {c['delta']:+.4f} [{low:+.4f}, {high:+.4f}]  {c['wins']}/{c['ties']}/{c['losses']}"
        lines.append(text)
    return lines
