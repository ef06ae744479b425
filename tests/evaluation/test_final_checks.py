"""What only the final evaluation uses is checked before the training; what fails there all the same costs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bad_input import run_cli, shop, tables, write

from leser.config.build import complete
from leser.config.load import config_of
from leser.errors import EngineDown, LeserError
from leser.evaluation.trec import check_ids, run_files
from leser.plugins import Registry, load_plugins
from leser.run.checks import check_final
from leser.run.final_evaluation import baseline_runs, depth_of
from leser.session import Session, open_session

PLUGIN = """
from leser.errors import EngineDown
from leser.baseline import Baseline
from leser.hooks import hookimpl
from leser.reward import Reward

class Broken(Baseline):
    '''Fails when it is asked about test.'''
    name = "broken"
    def terms(self, queries): return [()] * (len(queries) - 1)

class Untuned(Baseline):
    '''Leaves every query alone.'''
    name = "untuned"
    def terms(self, queries): return [()] * len(queries)

class Away(Baseline):
    '''Meets an engine that is down.'''
    name = "away"
    def fit(self, context): raise EngineDown("the engine is away")
    def terms(self, queries): return [()] * len(queries)

class Keyed(Baseline):
    '''Cannot be made.'''
    name = "keyed"
    def __init__(self, options=None): raise KeyError("SYNONYMS")
    def terms(self, queries): return [()] * len(queries)

class Impostor(Baseline):
    '''Has the name of the policy.'''
    name = "leser"
    def terms(self, queries): return [()] * len(queries)

class Steps(Reward):
    '''Reads each expansion's own ranking.'''
    name = "steps"
    requires = frozenset({"per_expansion"})
    def score(self, outcomes): return [0.5] * len(outcomes)

@hookimpl
def leser_baselines(): return [Broken, Untuned, Away, Keyed, Impostor]

@hookimpl
def leser_rewards(): return [Steps]
"""


def dry_run(tmp_path: Path, *more: str) -> tuple[int, str]:
    write(tmp_path / "shop", shop({}))
    write(tmp_path, {"mine.py": PLUGIN})
    usual = [
        "--task",
        str(tmp_path / "shop"),
        "--backend",
        "memory",
        "--plugin",
        str(tmp_path / "mine.py"),
        "--dry-run",
    ]
    code, _, said = run_cli([*usual, *more])
    assert "Traceback" not in said
    return code, said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["-o", 'evaluation.baselines=["keyed"]'],
            "Baseline 'keyed' (leser_plugin_mine.Keyed): __init__() raised KeyError",
        ),
        (
            ["-o", 'evaluation.baselines=["leser"]'],
            "has the name 'leser', which LESER uses itself",
        ),
        (["--reward", "steps"], "Baselines are tuned on searches alone, and steps need more. Add e.g. nDCG@10."),
        (["-o", "evaluation.resamples=10000000"], "resamples: Input should be less than or equal to 1000000"),
    ],
    ids=["cannot be made", "a name that is taken", "nothing to tune on", "resamples without end"],
)
def test_an_evaluation_that_could_not_work_is_refused_before_training(
    tmp_path: Path, given: list[str], said: str
) -> None:
    code, answer = dry_run(tmp_path, *given)
    assert (code, said in answer) == (2, True), answer


@pytest.mark.parametrize(
    "given",
    [
        ["--reward", "steps", "-o", 'evaluation.baselines=["original", "untuned"]'],
        ["-o", 'evaluation.baselines=["original", "original"]'],
        ["-o", "evaluation.baselines=[]"],
    ],
    ids=["a baseline that is not tuned", "a name given twice", "no baseline"],
)
def test_what_works_is_not_refused(tmp_path: Path, given: list[str]) -> None:
    code, answer = dry_run(tmp_path, *given)
    assert code == 0, answer


def world(tmp_path: Path, **evaluation: Any) -> tuple[Any, Registry, Session]:
    write(tmp_path, {"mine.py": PLUGIN})
    given = tables(tmp_path)
    given["evaluation"] = {**given["evaluation"], **evaluation}
    registry = load_plugins([tmp_path / "mine.py"])
    config = complete(config_of(given), registry)
    return config, registry, open_session(config, registry)


def test_a_baseline_that_fails_is_left_out_and_named(tmp_path: Path) -> None:
    _, _, session = world(tmp_path, baselines=["broken", "original"])
    told: list[str] = []
    with session.client:
        check_final(session, session.task.test)
        runs = baseline_runs(session, session.task.test, told.append)
    assert [run.name for run in runs] == ["original"]
    assert len(told) == 1
    assert told[0].startswith("The system 'broken' failed and is left out of the evaluation. Baseline 'broken'")


def test_an_engine_that_is_down_is_no_failure_of_a_baseline(tmp_path: Path) -> None:
    """It ends the run, which --resume goes on from: the baseline is not lost."""
    _, _, session = world(tmp_path, baselines=["away", "original"])
    with session.client, pytest.raises(EngineDown):
        baseline_runs(session, session.task.test, print)


def test_rankings_are_as_deep_as_the_measures_look(tmp_path: Path) -> None:
    _, _, session = world(tmp_path, measures=["nDCG@10", "R@1000"])
    asked: list[int] = []
    search = session.client.backend.search
    session.client.backend.search = lambda queries, k, **more: asked.append(k) or search(queries, k, **more)  # type: ignore
    with session.client:
        assert depth_of(session, session.task.test) == 1000
        baseline_runs(session, session.task.test, print)
    assert max(asked) == 1000


def test_names_and_ids_that_a_trec_run_cannot_tell_apart() -> None:
    assert run_files(["a b", "c"]) == ["a_b.run", "c.run"]
    with pytest.raises(LeserError, match=r"Two systems would write a_b\.run: 'a b' and 'a_b'"):
        run_files(["a b", "a_b"])
    check_ids("query", ["q 1", "q2"])
    with pytest.raises(LeserError, match="The query ids 'q%201' and 'q 1' are one in a TREC run"):
        check_ids("query", ["q 1", "q%201"])
