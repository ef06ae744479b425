"""Learning without judgments, and with wrong ones, on the demo: what each teacher's policy gains by the true judgments.

    python -m benchmarks.without_labels --arms judged clicks ctr encoder --seeds 21 --out runs/teachers
    python -m benchmarks.without_labels --arms judged flipped-10 flipped-30 --seeds 21 --out runs/teachers
    python -m benchmarks.without_labels --looks 24 --seeds 21 --out runs/teachers
    python -m benchmarks.without_labels --search --seeds 21 --out runs/teachers
    python -m benchmarks.without_labels --table --seeds 21 22 23 --out runs/teachers

For each seed one shop, and on it one run per arm with the same model, the same steps and the same number of completions. Train
and dev, and so the choice of the best policy, know what the arm's teacher knows (benchmarks/taught_demo.py):

  judged      the true judgments: targets of words of relevant documents, reward nDCG@10
  clicks      a simulated click log (benchmarks/click_log.py): targets of words of documents that were clicked, reward
              clicks@10 with the position bias estimated from the log and taken out (model=ips)
  ctr         the same log with the bias left in (model=ctr)
  clicks-skip, ctr-skip   the same two, with documents that the log does not know left out of the rankings (unseen=skip)
  encoder     a sentence encoder alone (MiniLM on titles), no judgment and no click: targets by verified search, reward encoder@10
  flipped-10, flipped-30   as judged, with 10 and 30 % of the judgments of train and dev wrong
  NAME-learned   of judged, clicks, ctr, flipped-10 and flipped-30: the same knowledge, taught through learned@10. Targets by
              verified search with it as the judge, of terms that like queries share; reward learned@10 alone

Stated before any run: the value is nDCG@10 of greedy answers to the test queries on the true judgments; a gain is the policy's
value less the original query's, paired by query; the share is the arm's mean gain over that of `judged` on the same queries, its
interval a bootstrap over queries that draws both gains together. A run that is there is not made again; a killed one resumes.
`--looks` bounds the warm-up: 80 updates before each look at dev, 7 looks unless given. Runs of another number are a series
of their own. `--search` trains nothing: verified search with each arm's judge answers the test queries, their labels kept from it
(benchmarks/searched_teachers.py); arms whose judge says nothing without labels are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from leser_catalogue.generator import generate

from benchmarks.click_log import Shoppers, write_log
from benchmarks.evidence import ROOT, commit, machine, versions, write
from benchmarks.searched_teachers import file_of, keep, search_rows, searched
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import config_of
from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.evaluation.statistics import paired
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.report.answers import FILE, read_answers
from leser.run.runner import run
from leser.task import Split, drawn

READER = ROOT / "benchmarks" / "taught_demo.py"
EVIDENCE = ROOT / "docs" / "evidence" / "without-labels.json"
MEASURE, WARM_UP, JUDGED = "nDCG@10", "warmup", "judged"
TRAIN, LOOKS = 2000, 7
SHOPPERS = Shoppers()
TINY = {"d_model": 128, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 320, "vocabulary": 2000, "pretrain_steps": 10}
BASE: dict[str, Any] = {
    "backend": {"name": "memory"},
    "plugins": [str(READER)],
    "expansion": {"weight": 2.0},
    "policy": {"name": "tiny", "device": "cpu", "tiny": TINY},
    "warmup": {
        "max_queries": TRAIN, "targets_per_query": 1, "batch_size": 32, "learning_rate": 3e-3,
        "steps_between_evaluations": 80, "samples": 0,
    },
    "verified": {"weights": [2.0], "keep": 0.0},
    "training": {"steps": 90, "queries_per_step": 32, "steps_between_evaluations": 15},
    "grpo": {"group_size": 16, "learning_rate": 5e-4, "credit": "prefix"},
    "evaluation": {
        "measures": [MEASURE, "R@100"], "primary": MEASURE, "baselines": ["original"], "best_of": 0, "prompted": False,
        "warmup_plus": False, "resamples": 2000,
    },
}  # fmt: skip


SEARCHED = ("encoder", "judged-learned", "clicks-learned", "ctr-learned", "flipped-10-learned", "flipped-30-learned")
"""The arms whose judge speaks of a query without its labels."""
LEARNED = {"agree": 0.0}
"""learned@10 says itself what a document that the original did not find is worth: no second anchor."""


def arms(log: Path, vectors: Path) -> dict[str, dict[str, Any]]:
    """What each arm's task and rewards are."""

    def clicks(model: str, more: str = "") -> dict[str, Any]:
        return {
            "task": {"labels": "clicks", "log": str(log), "model": model, "unjudged": "all"},
            "rewards": [f"clicks(log={str(log)!r}, model={model}{more})@10=1.0"],
        }

    given: dict[str, dict[str, Any]] = {
        JUDGED: {"task": {"labels": "true"}, "rewards": [f"{MEASURE}=1.0"]},
        "clicks": clicks("ips"),
        "ctr": clicks("ctr"),
        "clicks-skip": clicks("ips", ", unseen=skip"),
        "ctr-skip": clicks("ctr", ", unseen=skip"),
        "encoder": {
            "task": {"labels": "none", "unjudged": "all"},
            "rewards": [f"encoder(cache={str(vectors)!r})@10=1.0"],
            "warmup": {"targets": "search"},
        },
        "flipped-10": {"task": {"labels": "flipped", "share": 0.1}, "rewards": [f"{MEASURE}=1.0"]},
        "flipped-30": {"task": {"labels": "flipped", "share": 0.3}, "rewards": [f"{MEASURE}=1.0"]},
    }
    learned = {"rewards": ["learned@10=1.0"], "warmup": {"targets": "search", "min_alike": 3}, "verified": LEARNED}
    return given | {
        f"{name}-learned": {**learned, "task": {**given[name]["task"], "unjudged": "all"}}
        for name in (JUDGED, "clicks", "ctr", "flipped-10", "flipped-30")
    }


