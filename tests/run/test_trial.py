"""The dry run tries everything that a plugin offers: what would fail after the training fails before it, in words."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from bad_input import run_cli, shop, write

HOOKS = {"reward": "leser_rewards", "rule": "leser_rules", "baseline": "leser_baselines", "reader": "leser_readers"}
HEADS = {
    "reward": "from leser.reward import Reward as Base",
    "rule": "from leser.rule import Rule as Base\nfrom leser.rule import Violation",
    "baseline": "from leser.backend import Term\nfrom leser.baseline import Baseline as Base",
    "reader": "from leser.formats.beir import Beir as Base\nfrom dataclasses import replace",
    "backend": "from leser_memory import MemoryBackend as Base\nfrom leser.backend import *",
}


def plugin(kind: str, body: str) -> str:
    """A file whose class `Mine`, of this kind and called `mine`, has this body."""
    hook = HOOKS.get(kind, "leser_backends")
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = f"from leser.hooks import hookimpl\n{HEADS[kind]}\n\n"
    return f"{head}class Mine(Base):\n    '''Ours.'''\n    name = 'mine'\n{lines}\n@hookimpl\ndef {hook}(): return [Mine]\n"


def dry_run(folder: Path, *arguments: str, task: str = "shop", **files: str) -> tuple[int, str, str]:
    write(folder / "shop", shop({}))
    write(folder, {f"{name}.py": text for name, text in files.items()})
    given = [part for name in files for part in ("--plugin", str(folder / f"{name}.py"))]
    usual = ["--task", str(folder / task), "--policy", "tiny", "--out", str(folder / "run"), "--dry-run"]
    usual += [] if any("baselines" in given for given in arguments) else ["-o", 'evaluation.baselines=["original"]']
    backend = [] if "--backend" in arguments else ["--backend", "memory"]
    code, out, said = run_cli([*usual, *backend, *given, *arguments])
    assert "Traceback" not in said
    return code, out, " ".join(said.split())


REWARDS = {
    "a field it did not declare": (
        "def score(self, outcomes): return [float('d1' in [*o.documents.values()]) for o in outcomes]",
        "(leser_plugin_mine.Mine) reads documents that it does not declare. Write `fields = ('title',)` in its class.",
    ),
    "another field than declared": (
        "fields = ('title',)\ndef score(self, o): return [len(x.documents['d1'].fields.get('price', '')) * 0.0 for x in o]",
        "reads the field 'price' of a document that it does not declare. Write `fields = ('title', 'price')` in its class.",
    ),
    "a look-up without fields": (
        "def score(self, outcomes): return [float('d1' in o.documents) for o in outcomes]",
        "reads documents that it does not declare",
    ),
    "a field nobody has": (
        "fields = ('stock',)\ndef score(self, outcomes): return [0.0 for _ in outcomes]",
        "The reward 'mine' reads the field 'stock', which none of the 4 documents looked up has. Fields there: title.",
    ),
    "expansions it cannot bear": (
        "def score(self, outcomes): return [1.0 / (1 - len(o.expansions)) for o in outcomes]",
        "raised ZeroDivisionError: float division by zero, while scoring query 'q0'",
    ),
    "no search": (
        "unsearched = True\ndef score(self, outcomes): return [float(bool(o.expanded.hits)) for o in outcomes]",
        "raised AttributeError: 'NoneType' object has no attribute 'hits'",
    ),
    "a value outside its range": (
        "def score(self, outcomes): return [1.5 for _ in outcomes]",
        "gave 1.5 for query 'q0', outside its range 0 to 1",
    ),
    "None for some of a group": (
        "def score(self, outcomes): return [None if o.expansions else 0.5 for o in outcomes]",
        "applies to some completions for query 'q0' and gave None for others",
    ),
    "no list": ("def score(self, outcomes): return None", "gave NoneType, not a list of numbers"),
    "an exit": ("def score(self, outcomes): raise SystemExit(4)", "raised SystemExit: 4"),
}


@pytest.mark.parametrize("case", REWARDS)
def test_a_reward_that_breaks_its_contract_is_found_by_the_dry_run(case: str, tmp_path: Path) -> None:
    body, message = REWARDS[case]
    code, _, said = dry_run(tmp_path, "--reward", "nDCG@10", "--reward", "mine", mine=plugin("reward", body))
    assert code == 2
    assert "The reward 'mine'" in said
    assert message in said


def test_a_reward_reads_the_fields_that_it_declares_beside_another(tmp_path: Path) -> None:
    reads = "fields = ('title',)\ndef score(self, o): return [float('settee' in x.documents['d1'].fields['title']) for x in o]"
    code, _, said = dry_run(tmp_path, "--reward", "nDCG@10", "--reward", "mine", mine=plugin("reward", reads))
    assert code == 0, said


RULES = {
    "True": ("def check(self, proposal): return True", "must answer a Violation or None, it answered True (type bool)"),
    "text": ("def check(self, proposal): return 'no'", "must answer a Violation or None, it answered 'no' (type str)"),
    "no code": ("def check(self, proposal): return Violation(None, 'no')", "a Violation with its code and a reason as text"),
    "no place": ("def check(self, proposal): return Violation('mine', 'no', 'first')", "and the place of an expansion or None"),
    "raises": ("def check(self, proposal): return proposal.words", "'Proposal' object has no attribute 'words'"),
    "exits": ("def check(self, proposal): raise SystemExit", "failed: SystemExit"),
    "sentence": ("def check(self, p): return None\ndef sentence(self): return 7", "must say a sentence or None, it said 7"),
    "forgetful": ("def __init__(self, options, site): pass\ndef check(self, p): return None", "Call super().__init__(options"),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_a_rule_that_breaks_its_contract_is_found_by_the_dry_run(case: str, tmp_path: Path) -> None:
    body, message = RULES[case]
    # `count` allows nothing here: the rules after one that is broken are asked, too
    rules = ["-o", "rules.count.most=1", "-o", "rules.mine={}"]
    code, _, said = dry_run(tmp_path, *rules, mine=plugin("rule", body))
    assert code == 2, said
    assert "'mine' (leser_plugin_mine.Mine)" in said
    assert message in said


BASELINES = {
    "None": ("def terms(self, queries): return None", "terms() answered None. Wanted: a list of 2 tuples of Term"),
    "too few": ("def terms(self, queries): return [()]", "terms() answered 1 rows of terms for 2 queries"),
    "None for a query": ("def terms(self, queries): return [None for _ in queries]", "answered None for the query"),
    "texts": (
        "def terms(self, queries): return [('sofa',) for _ in queries]",
        "answered 'sofa' (type str) for the query",
    ),
    "weights": (
        "def terms(self, queries): return [(Term('a', float('nan')),) for _ in queries]",
        "a weight of 0 or more",
    ),
    "match": (
        "def terms(self, queries): return [(Term('a', match='fuzzy'),) for _ in queries]",
        "match one of any, all",
    ),
    "fit": (
        "def fit(self, context): self.known = context.words\ndef terms(self, queries): return []",
        "fit() raised AttributeError: 'BaselineContext' object has no attribute 'words' (mine.py, line 8)",
    ),
    "init": ("def __init__(self): pass\ndef terms(self, queries): return []", "__init__() raised TypeError"),
    "searches": (
        "def terms(self, queries): return [(Term('a', field='maker'),) for _ in queries]",
        "Every search with the clauses of the baseline 'mine' fails: No field 'maker' to search.",
    ),
}


@pytest.mark.parametrize("case", BASELINES)
def test_a_baseline_that_breaks_its_contract_is_found_by_the_dry_run(case: str, tmp_path: Path) -> None:
    body, message = BASELINES[case]
    named = ["-o", 'evaluation.baselines=["original", "mine"]']
    code, _, said = dry_run(tmp_path, *named, mine=plugin("baseline", body))
    assert code == 2, said
    assert message in said


WEIGHTED = """class Options(Base.Options):
    weight: float = 0.5
    words: tuple[str, ...] = ()
