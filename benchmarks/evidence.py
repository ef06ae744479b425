"""Evidence: what finished runs measured, as one JSON file with the commit and the machine it was measured on.

    python -m benchmarks.evidence demo runs/demo-11 runs/demo-12 runs/demo-13
    python -m benchmarks.evidence electronics runs/electronics --queries 'laptop,laptops,notebook'

Writes docs/evidence/NAME.json, or with several runs one file for each: a summary of the run's evaluation, its configuration
and times (benchmarks.condensed says what is kept; runs/NAME/evaluation.json has the rest). With --queries, also how many
relevant documents each named query has in its top 10 as typed and as the run's policy expands it, by split.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import condensed
from leser.cli.console import replace_what_cannot_be_shown

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "transformers", "numpy", "ir-measures", "pyserini")


def machine() -> dict[str, Any]:
    """The machine's processor, cores, memory and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }


def commit() -> str:
    """The checkout's commit, with "-dirty" where tracked files other than the evidence itself differ from it.

    "unknown" outside a checkout and without git: what was measured is worth keeping all the same.
    """
    try:
        _git("ls-files", "--error-unmatch", "--", __file__)  # not the commit of another project that this lies in
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/evidence")
        return _git("describe", "--always", "--abbrev=12") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=True)
    return said.stdout.strip()


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The versions of these packages; one that is not installed is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write figures as JSON; a folder that is not there is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run_facts(run: Path) -> dict[str, Any]:
    """A finished run's evaluation and configuration, with GRPO's steps and their rate."""
    evaluation = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = sum(row["phase"] == "grpo" and "reward" in row for row in metrics)
    seconds = evaluation["grpo_seconds"]
    looks = [row for row in metrics if row["phase"] == "grpo" and "dev_distinct_terms" in row]
    return {
        "config": tomllib.loads((run / "config.toml").read_text(encoding="utf-8")),
        "grpo_steps": steps,
        "grpo_steps_per_hour": round(3600 * steps / seconds, 1) if seconds else None,
        "seconds_by_phase": {row["phase"]: round(row["elapsed_s"]) for row in metrics if "elapsed_s" in row},
        "distinct_terms_on_dev": [looks[0]["dev_distinct_terms"], looks[-1]["dev_distinct_terms"]] if looks else None,
        "evaluation": evaluation,
    }


def named_queries(run: Path, texts: list[str]) -> list[dict[str, Any]]:
    """Relevant documents in the top 10 of each named query, as typed and as the run's policy expands it."""
    from leser.config.build import complete, task_of
    from leser.config.load import load_config
    from leser.plugins import load_plugins
    from leser.policy.loading import load_policy
    from leser.sampler import Sampler
    from leser.session import open_session

    registry = load_plugins()
    config = complete(load_config(run / "config.toml"), registry)
    task = task_of(config, registry)
    session = open_session(config, registry, task=task)
    policy = load_policy(config.policy.model_copy(update={"name": str(run / "policy")}))
    sampler = Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens)
    rows = []
    for split in task.splits:
        asked = [q for q in split.queries if q.text in texts]
        for outcome in sampler.answer(split, asked).served if asked else ():
            relevant = {d for d, grade in outcome.grades.items() if grade > 0}
            after = outcome.expanded.ids[:10] if outcome.expanded else ()
            rows.append(
                {
                    "split": split.name,
                    "query": outcome.query.text,
                    "expansions": [e.text for e in outcome.expansions],
                    "relevant_in_top_10_before": len(relevant & set(outcome.original.ids[:10])),
                    "relevant_in_top_10_after": len(relevant & set(after)),
                }
            )
    session.client.close()
    return rows


def main() -> None:
    """Write the summaries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--queries", default="", help="texts of queries to look at one by one, separated by commas")
    parser.add_argument("--commit", help="the commit the runs were made at, where the checkout has moved on since")
    parser.add_argument("--note", help="a sentence the reader of the figures must know")
    given = parser.parse_args()
    content: dict[str, Any] = {
        "name": given.name,
        "commit": given.commit or commit(),
        **({"note": given.note} if given.note else {}),
        "machine": machine(),
        "versions": versions(),
        "runs": {run.name: run_facts(run) for run in given.runs},
    }
    texts = [text.strip() for text in given.queries.split(",") if text.strip()]
    if texts:
        content["queries"] = {run.name: named_queries(run, texts) for run in given.runs}
    for path in condensed.write(ROOT / "docs" / "evidence", content):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
