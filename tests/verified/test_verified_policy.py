"""Verified search over what a policy writes: its samples are candidates, and the engine and the judge decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from settings import small, small_task

import leser
from leser.cli.search_expansions import command
from leser.expansion import ExpansionOptions, ParseError, parse
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.session import open_session
from leser.verified.sampled import PolicyWords

NOTHING_ELSE = ["-o", "verified.spelling=false", "-o", "verified.documents=1", "-o", "verified.min_documents=2"]
"""No word stands in two of one document: what is tried comes from the policy alone."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that says the words its prompt shows, untrained."""
    folder = tmp_path_factory.mktemp("policy")
    task = small_task(folder / "task")
    tables = small(folder / "run", training={"steps": 0, "dev_queries": 4, "max_new_tokens": 40})
    shape = {"d_model": 128, "heads": 4, "kv_heads": 2, "layers": 2, "ffn": 128, "vocabulary": 800, "copying": True}
    leser.train(
        task=task, backend="memory", policy="tiny", out=folder / "run", steps=0,
        options={"policy.tiny": shape, "warmup.enabled": False, "prompt.terms": 5, "evaluation.best_of": 0,
                 "evaluation.prompted": False, "evaluation.resamples": 100, "evaluation.warmup_plus": False,
                 **{f"training.{key}": value for key, value in tables["training"].items()}},
    )  # fmt: skip
    return folder / "run"


def searched(run: Path, out: Path, *more: str) -> Result:
    given = ["--task", str(run.parent / "task"), "--backend", "memory", "--split", "test", "--reward", "nDCG@10"]
    return CliRunner().invoke(command, [*given, "--out", str(out), *NOTHING_ELSE, *more])


def tried(out: Path) -> list[set[str]]:
    rows = [json.loads(line) for line in out.with_name(out.name + ".terms.jsonl").read_text().splitlines()]
    return [{term["text"] for term in row["terms"]} for row in rows if "terms" in row]


def test_words_of_most_answers_come_first(run: Path) -> None:
    folder = open_folder(run)
    session = open_session(*configured(folder))
    with session.client:
        sampler = open_sampler(folder, session)
        queries = session.task.test.queries
        rows = [*sampler.sample(queries, 1, seed=0, step=0, temperature=0.0)]
        sampled = sampler.sample(queries, 4, seed=0, step=0, temperature=1.0)
        words = PolicyWords(sampler, samples=4)
        found = words(queries)
        assert any(found)
        for first, others, own in zip(rows, sampled, found, strict=True):
            read = [
                parse(sampler.policy.decode(a.tokens), ExpansionOptions(), finished=a.finished)
                for a in (*first, *others)
            ]
            said = [{e.text for e in one.expansions} for one in read if not isinstance(one, ParseError)]
            times = [sum(word in answer for answer in said) for word in own]
            assert set(own) == set().union(*said)
            assert times == sorted(times, reverse=True)
        assert found == words(queries)
        assert words([]) == []


def test_the_command_tries_what_a_runs_policy_writes(run: Path, tmp_path: Path) -> None:
    alone, out = tmp_path / "alone.jsonl", tmp_path / "found.jsonl"
    assert searched(run, alone).exit_code == 0
    result = searched(run, out, "--run", str(run))
    assert result.exit_code == 0, result.output
    assert not any(tried(alone))
    assert any(tried(out))
    again = searched(run, out, "--run", str(run), "--samples", "3", "--resume")
    assert again.exit_code != 0, "other samples are another search"


def test_samples_need_a_run(run: Path, tmp_path: Path) -> None:
    result = searched(run, tmp_path / "out.jsonl", "--samples", "2")
    assert result.exit_code == 2
    assert "--samples are a policy's: name its run with --run." in result.output
    result = searched(run, tmp_path / "out.jsonl", "--run", str(tmp_path / "nowhere"))
    assert "No run at" in str(result.exception) + result.output