def main() -> None:
    """Make the runs that are asked for and not there, or the table of those that are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=list(arms(Path(), Path())), default=list(arms(Path(), Path())))
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[21, 22, 23])
    parser.add_argument("--out", type=Path, default=Path("runs/teachers"))
    parser.add_argument("--looks", type=int, default=LOOKS, help="looks at dev in the warm-up, at most")
    parser.add_argument("--search", action="store_true", help="verified search with the arms' judges, without a policy")
    parser.add_argument("--dry-run", action="store_true", help="check the arms and say what their rewards see")
    parser.add_argument("--table", action="store_true", help="print the table of the runs that are there")
    parser.add_argument("--evidence", action="store_true", help="with --table: write docs/evidence/without-labels.json")
    given = parser.parse_args()
    if given.table:
        found = table(given.seeds, given.arms, given.out)
        print(shown(found))
        if given.evidence:
            facts = {"commit": commit(), "machine": machine(), "versions": versions()}
            EVIDENCE.write_text(shown({**facts, **found}) + "\n", encoding="utf-8")
        return
    for seed in given.seeds:
        for arm in given.arms:
            if given.search:
                search(seed, arm, given.out)
                continue
            trained(seed, arm, given.out, given.looks, dry=given.dry_run)


def folder_of(out: Path, seed: int, arm: str, looks: int) -> Path:
    """Where the run of an arm is."""
    return out / (f"seed-{seed}-{arm}" + (f"-looks-{looks}" if looks != LOOKS else ""))


def trained(seed: int, arm: str, out: Path, looks: int = LOOKS, *, dry: bool = False) -> None:
    """One run, unless it is there; it is resumed where it was killed."""
    folder = folder_of(out, seed, arm, looks)
    if (folder / "evaluation.json").exists():
        return
    begun = time.monotonic()
    config, registry = (
        complete(config_of(values(seed, arm, out, looks, dry=dry)), load_plugins([READER])),
        load_plugins([READER]),
    )
    run(config, registry)
    print(json.dumps({"seed": seed, "arm": arm, "looks": looks, "wall_s": round(time.monotonic() - begun)}), flush=True)


def search(seed: int, arm: str, out: Path) -> None:
    """Verified search with one arm's judge, unless it is there; nothing where the judge reads labels alone."""
    if arm not in SEARCHED or file_of(out, seed, arm).exists():
        return
    begun, registry = time.monotonic(), load_plugins([READER])
    config = complete(config_of(values(seed, arm, out)), registry)
    keep(out, seed, arm, searched(config, registry, MEASURE))
    print(json.dumps({"seed": seed, "search": arm, "wall_s": round(time.monotonic() - begun)}), flush=True)


def values(seed: int, arm: str, out: Path, looks: int = LOOKS, *, dry: bool = False) -> dict[str, Any]:
    """The configuration of one run; writes the log of its shop where it is needed and missing."""
    folder = out.resolve()
    log = folder / f"log-{seed}" / "ubi.ndjson"
    given = arms(log, folder / "vectors")[arm]
    if "log" in given["task"] and not log.exists():
        write(log.parent / "counts.json", logged(seed, log))
    return {
        **BASE,
        "seed": seed,
        "task": {"name": "taught-demo", "seed": seed, "train": TRAIN, **given["task"]},
        "rewards": {"weights": given["rewards"]},
        "warmup": {**BASE["warmup"], "max_evaluations": looks, **given.get("warmup", {})},
        "verified": {**BASE["verified"], **given.get("verified", {})},
        "out": str(folder_of(folder, seed, arm, looks)),
        "resume": True,
        "dry_run": dry,
    }