def terms(self, queries):
    assert self.options.weight == 0.25, self.options
    return [tuple(Term(word, self.options.weight) for word in self.options.words) for _ in queries]
"""


def test_a_baselines_options_are_set_and_checked(tmp_path: Path) -> None:
    named = [
        "-o",
        'evaluation.baselines=["original", "rm3", "mine"]',
        "-o",
        "evaluation.baseline_options.mine.weight=0.25",
    ]
    code, out, said = dry_run(
        tmp_path, *named, "-o", "evaluation.baseline_options.rm3.fb_docs=[4]", mine=plugin("baseline", WEIGHTED)
    )
    assert code == 0, said
    written: dict[str, Any] = tomllib.loads(out)["evaluation"]["baseline_options"]
    assert written["mine"] == {"weight": 0.25, "words": []}
    assert written["rm3"]["fb_docs"] == [4]
    wrong = {
        "rm3.fb_doc=[4]": "Unknown option 'fb_doc' of [evaluation.baseline_options.rm3]. Did you mean 'fb_docs'?",
        "rm3.fb_docs=many": "Bad options of [evaluation.baseline_options.rm3]: fb_docs",
        "rm4.fb_docs=[4]": "Unknown baseline 'rm4'. Did you mean 'rm3'?",
        "dictionary.queries=4": "[evaluation.baseline_options.dictionary] is set, but evaluation.baselines does not name",
    }
    for option, message in wrong.items():
        given = ["-o", f"evaluation.baseline_options.{option}"]
        code, _, said = dry_run(tmp_path, *named, *given, mine=plugin("baseline", WEIGHTED))
        assert code == 2
        assert message in said, said


def test_a_baseline_named_twice_is_one_system(tmp_path: Path) -> None:
    from leser.evaluation.options import EvaluationOptions
    from leser.evaluation.pseudo_documents import baselines_of
    from leser.policy.options import PolicyOptions

    twice = EvaluationOptions(baselines=("original", "rm3", "original"))
    assert baselines_of(twice, PolicyOptions(name="tiny")) == ("original", "rm3")


READERS = {
    "None": ("def read(self): return None", "read() answered None. Wanted: a Task"),
    "raises": ("def read(self): return self.options.seeds", "read() raised AttributeError"),
    "exits": ("def read(self): raise SystemExit", "read() ended the process"),
    "ids": (
        "def read(self):\n    t = super().read()\n    q = replace(t.train.queries[0], id=7)\n"
        "    return replace(t, train=replace(t.train, queries=(q, *t.train.queries[1:])))",
        "answered the train query Query(id=7,",
    ),
    "grades": (
        "def read(self):\n    t = super().read()\n    return replace(t, dev=replace(t.dev, qrels={'q4': {'d5': '1'}}))",
        "answered the grade '1' (type str) of the document 'd5' (type str) for query 'q4'",
    ),
    "documents": (
        "def read(self): return replace(super().read(), documents=lambda: [{'id': 'd1'}])",
        "documents() answered {'id': 'd1'} (type dict). Wanted: Document(id, fields)",
    ),
    "fields": (
        "def read(self):\n    t = super().read()\n"
        "    return replace(t, documents=lambda: [replace(d, fields={'title': None}) for d in t.documents()])",
        "answered the fields {'title': None} (type dict) of the document 'd1'",
    ),
    "ideal": (
        "def read(self): return replace(super().read(), ideal=lambda id: 'sofa')",
        "ideal() answered 'sofa' (type str) for the query 'q4'. Wanted: a tuple of expansions as text",
    ),
    "claims": ("@classmethod\ndef recognises(cls, path): return path.sise", "recognises() raised AttributeError"),
}


@pytest.mark.parametrize("case", READERS)
def test_a_reader_that_breaks_its_contract_is_told(case: str, tmp_path: Path) -> None:
    body, message = READERS[case]
    chosen = [] if case == "claims" else ["-o", "task.format=mine"]
    code, _, said = dry_run(tmp_path, *chosen, mine=plugin("reader", body))
    assert code == 2, said
    assert "Reader 'mine' (leser_plugin_mine.Mine)" in said
    assert message in said


BACKENDS = {
    "ids": (
        "def search(self, queries, k, *, total=False):\n    return [Ranking((Hit(1, 1.0),)) for _ in queries]",
        "search(), searching for 'red sofa', answered a hit whose id is 1 (type int). Wanted: the id as text",
    ),
    "fetch": (
        "def fetch(self, ids, fields): return list(super().fetch(ids, fields).values())",
        "fetch() answered [Document(id='d1'",
    ),
    "doc_freq": ("def doc_freq(self, terms, field=None): return {t: 1 for t in terms}", "doc_freq() answered {"),
    "analyze": ("def analyze(self, texts, field=None): return None", "analyze() answered None"),
    "analyze raises": (
        "def analyze(self, texts, field=None): raise NotImplementedError('not yet')",
        "analyze() raised NotImplementedError: not yet",
    ),
    "init": ("def __init__(self, options): self.x = options.address", "__init__() raised AttributeError"),
    "load": ("def load(self, documents): raise SystemExit", "load() ended the process"),
}


@pytest.mark.parametrize("case", BACKENDS)
def test_a_backend_that_breaks_its_contract_is_found_by_the_dry_run(case: str, tmp_path: Path) -> None:
    body, message = BACKENDS[case]
    code, _, said = dry_run(tmp_path, "--backend", "mine", mine=plugin("backend", body))
    assert code == 2, said
    assert "Backend 'mine' (leser_plugin_mine.Mine): " in said
    assert message in said
