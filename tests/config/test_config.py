"""The configuration: a file and flags laid over it, checked before anything is loaded, printed without secrets."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from leser.config.build import complete
from leser.config.load import config_of, load_config
from leser.config.tables import RunConfig
from leser.errors import LeserError
from leser.options import secret
from leser.plugins import load_plugins

FILE = """
seed = 7
[task]
name = "demo"
seed = 3
[backend]
name = "memory"
k1 = 1.2
[training]
steps = 5
[rewards]
weights = ["nDCG@10"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(FILE)
    return path


def test_bare_means_the_demo_task(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(None, {"backend.name": "elasticsearch"})
    assert (config.task.name, config.backend.name, config.backend.options) == ("demo", "elasticsearch", {})
    assert config.out == Path("runs/demo-elasticsearch-tiny-seed1")


def test_a_table_of_a_plugin_holds_its_options_beside_the_name(file: Path) -> None:
    config = load_config(file)
    assert (config.seed, config.task.options, config.backend.options) == (7, {"seed": 3}, {"k1": 1.2})


def test_flags_override_the_file(file: Path) -> None:
    config = load_config(
        file, {"seed": 9, "training.steps": 8}, ["k1=0.8", "b=0.1", "task.seed=4", "policy.lora_rank=2"]
    )
    assert (config.seed, config.training.steps, config.policy.lora_rank) == (9, 8, 2)
    assert config.backend.options == {"k1": "0.8", "b": "0.1"}
    assert config.task.options == {"seed": "4"}


def test_another_plugin_by_flag_does_not_inherit_the_files_options(file: Path) -> None:
    config = load_config(file, {"backend.name": "pyserini", "task.name": "demo"})
    assert config.backend.options == {}
    assert config.task.options == {"seed": 3}


def test_the_default_plugin_by_flag_keeps_the_options_of_a_table_that_names_none(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[backend]\nindex = "mine"\n[task]\nseed = 3\n')
    config = load_config(path, {"backend.name": "pyserini", "task.name": "demo"})
    assert (config.backend.options, config.task.options) == ({"index": "mine"}, {"seed": 3})
    other = load_config(path, {"backend.name": "memory", "task.name": "catalogue"})
    assert (other.backend.options, other.task.options) == ({}, {})
    profile = tmp_path / "site.toml"
    profile.write_text('[platform]\nname = "site"\n[backend]\nindex = "theirs"\n')
    path.write_text('[backend]\nname = "pyserini"\n')
    assert load_config(path, platform=profile).backend.options == {"index": "theirs"}


def test_plugin_files_of_flags_are_added_to_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, profile = tmp_path / "run.toml", tmp_path / "sites" / "site.toml"
    path.write_text('plugins = ["own.py"]\n')
    files = (Path("more.py"), Path("own.py"), Path("more.py"))
    assert load_config(path, {"plugins": files}).plugins == (Path("own.py"), Path("more.py"))
    profile.parent.mkdir()
    profile.write_text('plugins = ["its.py"]\n[platform]\nname = "site"\n')
    flags = {"plugins": (Path("more.py"), Path("sites/its.py"))}
    assert load_config(None, flags, platform=Path("sites/site.toml")).plugins == (Path("sites/its.py"), Path("more.py"))


def test_a_key_without_a_dot_is_always_the_backends() -> None:
    assert load_config(None, {}, ["seed=3"]).backend.options == {"seed": "3"}
    assert load_config(None, {}, ["fields.title=2"]).backend.options == {"fields": {"title": "2"}}


def test_lists_on_the_command_line_are_toml() -> None:
    config = load_config(None, {}, ['rewards.weights=["P@5", "R@100=0.5"]'])
    assert config.rewards.weights == ("P@5", "R@100=0.5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = = 1", r"run\.toml is not valid TOML: .*line 1"),
        ("sead = 1", "Unknown option 'sead' of the configuration. Did you mean 'seed'"),
        ("[training]\nstep = 1", r"Unknown option 'step' of \[training\]. Did you mean 'steps'"),
        ("[training]\nsteps = -1", r"(?s)Bad options of \[training\].*steps: .*got -1"),
        ("policy = 'tiny'", r"\[policy\] must be a table"),
    ],
)
def test_mistakes_in_the_file_name_the_table_and_the_option(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(LeserError, match=message):
        load_config(path)


def test_a_missing_file_and_a_malformed_assignment(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"none\.toml cannot be read"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(LeserError, match=r"Invalid -o index. Expected KEY=VALUE"):
        load_config(None, {}, ["index"])
    with pytest.raises(LeserError, match=r"Cannot set training\.steps\.many: steps is not a table"):
        load_config(None, {"training.steps": 3}, ["training.steps.many=1"])


def test_plugin_options_are_checked_before_anything_is_opened(file: Path) -> None:
    registry = load_plugins()
    with pytest.raises(LeserError, match="Unknown option 'kk' of backend 'memory'"):
        complete(load_config(file, {}, ["kk=1"]), registry)
    with pytest.raises(LeserError, match=r"(?s)Bad options of backend 'memory'.*k1.*got 'many'"):
        complete(load_config(file, {}, ["k1=many"]), registry)
    with pytest.raises(LeserError, match=r"Unknown backend 'memry'. Did you mean 'memory'"):
        complete(load_config(file, {"backend.name": "memry"}), registry)
    with pytest.raises(LeserError, match="Unknown option 'sead' of task 'demo'"):
        complete(load_config(file, {}, ["task.sead=1"]), registry)


def test_the_resolved_configuration_reads_back_as_itself(file: Path, tmp_path: Path) -> None:
    registry = load_plugins()
    config = complete(load_config(file, {"resume": True, "out": str(tmp_path / "run")}, ["b=0.1"]), registry)
    again = tmp_path / "resolved.toml"
    again.write_text(config.resolved())
    read = complete(load_config(again), registry)
    assert read.resolved() == config.resolved()
    assert config.resume
    assert not read.resume, "how a run was started is no part of what it is"
    assert tomllib.loads(config.resolved())["backend"]["b"] == 0.1
    assert read.model_copy(update={"resume": True}) == config


def test_secrets_are_names_and_credentials_in_urls_are_cut_out(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        "acme-search",
        "1.0",
        "acme",
        "from leser.backend import Backend, BackendOptions\nfrom leser.hooks import hookimpl\n"
        "class Engine(Backend):\n    '''Engine.'''\n    name = 'acme'\n"
        "    class Options(BackendOptions):\n        url: str = ''\n        api_key_env: str = 'ACME_KEY'\n"
        "    def search(self, queries, k, *, total=False): return []\n    def fetch(self, ids, fields): return {}\n"
        "@hookimpl\ndef leser_backends(): return [Engine]\n",
    )
    monkeypatch.setenv("ACME_KEY", "hunter2-from-the-environment")
    config = complete(
        load_config(None, {"backend.name": "acme"}, ["url=https://me:hunter3@host:9200/x"]), load_plugins()
    )
    text = config.resolved()
    assert "hunter" not in text
    assert "me:" not in text
    assert "ACME_KEY" in text
    assert "https://***@host:9200/x" in text


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_a_line_break_after_a_secret_is_not_part_of_it(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setenv("ACME_KEY", f"hunter2 pass{ending}")
    assert secret("ACME_KEY", "api_key_env") == "hunter2 pass"


@pytest.mark.parametrize(
    "value", ["hunter2\nX-More: 1", "\thunter2", "hunter2\x7f", "hunter2\x85", "hunter2\u2013", "\n"]
)
def test_a_secret_that_no_header_can_carry_is_refused_by_its_variables_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ACME_KEY", value)
    with pytest.raises(LeserError, match=r"named by api_key_env \(now ACME_KEY\)") as caught:
        secret("ACME_KEY", "api_key_env")
    assert "hunter2" not in str(caught.value)


def test_every_option_says_what_it_is() -> None:
    for name, field in RunConfig.model_fields.items():
        model = field.annotation
        if not isinstance(model, type) or not hasattr(model, "model_fields"):
            assert field.description, name
            continue
        for option, inner in model.model_fields.items():
            assert inner.description or option == "name", f"{name}.{option} has no description"


def test_tables_are_validated_as_a_whole_too() -> None:
    with pytest.raises(LeserError, match="the configuration"):
        config_of({"seed": "many"})


def test_the_reference_page_is_what_the_options_say() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "reference.py"))["page"]
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == page(load_plugins()), "options changed: run `make docs`"
