"""The Python door: each line that docs/python.md and the docstrings show, on a training of seconds."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from places import ROOT
from settings import small, small_task

import leser
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.inspect.run import Run

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
CONTRACTS = "Backend, Reward, Rule, Reader, Baseline, hookimpl, Expansion, Query, Ranking"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration file of a training that takes seconds; its run folder is beside it."""
    folder = tmp_path_factory.mktemp("door")
    evaluation = {"warmup_plus": False, "baselines": ["original"]}
    tables = small(folder / "run", task={"name": str(small_task(folder / "shop"))}, evaluation=evaluation)
    file = folder / "small.toml"
    file.write_text(tomli_w.dumps(tables), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def run(configuration: Path) -> Iterator[Run]:
    with leser.train(config=configuration, steps=2) as trained:
        yield trained


@pytest.fixture
def shortened(configuration: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`leser.train` with the small configuration under whatever it is given, and the demo task as its small corner."""

    def train(**given: Any) -> Run:
        assert given == {"task": "demo", "backend": "memory", "policy": "tiny", "steps": 20}
        again = {"task": configuration.parent / "shop", "backend": "memory", "policy": "tiny", "steps": 2}
        return leser.api.train(**again, config=configuration, resume=True)  # type: ignore[attr-defined]

    monkeypatch.setattr(leser, "train", train)


def test_the_door_is_what_it_says_and_opens_at_once() -> None:
    code = (
        f"import leser, sys\nfrom leser import {CONTRACTS}\n"
        "heavy = {'torch', 'transformers', 'numpy', 'elasticsearch', 'jnius'} & set(sys.modules)\n"
        "print(sorted(leser.__all__), sorted(heavy - {'numpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = sorted([*CONTRACTS.split(", "), "open_run", "search", "train"])
    assert done.stdout.strip() == f"{names} []"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        leser.trian  # noqa: B018
    assert set(dir(leser)) == {*names, "__version__"}


@pytest.mark.usefixtures("shortened")
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert isinstance(names["run"], Run)


@pytest.mark.usefixtures("shortened")
@pytest.mark.parametrize("name", ["train", "open_run", "search"])
def test_examples_of_docstrings_run(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(leser.api, name)  # type: ignore[attr-defined]
    assert {"Args:", "Returns:", "Raises:", "Examples:"} <= set(re.findall(r"^ *(\w+:)$", real.__doc__, re.MULTILINE))
    text = real.__doc__.replace('"runs/demo"', repr(str(run.path)))
    test = doctest.DocTestParser().get_doctest(text, {"leser": leser}, name, None, 0)
    assert test.examples
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_what_was_measured_is_a_table(run: Run) -> None:
    table = run.evaluation
    assert table["leser"]["nDCG@10"] == table.content["systems"]["leser"]["nDCG@10"]
    gain = table.gain("original")
    assert gain is not None
    assert gain[1] <= gain[0] <= gain[2]
    frame = table.to_pandas()
    assert list(frame.index) == list(table)
    assert frame.loc["original", "gain"] == gain[0]
    text = repr(table)
    assert text.splitlines()[0].split() == [
        "system",
        *table.measures,
        "leser's",
        "gain",
        "in",
        "nDCG@10",
        "95",
        "%",
        "interval",
    ]
    assert len(text.splitlines()) == 1 + len(table)
    html = run._repr_html_()
    assert html.count("<tr>") == 1 + len(table)
    assert str(run.path) in html
    assert run.report.is_file()
    assert run.metrics[-1]["phase"] == "grpo"


def test_expand_serves_what_filter_lets_through(run: Run) -> None:
    kept = run.filter("red sofa", "couch; red sofa; loveseat ^0.5")
    assert kept.expansions == (Expansion("couch"), Expansion("loveseat", 0.5))
    assert repr(list(kept.expansions)) == "[Expansion('couch'), Expansion('loveseat', 0.5)]"
    assert [refused.code for refused in kept.refused] == ["repetition"]
    found = run.look_up("red sofa")
    assert run.expand("red sofa") == list(run.filter("red sofa", found.completion).expansions)
    run.close()
    assert run.filter("red sofa", "couch").expansions, "a run that was closed opens again"


def test_each_query_is_answered_by_itself_however_many_came_before(run: Run) -> None:
    run.close()
    run.expand("red sofa")
    after_another = run.look_up("walnut desk lamp")
    run.close()
    alone = run.look_up("walnut desk lamp")
    assert after_another == alone
    assert run.look_up("red sofa").before != alone.before
    assert run.look_up("red sofa").shown != alone.shown


def test_bad_arguments_are_the_command_lines_errors(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"Unknown backend 'memroy'. Did you mean 'memory'\?"):
        leser.train(task="demo", backend="memroy", out=tmp_path / "run")
    with pytest.raises(LeserError, match="stpes"):
        leser.train(task="demo", backend="memory", out=tmp_path / "run", options={"training.stpes": 3})
    with pytest.raises(LeserError, match="No run at"):
        leser.open_run(tmp_path / "nothing")
    with pytest.raises(LeserError, match="indx"):
        leser.search(backend="memory", task="demo", options={"indx": "x"})
    assert not (tmp_path / "run").exists()
