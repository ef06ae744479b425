"""Looking into a run that was made: report, evaluate, expand and rollouts, on a real run of seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from inspected_runs import leser, refused, said
from loaded_modules import HEAVY, modules_after

from leser.inspect.answers import answers_for
from leser.inspect.opening import open_finished
from leser.inspect.rollouts import find_rollouts
from leser.report.answers import read_answers

ESCAPE = "\x1b[31m\u202e"


def test_help_loads_nothing_heavy() -> None:
    for name in ("report", "evaluate", "expand", "rollouts"):
        assert not modules_after(name, "--help") & {*HEAVY, "numpy", "leser.plugins", "leser.report"}, name


def test_a_report_is_written_again_word_for_word(run: Path) -> None:
    before = (run / "report.html").read_text(encoding="utf-8")
    (run / "report.html").unlink()
    assert said("report", run) == f"Report: {run / 'report.html'}\n"
    assert (run / "report.html").read_text(encoding="utf-8") == before


def test_a_run_that_saved_no_answers_is_reported_from_its_rankings(run: Path) -> None:
    saved = read_answers(run / "answers.jsonl")
    (run / "answers.jsonl").unlink()
    rebuilt, note = answers_for(open_finished(run))
    assert "did not save what the policy wrote" in note
    for old, new in zip(saved, rebuilt, strict=True):
        assert (old.id, old.query, old.kind, old.found) == (new.id, new.query, new.kind, new.found)
        assert new.values == {name: pytest.approx(old.values[name]) for name in ("original", "leser")}
        assert (old.before, old.after) == (new.before, new.after)
        assert new.expansions is None
    said("report", run)
    assert "did not save what the policy wrote" in (run / "report.html").read_text(encoding="utf-8")


def test_a_report_without_its_task_says_why_queries_are_missing(run: Path) -> None:
    (run / "answers.jsonl").unlink()
    config = run / "config.toml"
    config.write_text(config.read_text().replace("inspected/task", "inspected/nowhere"))
    said("report", run)
    assert "Single queries cannot be shown" in (run / "report.html").read_text(encoding="utf-8")


def test_runs_are_compared_beside_the_first(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    config = other / "config.toml"
    config.write_text(config.read_text().replace("group_size = 4", "group_size = 8"))
    assert said("report", run, other) == f"Report: {tmp_path / 'compare.html'}\n"
    text = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "2 runs" in text
    assert "grpo.group_size" in text
    assert "grpo.learning_rate" not in text  # what is the same is left out
    assert "0 / 12 / 0" in text  # the same policy on the same queries
    assert said("report", run, other, "--out", tmp_path / "mine.html").strip().endswith("mine.html")
    assert "named twice" in refused("report", run, run)
    assert "cannot be written" in refused("report", run, "--out", tmp_path / "no" / "folder.html")


def test_the_same_engine_gives_the_same_figures_and_leaves_the_evaluation_alone(run: Path) -> None:
    own = (run / "evaluation.json").read_bytes()
    text = said("evaluate", run)
    assert "Test, 12 queries, backend memory:" in text
    assert "leser's gain over it, 95 % interval" in text
    again = json.loads((run / "evaluation-memory-test.json").read_text())
    for name in ("original", "dictionary", "leser"):
        assert again["systems"][name]["nDCG@10"] == pytest.approx(json.loads(own)["systems"][name]["nDCG@10"])
    assert again["made"]["versions"]["leser"]
    assert (run / "evaluation.json").read_bytes() == own


def test_another_split_engine_setting_and_name(run: Path) -> None:
    text = said(
        "evaluate", run, "--split", "dev", "-o", "k1=2.5", "-o", "evaluation.baselines=['original']", "--name", "../x"
    )
    assert "Dev, 8 queries" in text
    again = json.loads((run / "evaluation-x.json").read_text())
    assert set(again["systems"]) == {"original", "leser"}
    assert again["backend"]["k1"] == 2.5
    assert "is not a valid file name" in refused("evaluate", run, "--name", "..")
    assert "Unknown backend 'memry'" in refused("evaluate", run, "--backend", "memry")


def test_a_query_is_expanded_with_both_lists(run: Path) -> None:
    query = read_answers(run / "answers.jsonl")[0].query
    text = said("expand", run, query, "-n", "3")
    assert f"query       {query}" in text
    for part in ("found ", "wrote ", "original query", "with expansions", "● relevant"):
        assert part in text, part
    assert "  3 " in text
    assert "  4 " not in text


def test_what_a_terminal_would_obey_never_reaches_it(run: Path) -> None:
    text = said("expand", run, f"{ESCAPE}sofa\n\x07")
    assert "query       [31msofa" in text
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert "● relevant" not in text  # nobody judged it
    assert "The query is empty" in refused("expand", run, "  ")


def test_rollouts_come_worst_or_best_first(run: Path) -> None:
    lines = [json.loads(line) for line in said("rollouts", run, "--worst", "5", "--json").splitlines()]
    rewards = [row["reward"] for row in lines]
    assert len(rewards) == 5
    assert rewards == sorted(rewards)
    best = [json.loads(line)["reward"] for line in said("rollouts", run, "--best", "5", "--json").splitlines()]
    assert best == sorted(best, reverse=True)
    assert best[0] >= rewards[-1]
    assert len({(row["query_id"], row["completion"]) for row in lines}) == 5
    everything = find_rollouts(open_finished(run).folder, 1)
    assert everything.matching == sum(everything.codes.values()) == 6 * 4 * 4


def test_rollouts_of_one_code_or_query(run: Path) -> None:
    folder = open_finished(run).folder
    code = next(iter(find_rollouts(folder, 1).codes))
    assert {row["code"] for row in find_rollouts(folder, 9, code=code).rows} == {code}
    query = find_rollouts(folder, 1).rows[0]["query"]
    text = said("rollouts", run, "--query", query.upper())
    assert query in text
    assert "the worst" in text
    assert "0 completions (none match)" in said("rollouts", run, "--query", "no such words")
    assert "Did you mean 'parse_error'" in refused("rollouts", run, "--code", "parse_eror")
    assert leser("rollouts", run, "--worst", "3", "--best", "3").exit_code == 2


def test_what_is_no_run_is_said(tmp_path: Path, run: Path) -> None:
    for command in (("report",), ("evaluate",), ("rollouts",)):
        assert "there is no such folder" in refused(*command, tmp_path / "nowhere")
        assert f"is not a run folder: config.toml is missing. Runs inside it: {run.name}." in refused(
            *command, tmp_path
        )
    assert "there is no such folder" in refused("expand", tmp_path / "nowhere", "sofa")


def test_an_unfinished_run_is_said(run: Path) -> None:
    (run / "evaluation.json").unlink()
    for command in ("report", "evaluate"):
        assert f"has not finished: it holds no evaluation.json. Resume with: leser run --config {run}" in refused(
            command, run
        )
    assert said("rollouts", run, "--worst", "1")  # these may be looked at while the run goes on
    shutil.rmtree(run / "rollouts")
    assert "has no rollouts yet" in refused("rollouts", run)
    shutil.rmtree(run / "policy")
    assert "has saved no policy yet" in refused("expand", run, "sofa")


def test_damaged_files_are_named(run: Path) -> None:
    with (run / "answers.jsonl").open("a") as file:
        file.write("{")
    assert "answers.jsonl, line 13, cannot be read" in refused("report", run)
    (run / "evaluation.json").write_text("[]")
    assert "evaluation.json holds no evaluation" in refused("report", run)
    next((run / "rollouts").glob("*.parquet")).write_bytes(b"PAR1")
    assert ".parquet cannot be read" in refused("rollouts", run)
    (run / "config.toml").write_text("seed =")
    assert "config.toml cannot be read" in refused("report", run)


def test_a_missing_index_is_answered_with_the_command_that_builds_it(run: Path, tmp_path: Path) -> None:
    message = refused("expand", run, "sofa", "--backend", "pyserini", "-o", f"index={tmp_path / 'gone'}")
    assert "Build it with: leser index --backend pyserini" in message


@pytest.mark.parametrize("console", ["cp1252", "ascii"])
def test_a_query_that_the_console_cannot_show_is_expanded(run: Path, console: str) -> None:
    code = "from leser.cli.main import main; main()"
    environment = {
        **os.environ,
        "PYTHONIOENCODING": console,
        "COLUMNS": "120",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUTF8": "1",
    }
    arguments = [sys.executable, "-c", code, "expand", str(run), "sofa 椅子 🛋"]
    done = subprocess.run(arguments, capture_output=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(console)
    assert "query       sofa ?? ?" in shown
    assert "with expansions" in shown
