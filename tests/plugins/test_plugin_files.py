"""Plugin files and observers: what a third party's module may do when it is imported, and what it may not."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from leser.errors import LeserError
from leser.plugins import load_plugins

Install = Callable[..., Path]
RULE = """
from leser.hooks import hookimpl
from leser.rule import Rule
{extra}

class Ours(Rule):
    '''A rule of ours.'''
    name = "{name}"
    word = {word}
    def check(self, proposal): return None

@hookimpl
def leser_rules(): return [Ours]
"""


def rule(name: str, extra: str = "", word: str = "''") -> str:
    return RULE.format(name=name, extra=extra, word=word)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_module_beside_a_plugin_file_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path / "shop_words.py", "WORD = 'gun'\n")
    write(tmp_path / "shop_lists" / "__init__.py", "WORDS = ['rifle']\n")
    extra = "from shop_words import WORD\nfrom shop_lists import WORDS\n"
    file = write(tmp_path / "ours.py", rule("ours", extra, "[WORD, *WORDS]"))
    assert load_plugins([file]).get("rule", "ours").word == ["gun", "rifle"]


def test_a_module_beside_a_plugin_file_can_be_imported_when_it_is_first_needed(tmp_path: Path) -> None:
    write(tmp_path / "late_words.py", "WORD = 'gun'\n")
    lazily = "def late():\n    from late_words import WORD\n    return WORD\n"
    file = write(tmp_path / "ours.py", rule("ours", lazily, "staticmethod(late)"))
    assert load_plugins([file]).get("rule", "ours").word() == "gun"


def test_two_files_of_one_base_name_both_load_each_with_its_own_modules(tmp_path: Path) -> None:
    files = []
    for shop in ("us", "de"):
        write(tmp_path / shop / "site_words.py", f"WORD = '{shop}'\n")
        files.append(write(tmp_path / shop / "mine.py", rule(f"ours-{shop}", "from site_words import WORD", "WORD")))
    registry = load_plugins(files)
    assert [registry.get("rule", f"ours-{shop}").word for shop in ("us", "de")] == ["us", "de"]
    modules = [registry.get("rule", f"ours-{shop}").__module__ for shop in ("us", "de")]
    assert modules == ["leser_plugin_mine", "leser_plugin_mine_2"]
    origins = [offer.origin.distribution for offer in registry.offers() if offer.name.startswith("ours-")]
    assert sorted(origins) == sorted(f"--plugin {file}" for file in files)
    with pytest.raises(LeserError, match=r"'ours-us' is offered twice"):
        load_plugins([files[0], write(tmp_path / "third" / "mine.py", rule("ours-us"))]).get("rule", "ours-us")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys\nsys.exit(3)", r"it ends the process with 3 \(sys\.exit\)\. A plugin must not"),
        ("raise SystemExit", r"it ends the process \(sys\.exit\)"),
        ("class Stop(BaseException): pass\nraise Stop('no licence')", r"Stop: no licence"),
        ("1 / 0", r"ZeroDivisionError"),
    ],
)
def test_a_module_that_exits_is_told_and_costs_only_itself(
    install: Install, tmp_path: Path, code: str, said: str
) -> None:
    with pytest.raises(LeserError, match=said):
        load_plugins([write(tmp_path / "exits.py", code)])
    install("acme-search", "2.3", "acme_exits", code)
    registry = load_plugins([write(tmp_path / "ours.py", rule("ours"))])
    assert registry.get("rule", "ours")
    with pytest.raises(
        LeserError, match=rf"(?s)Unknown backend 'acme'.*acme_exits \(acme-search 2.3\): broken: {said}"
    ):
        registry.get("backend", "acme")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("return None", r"leser_rules\(\) must return a list of classes, it returned None"),
        ("return Ours", r"must return a list of classes, it returned <class"),
        ("return 'Ours'", r"it returned 'Ours'"),
        ("yield Ours", r"it returned <generator"),
        ("raise SystemExit(1)", r"it ends the process with 1"),
        ("return [Ours()]", r"it holds|Can't instantiate|missing"),
    ],
)
def test_a_hook_that_returns_no_list_of_classes_is_told(tmp_path: Path, answer: str, said: str) -> None:
    file = write(tmp_path / "ours.py", rule("ours").replace("return [Ours]", answer))
    with pytest.raises(LeserError, match=rf"(?s)Unknown rule 'ours'.*--plugin ours\.py.*{said}"):
        load_plugins([file]).get("rule", "ours")


def test_a_hook_with_a_parameter_that_there_is_not_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "ours.py", rule("ours").replace("leser_rules()", "leser_rules(run)"))
    with pytest.raises(LeserError, match=r"ours\.py cannot be used: .*leser_rules"):
        load_plugins([file])


def test_an_observer_that_raises_is_reported_once_and_the_others_are_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "from leser.hooks import hookimpl\nseen = []\n"
        "@hookimpl\ndef leser_step(metrics):\n    seen.append(metrics.pop('step'))\n    {end}\n"
        "@hookimpl\ndef leser_run_started(run): seen.append(run)\n"
    )
    ends = {"raises": "raise KeyError('dashboard')", "exits": "raise SystemExit(1)", "fine": "return None"}
    files = [write(tmp_path / f"{name}.py", code.format(end=end)) for name, end in ends.items()]
    registry = load_plugins(files)
    row = {"step": 1}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            registry.notify("leser_step", metrics=row)
    registry.notify("leser_run_started", run="folder")
    for name in ends:
        assert sys.modules[f"leser_plugin_{name}"].seen == [1, 1, 1, "folder"]
    assert row == {"step": 1}, "what an observer does to its row is its own affair"
    assert caplog.text.count("raises.py of --plugin raises.py failed in leser_step(): KeyError: 'dashboard'") == 1
    assert caplog.text.count("exits.py of --plugin exits.py failed in leser_step(): it ends the process") == 1
