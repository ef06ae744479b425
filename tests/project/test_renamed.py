"""Options that have a new name: the old one is an error that gives the new one, wherever it is written."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest
from places import ROOT

from leser.config.load import load_config
from leser.errors import LeserError
from leser.grpo.options import GrpoOptions
from leser.options import Options, validate_options

RENAMED = [("dead_groups", "zero_variance_groups", "count"), ("dead_range", "zero_variance_range", "0.1")]


@pytest.mark.parametrize(("old", "new", "value"), RENAMED)
def test_a_former_name_is_an_error_that_gives_the_new_one(tmp_path: Path, old: str, new: str, value: str) -> None:
    said = rf"The option '{old}' of \[grpo\] has a new name\. Write '{new}'\."
    with pytest.raises(LeserError, match=said):
        load_config(assignments=[f"grpo.{old}={value}"])
    file = tmp_path / "run.toml"
    file.write_text(f'[grpo]\n{old} = "{value}"\n')
    with pytest.raises(LeserError, match=said):
        load_config(file)
    profile = tmp_path / "shop.toml"
    profile.write_text(f'[platform]\nname = "shop"\n[grpo]\n{old} = "{value}"\n')
    with pytest.raises(LeserError, match=rf"(?s)shop\.toml, grpo\.{old}: {said}"):
        load_config(platform=profile)
    assert str(getattr(load_config(assignments=[f"grpo.{new}={value}"]).grpo, new)) == value


def test_every_new_name_is_an_option() -> None:
    assert set(GrpoOptions.renamed.values()) <= set(GrpoOptions.model_fields)
    assert not set(GrpoOptions.renamed) & set(GrpoOptions.model_fields)


def test_a_plugins_options_can_be_renamed_too() -> None:
    class Mine(Options):
        renamed: ClassVar[dict[str, str]] = {"idx": "index"}
        index: str = ""

    with pytest.raises(LeserError, match=r"The option 'idx' of backend 'mine' has a new name\. Write 'index'\."):
        validate_options(Mine, {"idx": "a"}, "backend 'mine'")
    with pytest.raises(LeserError, match=r"Unknown option 'inedx' of backend 'mine'\. Did you mean 'index'\?"):
        validate_options(Mine, {"inedx": "a"}, "backend 'mine'")
    assert validate_options(Mine, {"index": "a"}, "backend 'mine'").model_dump() == {"index": "a"}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or what a module holds."""
    home, _, last = name.rpartition(".")
    try:
        return hasattr(import_module(home), last) or bool(find_spec(name))
    except ModuleNotFoundError:
        return False


def test_the_table_of_changes_leads_from_what_is_gone_to_what_exists() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \|$", text[text.index("| Was | Is |") :], re.MULTILINE)[1:]
    now = [name for _, new in rows for name in re.findall(r"\bleser(?:\.\w+)+", new)]
    former = [name for old, _ in rows for name in re.findall(r"\bleser(?:\.\w+)+", old)]
    assert len(rows) > 15
    assert [name for name in now if not exists(name)] == []
    assert [name for name in former if exists(name)] == ["leser.search"]  # the function
