"""The bad inputs of docs/bad-input.md: the quick ones as cases, and what LESER must answer to those that need a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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
