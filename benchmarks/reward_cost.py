"""What rewards cost: seconds for 10,000 completions of 100 hits, of every reward that calls no model and no network.

    python -m benchmarks.reward_cost [--out FILE.json] [--no-encoder]

Completions come in groups of 16 for 625 queries, over 2,000 documents drawn at random with a seed. The first call prepares
judgments (and reads the click log), the later ones are what a step costs; of these the median of five is taken. encoder@10 is
timed apart on the packaged MiniLM, its documents encoded before. Seconds are of the processor, on one thread, so that what
else the machine does is left out; the share is of the step whose seconds are given.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from statistics import median

import click

from benchmarks.evidence import commit, machine
from leser.backend import Document, Hit, Ranking
from leser.cli.console import replace_what_cannot_be_shown
from leser.expansion import Code, Expansion
from leser.plugins import load_plugins
from leser.reward import Outcome
from leser.scoring import RewardSet
from leser.task import Query

COMPLETIONS, GROUP, HITS, DOCUMENTS, ROUNDS = 10_000, 16, 100, 2_000, 5
JUDGED, NEEDS, LOGGED = 30, 3, 12
WORDS = ("red", "blue", "oak", "sofa", "lamp", "rug", "chair", "desk", "wool", "velvet", "floor", "corner")
PLAIN = (
    "nDCG@10", "nDCG", "R@100", "RR@10", "P@10", "coverage@10", "alpha_nDCG@10", "union_R@100", "marginal@10", "kept@10",
    "rescued", "format", "business(field='stock', high=50)@10", "guard(predict=False)@10",
)  # fmt: skip
ENCODER = "encoder@10"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Where the figures are written, as JSON.")
@click.option("--encoder/--no-encoder", default=True, help="Also time encoder@10.")
@click.option("--step", type=float, help="Seconds of a step of the demo, for the share of the plain rewards.")
@click.option("--completions", type=int, default=1024, show_default=True, help="Completions of that step.")
def main(out: Path | None, encoder: bool, step: float | None, completions: int) -> None:
    """Print seconds per reward and their sum; write them where asked for."""
    outcomes = made_outcomes()
    with tempfile.TemporaryDirectory() as folder:
        specs = [*PLAIN, f"clicks(log={str(write_log(Path(folder)))!r}, min_impressions=1)@10"]
        figures = {spec.partition("(log")[0]: timed(spec, outcomes) for spec in specs}
    total = sum(later for _, later in figures.values())
    first = sum(before for before, _ in figures.values())
    content = {
        "name": "reward-cost",
        "commit": commit(),
        "machine": machine(),
        "completions": COMPLETIONS,
        "hits": HITS,
        "seconds": {name: {"first": round(a, 3), "later": round(b, 3)} for name, (a, b) in figures.items()},
        "together": {"first": round(first, 3), "later": round(total, 3)},
    }
    if step is not None:
        content["share_of_step"] = round(total * completions / COMPLETIONS / step, 4)
        content["step"] = {"seconds": step, "completions": completions}
    if encoder:
        before, later = timed(ENCODER, outcomes)
        content["encoder@10, documents encoded"] = {"first": round(before, 3), "later": round(later, 3)}
    for name, (before, later) in figures.items():
        click.echo(f"{name:40} {before:7.3f} s first {later:7.3f} s later")
    click.echo(
        json.dumps({key: value for key, value in content.items() if key not in ("seconds", "machine")}, indent=1)
    )
    if out is not None:
        out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def timed(spec: str, outcomes: list[Outcome]) -> tuple[float, float]:
    """Seconds of the first call and the median of later ones, each through the set that a run uses."""
    helper = [] if not spec.startswith("format") else ["nDCG@10"]
    classes = load_plugins().all("reward")
    if spec == ENCODER:
        RewardSet.from_specs([spec], classes).score(outcomes)  # encodes what is new
    rewards = RewardSet.from_specs([spec, *helper], classes)
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.process_time()
        rewards.rewards[0].score(outcomes) if helper else rewards.score(outcomes)
        seconds.append(time.process_time() - started)
    return seconds[0], median(seconds[1:])


def made_outcomes() -> list[Outcome]:
    """Completions with their rankings, judgments, needs and documents, the same in every call."""
    draw = random.Random(1)
    ids = [f"d{number}" for number in range(DOCUMENTS)]
    titles = {id: " ".join(draw.sample(WORDS, 5)) + f" {id}" for id in ids}
    documents = {id: Document(id, {"title": titles[id], "stock": str(draw.randint(0, 60))}) for id in ids}
    outcomes = []
    for number in range(COMPLETIONS // GROUP):
        text = f"{draw.choice(WORDS)} {draw.choice(WORDS)} {number}"
        near = draw.sample(ids, 3 * HITS)
        judged = draw.sample(near, JUDGED)
        needs = {str(n): frozenset(draw.sample(judged, 8)) for n in range(NEEDS)}
        query, grades = Query(f"q{number}", text, subtopics=needs), {id: draw.randint(0, 3) for id in judged}
        original = _ranking(near[:HITS])
        for _ in range(GROUP):
            outcomes.append(
                Outcome(
                    query=query,
                    group=number,
                    completion="one; two",
                    expansions=(Expansion("one"), Expansion("two")),
                    original=original,
                    expanded=_ranking(draw.sample(near, HITS)),
                    grades=grades,
                    code=Code.OK,
                    per_expansion=(_ranking(draw.sample(near, HITS)), _ranking(draw.sample(near, HITS))),
                    documents=documents,
                )
            )
    return outcomes


def write_log(folder: Path) -> Path:
    """A click log of the same queries."""
    draw = random.Random(2)
    lines = []
    for outcome in made_outcomes()[::GROUP]:
        lines.append({"query_id": outcome.query.id, "user_query": outcome.query.text})
        for place, id in enumerate(outcome.original.ids[:LOGGED]):
            actions = ("impression", "click") if draw.random() < 1 / (place + 2) else ("impression",)
            thing = {"object": {"object_id": id}, "position": {"ordinal": place}}
            lines += [{"query_id": outcome.query.id, "action_name": a, "event_attributes": thing} for a in actions]
    path = folder / "ubi.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _ranking(ids: list[str]) -> Ranking:
    return Ranking(tuple(Hit(id, float(len(ids) - place)) for place, id in enumerate(ids)), total=len(ids))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
