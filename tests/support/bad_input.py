"""What docs/bad-input.md is made of: every bad input, how it is produced, and what LESER must answer.

The quick ones (CASES) are run as they stand, and the page holds what they said. The ones that need a training (TRAININGS)
have tests of their own, which hold the message to the page's. Write the page anew with: python tests/support/bad_input.py
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from places import ROOT

PAGE = ROOT / "docs" / "bad-input.md"
INTRO = """# Bad input

What LESER answers to input that cannot work: a message that says what, where and what to do, and an exit code. Everything
in the first table is found before any training, and writes nothing. What the second table holds can only show later: the
run ends (or continues) without losing what a checkpoint holds.

Exit codes: 0 done; 2 something to mend in the command, the configuration or the data; 74 the disk is full; 75 the engine is
down; 130 Ctrl-C. After 74, 75 and 130 the same command with `--resume` continues from the last checkpoint.

This page is written by the tests that check it (`python tests/support/bad_input.py`); `…` stands for what differs from run
to run.
"""
QUERIES = ("red sofa", "blue sofa", "red lamp", "blue lamp", "green rug", "grey chair", "red rug", "blue chair")
DOCUMENTS = {
    "d1": "settee in red velvet",
    "d2": "settee in blue linen",
    "d3": "lantern of red glass",
    "d4": "lantern of blue glass",
    "d5": "carpet and stool, green or grey",
}
RELEVANT = ("d1", "d2", "d3", "d4", "d5", "d5", "d5", "d5")


def shop(changes: Mapping[str, str | None]) -> dict[str, str]:
    """A task of five documents and eight queries as the files of a BEIR folder; a change to None leaves a file out."""
    header = "query-id\tcorpus-id\tscore\n"
    rows = [f"q{i}\t{doc}\t1\n" for i, doc in enumerate(RELEVANT)]
    files: dict[str, str | None] = {
        "queries.jsonl": "".join(json.dumps({"_id": f"q{i}", "text": t}) + "\n" for i, t in enumerate(QUERIES)),
        "corpus.jsonl": "".join(json.dumps({"_id": i, "title": t}) + "\n" for i, t in DOCUMENTS.items()),
        "qrels/train.tsv": header + "".join(rows[:4]),
        "qrels/dev.tsv": header + "".join(rows[4:6]),
        "qrels/test.tsv": header + "".join(rows[6:]),
    }
    return {name: text for name, text in {**files, **changes}.items() if text is not None}


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def reward(body: str) -> str:
    """A plugin file whose reward `mine` has this body."""
    return (
        "from leser.hooks import hookimpl\nfrom leser.reward import Reward\n\n"
        f"class Mine(Reward):\n    '''A reward of ours.'''\n    name = 'mine'\n{body}\n"
        "@hookimpl\ndef leser_rewards(): return [Mine]\n"
    )


@dataclass(frozen=True)
class Case:
    """One bad input: words for the table, arguments added to a run that would work, and files that are otherwise."""

    input: str
    arguments: Sequence[str] = ()
    task: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    code: int = 2
    begun: Sequence[str] | None = None
    """Arguments of a run that the folder `run` holds already."""


_MINE = ("--plugin", "mine.py", "--reward", "mine")
_HEADER = "query-id\tcorpus-id\tscore\n"
_LACKING = _HEADER + "".join(f"q{i}\tgone{i}\t1\n" for i in range(4))
CASES = (
    Case("unknown backend", ["--backend", "memry"]),
    Case("unknown reward", ["--reward", "nDGC@10"]),
    Case("unknown policy", ["--policy", "smollm3"]),
    Case("unknown option of the backend", ["-o", "kk=1"]),
    Case("unknown option of a table", ["-o", "training.step=3"]),
    Case("wrong type of a backend's option", ["-o", "k1=many"]),
    Case("value out of range", ["-o", "training.steps=-1"]),
    Case("unknown flag", ["--stepps", "3"]),
    Case("unknown baseline", ["-o", 'evaluation.baselines=["rm4"]']),
    Case("unknown measure", ["-o", 'evaluation.measures=["nDGC@10"]']),
    Case("configuration that is not there", ["--config", "nowhere.toml"]),
    Case("configuration that is not valid TOML", ["--config", "run.toml"], files={"run.toml": "seed = = 1\n"}),
    Case("unknown table in the configuration", ["--config", "run.toml"], files={"run.toml": "[trainin]\nsteps = 3\n"}),
    Case("plugin file that is not there", ["--plugin", "mine.py"]),
    Case("plugin file that cannot be loaded", ["--plugin", "mine.py"], files={"mine.py": "import nothing_of_that_name\n"}),
    Case("task folder that is not there", ["--task", "./shopp"]),
    Case("no corpus, and an engine that has none", task={"corpus.jsonl": None}),
    Case("no queries", task={"queries.jsonl": None}),
    Case("no judgments", task={"qrels/train.tsv": None, "qrels/dev.tsv": None, "qrels/test.tsv": None, "qrels/x": ""}),
    Case("malformed line of the corpus", task={"corpus.jsonl": '{"_id": "d1", "title": "a"}\n{"title": "b"}\n'}),
    Case("malformed line of the queries", task={"queries.jsonl": '{"_id": "q0", "text": "red sofa"}\n{"_id": "q1"\n'}),
    Case("malformed line of the judgments", task={"qrels/train.tsv": f"{_HEADER}q0\td1\t1\nq1\td2\n"}),
    Case("grade that is not a whole number", task={"qrels/train.tsv": f"{_HEADER}q0\td1\tgood\n"}),
    Case("grade above the limit", task={"qrels/train.tsv": f"{_HEADER}q0\td1\t3000000000\n"}),
    Case("two files for one split", task={"qrels/validation.tsv": f"{_HEADER}q4\td5\t1\n"}),
    Case("judgment of a query that is not there", task={"qrels/train.tsv": f"{_HEADER}q99\td1\t1\n"}),
    Case("bytes that are not UTF-8", files={"shop/queries.jsonl": "\udcff\n"}),
    Case("no training query has a relevant document", task={"qrels/train.tsv": f"{_HEADER}q0\td1\t0\n"}),
    Case("no dev query has a relevant document", task={"qrels/dev.tsv": f"{_HEADER}q4\td5\t0\n"}),
    Case(
        "judgments of documents that the index lacks, more than half",
        task={"qrels/train.tsv": _LACKING, "qrels/test.tsv": f"{_HEADER}q6\tgone4\t1\n"},
    ),
    Case("output folder that holds a run", begun=[]),
    Case("--resume with a changed configuration", ["--resume", "--seed", "2", "--steps", "3"], begun=[]),
    Case("output folder that holds something else", files={"run/thesis.tex": "years of work"}),
    Case("output folder below a file", ["--out", "note.txt/run"], files={"note.txt": ""}),
    Case("no room for a prompt beside a completion", ["-o", "policy.tiny.max_context=32"]),
    Case("passages asked of a policy that writes none", ["-o", 'evaluation.baselines=["query2doc"]']),
    Case("reward plugin that raises", _MINE, files={"mine.py": reward("    def score(self, o): return o[1].price")}),
    Case(
        "reward plugin that raises for some query",
        _MINE,
        files={"mine.py": reward("    def score(self, o): return [1 / (x.query.id != 'q2') for x in o]")},
    ),
    Case(
        "reward plugin that returns NaN",
        _MINE,
        files={"mine.py": reward("    def score(self, o): return [float('nan')] * len(o)")},
    ),
    Case(
        "reward plugin that returns the wrong number of values",
        _MINE,
        files={"mine.py": reward("    def score(self, o): return [1.0] * (len(o) - 1)")},
    ),
    Case(
        "reward plugin that returns no numbers",
        _MINE,
        files={"mine.py": reward("    def score(self, o): return ['high'] * len(o)")},
    ),
    Case(
        "reward plugin that cannot be made",
        _MINE,
        files={"mine.py": reward("    def __init__(self, spec): spec.hue\n    def score(self, o): return []")},
    ),
    Case("second measure of the monitor deeper than the rankings", ["-o", "training.monitor.measure=R@100"]),
    Case("second engine of the monitor unknown", ["-o", "training.monitor.engine=memry"]),
)  # fmt: skip

TRAININGS = {
    "judgments of documents that the index lacks, less than half": (
        "WARNING: the index lacks 1 of 6 judged documents looked up, e.g. gone. What the index lacks cannot be found: every "
        "measure is lower for it.",
        0,
    ),
    "prompts longer than the model's context": (
        "WARNING: The policy's context of … tokens is too short for some prompts: … hits were left out of the … prompts of "
        "dev. Show fewer (prompt.titles, prompt.terms), or lower training.max_new_tokens.",
        0,
    ),
    "model without a chat template": (
        "Policy '…' has no chat template: prompts are plain text that ends with 'Answer:'. The warm-up teaches it the form "
        "of an answer.",
        0,
    ),
    "model with sliding-window layers": (
        "Policy '…' has layers that see 16 tokens at most: longer prompts are computed for each completion by itself "
        "(slower, same results).",
        0,
    ),
    "model with convolution layers": (
        "Policy '…' does not share prompts within a group (slower, same results): it has conv layers, whose state would "
        "leak from one completion into the next.",
        0,
    ),
    "model folder whose weights are damaged": ("Error: Policy '…' could not be loaded from …: …", 2),
    "index of an older version of Lucene": (
        "Error: The index in … was written by an older version of Lucene than this one reads. Build it again with: leser "
        "index --backend pyserini --task TASK -o index=… -o existing=recreate",
        2,
    ),
    "checkpoint that is damaged": (
        "WARNING: The checkpoint … is damaged: model.safetensors differs from its digest. Going back to the one before.",
        0,
    ),
    "no checkpoint that is whole": ("WARNING: No checkpoint is whole: the run begins again from its start.", 0),
    "disk that is full": (
        "Error: … cannot be written: … (… free). Nothing that a checkpoint holds is lost. Make room, then resume with: "
        "leser-run --config … --resume",
        74,
    ),
    "Ctrl-C": (
        "Stopping after this update, with a checkpoint. Ctrl-C once more stops at once. … Stopped. Resume with: leser-run "
        "--config … --resume … Interrupted.",
        130,
    ),
}


def tables(folder: Path, **changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a training of seconds on the shop, which is written to `folder`."""
    write(folder / "shop", shop({}))
    shape = {"d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 48, "vocabulary": 400, "pretrain_steps": 2}
    usual: dict[str, dict[str, Any]] = {
        "task": {"name": str(folder / "shop")},
        "backend": {"name": "memory"},
        "rewards": {"weights": ["nDCG@10"]},
        "policy": {"name": "tiny", "device": "cpu", "tiny": shape},
        "warmup": {
            "learning_rate": 1e-2,
            "steps_between_evaluations": 8,
            "patience": 1,
            "max_evaluations": 2,
            "batch_size": 4,
            "samples": 2,
        },
        "training": {"steps": 4, "queries_per_step": 2, "steps_between_evaluations": 2, "max_new_tokens": 10},
        "grpo": {"group_size": 4},
        "evaluation": {
            "baselines": ["original"],
            "passages": False,
            "best_of": 0,
            "prompted": False,
            "warmup_plus": False,
            "resamples": 100,
        },
    }
    return {name: {**usual.get(name, {}), **changes.get(name, {})} for name in {**usual, **changes}}


def run_cli(arguments: Sequence[str]) -> tuple[int, str, str]:
    """The console script `leser run` in this process: exit code, stdout and stderr."""
    from leser.cli.main import run_main

    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["leser-run", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_main()
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    finally:
        sys.argv = before
    raise AssertionError("a console script ends with sys.exit")


def answer(case: Case, folder: Path) -> tuple[int, str]:
    """Exit code and message of a case, run in an empty folder."""
    write(folder / "shop", shop(case.task))
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    usual = ["--task", "./shop", "--backend", "memory", "--policy", "tiny", "--out", "run"]
    with contextlib.chdir(folder):
        if case.begun is not None:
            code, resolved, said = run_cli([*usual, *case.begun, "--dry-run"])
            assert code == 0, said
            write(folder / "run", {"config.toml": resolved})
        before = tree(folder)
        code, _, said = run_cli([*usual, *case.arguments])
    assert tree(folder) == before, "a refused run left something behind"
    assert "Traceback" not in said
    found = re.search(r"^(Error: .*|Usage: .*)", said, re.MULTILINE | re.DOTALL)
    assert found, f"no error in: {said}"
    message = re.sub(r"Available: [^.]*\.", "Available: …", found[1].strip())  # grows with what is installed
    return code, re.sub(r"(Known formats:).*", r"\1 …", message, flags=re.DOTALL).replace(str(folder), "…")


def tree(folder: Path) -> list[tuple[str, int]]:
    """Every file below, with its size; compiled plugins are Python's own."""
    return sorted(
        (str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*") if "__pycache__" not in p.parts
    )


def cell(message: str) -> str:
    return (
        message.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*").replace("\n", "<br>")
    )


def row(given: str, message: str, code: int) -> str:
    return f"| {given} | {cell(message)} | {code} |"


def page(quick: Mapping[str, tuple[int, str]]) -> str:
    """The whole page; `quick` holds what each of CASES answered."""
    head = ["| input | message | exit code |", "|---|---|---|"]
    first = [row(given, message, code) for given, (code, message) in quick.items()]
    second = [row(given, message, code) for given, (message, code) in TRAININGS.items()]
    return "\n".join([INTRO, "## Before training\n", *head, *first, "\n## In training\n", *head, *second]) + "\n"


def holds(said: str, message: str) -> bool:
    """Whether an output holds a message, `…` standing for anything; line breaks don't count."""
    pattern = ".*?".join(re.escape(" ".join(part.split())) for part in message.split("…"))
    return re.search(pattern, " ".join(said.split()), re.DOTALL) is not None


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    answers = {}
    for one in CASES:
        with tempfile.TemporaryDirectory() as place:
            answers[one.input] = answer(one, Path(place))
    PAGE.write_text(page(answers), encoding="utf-8")
