"""The run folder survives a kill at any moment, and never mixes two runs."""

import io
import json
import sys

import click
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from leser.cli.main import _exit_with
from leser.config.build import complete
from leser.config.load import config_of
from leser.errors import LeserError
from leser.plugins import load_plugins
from leser.progress import Reporter
from leser.store.checkpoint import latest_checkpoint, load_weights, prune, save_checkpoint
from leser.store.folder import RunFolder
from leser.store.resume import differences, known_to


def test_a_folder_that_holds_a_run_is_only_taken_up_with_resume(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create("seed = 1\n", resume=False)
    with pytest.raises(LeserError, match="--resume"):
        folder.create("seed = 1\n", resume=False)
    folder.create("seed = 1\n", resume=True)
    with pytest.raises(LeserError, match=r"seed, training\.steps differ"):
        folder.create("seed = 2\n[training]\nsteps = 5\n", resume=True)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(LeserError, match="holds no run"):
        RunFolder(tmp_path).create("seed = 1\n", resume=False)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_where_a_run_writes_may_differ_between_its_parts():
    assert differences('out = "a"\n[x]\ny = 1\n', 'out = "b"\n[x]\ny = 1\n') == ([], [])
    assert differences("[x]\ny = 1\n", "[x]\ny = 1\nz = 2\n") == (["x.z"], [])


def test_a_rule_without_options_is_noticed():
    assert differences("[rules]\n", "[rules.no-glitter]\n")[0] == ["rules", "rules.no-glitter"]
    assert differences("[rules.no-glitter]\n", "seed = 1\n")[0] == ["rules.no-glitter", "seed"]
    assert differences("seed = 1\n", "seed = 1\n[rules.count]\nmost = 4\n")[0] == ["rules.count"]


def test_a_run_of_an_older_version_is_taken_up_and_what_is_gone_is_named(tmp_path):
    registry = load_plugins()
    values = {"backend": {"name": "memory"}, "seed": 3, "rules": {"count": {"most": 4}}}
    now = complete(config_of(values), registry).resolved()
    folder, known = RunFolder(tmp_path / "run"), known_to(registry)

    def older(*changes):
        text = now
        for line, other in changes:
            assert line in text
            text = text.replace(line, other, 1)
        folder.config_path.parent.mkdir(exist_ok=True)
        folder.config_path.write_text(text)

    steps = next(line for line in now.splitlines() if line.startswith("steps ="))
    k1 = next(line for line in now.splitlines() if line.startswith("k1 ="))
    older((steps + "\n", ""), (k1 + "\n", ""))  # that version knew neither option
    folder.create(now, resume=True, known=known)
    other = complete(config_of({**values, "training": {"steps": 7}}), registry).resolved()
    with pytest.raises(LeserError, match=r"changed configuration: training\.steps differ"):
        folder.create(other, resume=True, known=known)
    older((steps, steps + "\nwarp = 3"), (k1, k1 + "\nsharpness = 0.5"))
    with pytest.raises(LeserError, match=r"another version of LESER.*no backend\.sharpness, training\.warp of"):
        folder.create(now, resume=True, known=known)
    older(("[rules.count]", "[rules.gone]"))
    with pytest.raises(LeserError, match=r"another version of LESER.*no rules\.gone of"):
        folder.create(now, resume=True, known=known)
    older()
    unruly = complete(config_of({**values, "rules": {}}), registry).resolved()
    with pytest.raises(LeserError, match=r"changed configuration: rules\.count differ"):
        folder.create(unruly, resume=True, known=known)
    elsewhere = complete(config_of({**values, "backend": {"name": "pyserini", "index": "x"}}), registry).resolved()
    with pytest.raises(LeserError, match=r"changed configuration: backend\."):
        folder.create(elsewhere, resume=True, known=known)


def test_metrics_and_rollouts_are_cut_back_to_the_checkpoint(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create("seed = 1\n", resume=False)
    folder.log({"step": 1, "reward": 0.5})
    folder.write_rollouts(1, 1, [{"step": 1, "query": "a"}])
    mark = folder.mark()
    folder.log({"step": 2, "reward": float("nan")})
    folder.write_rollouts(2, 2, [{"step": 2, "query": "b"}])
    (folder.rollouts / "steps-000003-000003.parquet.part").write_bytes(b"half")
    assert folder.metrics()[1]["reward"] is None  # JSON has no NaN
    folder.cut_back(mark, 1)
    assert folder.metrics() == [{"step": 1, "reward": 0.5}]
    assert [p.name for p in folder.rollouts.iterdir()] == ["steps-000001-000001.parquet"]
    assert pq.read_table(folder.rollouts / "steps-000001-000001.parquet").to_pylist() == [{"step": 1, "query": "a"}]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.create("seed = 1\n", resume=False)
    folder.log({"step": 1})
    with folder.metrics_path.open("a") as file:
        file.write('{"step": 2, "rew')
    assert folder.metrics() == [{"step": 1}]


def trained(steps):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for step in range(steps):
        optimizer.zero_grad()
        model(torch.full((2, 4), float(step + 1))).square().sum().backward()
        optimizer.step()
    return model, optimizer


def test_weights_and_moments_come_back_bit_for_bit(tmp_path):
    model, optimizer = trained(3)
    save_checkpoint(tmp_path, "step-3", {"update": 3}, model, optimizer)
    other, other_optimizer = trained(0)
    load_weights(tmp_path / "step-3", other, other_optimizer)
    for m, o in ((model, optimizer), (other, other_optimizer)):
        o.zero_grad()
        m(torch.ones(2, 4)).square().sum().backward()
        o.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    for step in (1, 2, 10):
        model, optimizer = trained(step)
        save_checkpoint(tmp_path, f"step-{step}", {"update": step}, model, optimizer)
    weights = tmp_path / "step-10" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    said = []
    checkpoint, state = latest_checkpoint(tmp_path, said.append)
    assert (checkpoint.name, state) == ("step-2", {"update": 2})
    assert "step-10 is damaged: model.safetensors" in said[0]
    (tmp_path / "step-2" / "state.json").write_text(json.dumps({})[:-1])
    checkpoint, state = latest_checkpoint(tmp_path, said.append)
    assert checkpoint.name == "step-1"


def test_the_last_ones_and_the_best_are_kept(tmp_path):
    for step in (2, 9, 10, 11):
        model, _ = trained(0)
        save_checkpoint(tmp_path, f"step-{step}", {}, model, None)
    prune(tmp_path, 2, "step-2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-10", "step-11", "step-2"]


def test_what_a_reporter_says_cannot_drive_the_terminal():
    out = io.StringIO()
    reporter = Reporter(Console(file=out, width=80))
    reporter.say("index: \x1b]0;owned\x07shop\n  system    nDCG\r")
    reporter.warn("query '\x1b[2Jcouch\u202e' failed")
    assert out.getvalue() == "index: ]0;ownedshop\n  system    nDCG\nWARNING: query '[2Jcouch' failed\n"


def test_an_error_cannot_drive_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["leser"])

    def fails():
        raise LeserError("The engine said: \x1b[31mno\x07.\n  Ask it again.")

    with pytest.raises(SystemExit) as end:
        _exit_with(click.Command("leser", callback=fails), "leser")
    assert end.value.code == 2
    assert capsys.readouterr().err == "Error: The engine said: [31mno.\n  Ask it again.\n"