def logged(seed: int, path: Path) -> dict[str, int]:
    """Write the log of one shop's train and dev queries; what it holds."""
    task = generate(seed)
    kept = drawn(task.train.queries, TRAIN, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_log(task, [Split("train", tuple(kept), task.train.qrels), task.dev], path, SHOPPERS, seed)


def shown(found: Mapping[str, Any]) -> str:
    """The table as JSON with one line per arm."""
    rows = ",\n".join(f"  {json.dumps(arm)}: {json.dumps(row)}" for arm, row in found["arms"].items())
    return json.dumps({**found, "arms": "@"}, indent=1, ensure_ascii=False).replace('"@"', f"{{\n{rows}\n }}")


def table(seeds: Sequence[int], named: Sequence[str], out: Path) -> dict[str, Any]:
    """Every arm that is there: values and gains by seed, and over all its seeds the gain and its share of `judged`."""
    rows = {}
    for looks in sorted({LOOKS, *(int(p.name.rpartition("-looks-")[2]) for p in out.glob("seed-*-looks-*"))}):
        every = {arm: {seed: found for seed in seeds if (found := answers(out, seed, arm, looks))} for arm in named}
        for arm, by_seed in every.items():
            shared = [seed for seed in by_seed if seed in every.get(JUDGED, {})]
            if shared:
                name = arm if looks == LOOKS else f"{arm}, {80 * looks} updates of warm-up"
                completions = [completions_of(folder_of(out, seed, arm, looks)) for seed in shared]
                rows[name] = {**_row(by_seed, every[JUDGED], shared), "completions": completions}
    found = {"measure": MEASURE, "gain": "over the original query, test queries, true judgments"}
    return {**found, "search": search_rows(out, seeds, named), "arms": rows}


Values = Mapping[str, Mapping[str, float]]
"""Query id to system to value."""


def _row(mine: Mapping[int, Values], judged: Mapping[int, Values], seeds: Sequence[int]) -> dict[str, Any]:
    own, reference = _gains(mine, seeds), _gains(judged, seeds)
    begun = np.array([row[WARM_UP] - row[ORIGINAL] for seed in seeds for row in mine[seed].values()])
    low, high = share_interval(own, reference)
    return {
        "seeds": list(seeds),
        "queries": len(own),
        "by_seed": {
            str(seed): {name: _rounded([row[name] for row in mine[seed].values()]) for name in (ORIGINAL, WARM_UP, POLICY)}
            for seed in seeds
        },
        "gain": _with_interval(own),
        "gain_of_warm_up": _with_interval(begun),
        "share": round(float(own.mean() / reference.mean()), 3),
        "share_ci95": [round(low, 3), round(high, 3)],
        "over_judged": _with_interval(own - reference),
    }  # fmt: skip


def share_interval(own: Any, reference: Any, resamples: int = 10_000) -> tuple[float, float]:
    """The 95 % interval of mean(own) / mean(reference), both gains of a query drawn together."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(resamples):
        drawn_queries = rng.integers(len(own), size=len(own))
        shares.append(own[drawn_queries].mean() / reference[drawn_queries].mean())
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


def _gains(found: Mapping[int, Values], seeds: Sequence[int]) -> Any:
    return np.array([row[POLICY] - row[ORIGINAL] for seed in seeds for row in found[seed].values()])


def _with_interval(gains: Any) -> list[Any]:
    result = paired(gains[:, None])[0]
    return [round(result.delta, 4), [round(end, 4) for end in result.ci95]]


def _rounded(found: Sequence[float]) -> float:
    return round(float(np.mean(found)), 4)


def completions_of(folder: Path) -> int:
    """What a run sampled in GRPO: steps times queries times group."""
    rows = (json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    steps = sum(row["phase"] == "grpo" and "reward" in row for row in rows)
    return steps * int(BASE["training"]["queries_per_step"]) * int(BASE["grpo"]["group_size"])


def answers(out: Path, seed: int, arm: str, looks: int) -> Values:
    """Each test query's values, in the order of the test queries; empty where the run is not there."""
    folder = folder_of(out, seed, arm, looks)
    if not (folder / "evaluation.json").exists():
        return {}
    return {answer.id: answer.values for answer in read_answers(folder / FILE)}


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
