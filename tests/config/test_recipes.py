"""Recipes are whole configurations by name: each is valid, says what it is for, and lies under everything that is given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bad_input import run_cli, shop, write
from places import ROOT

from leser.cli.main import group
from leser.config.load import load_config
from leser.config.tables import RunConfig
from leser.errors import LeserError
from leser.recipes import recipe, recipe_texts

NAMES = list(recipe_texts())


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_a_configuration_without_task_and_engine(name: str) -> None:
    tables = recipe(name)
    assert not {"task", "backend", "seed", "out"} & set(tables), "these are the user's"
    found = load_config(flags={"recipe": name})
    for table, values in tables.items():
        given = getattr(found, table).model_dump()
        for key, value in values.items():
            if not isinstance(value, dict):
                kept = list(given[key]) if isinstance(given[key], tuple) else given[key]
                assert kept == value, f"{table}.{key}"
    assert found != RunConfig()


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_with_what_it_is_for_and_what_it_brought(name: str) -> None:
    first, second = recipe_texts()[name].splitlines()[:2]
    assert first.startswith("# ")
    assert second.startswith("# ")
    assert re.search(r"[+-]\.\d{3} \[[^]]+\]", first + second), "a figure with its interval"


def test_everything_that_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[prompt]\nnearest = 20\n")
    found = load_config(
        tmp_path / "run.toml",
        {"recipe": "encoder", "preset": "rloo", "rewards.weights": ["encoder@20"], "grpo.group_size": 4},
        ["prompt.terms=3"],
    )
    assert (found.prompt.nearest, found.prompt.terms, found.expansion.max_expansions) == (20, 3, 5)
    assert found.rewards.weights == ("encoder@20",)
    assert (found.grpo.baseline, found.grpo.group_size) == ("leave_one_out", 4)


def test_a_preset_lies_over_a_recipe() -> None:
    found = load_config(flags={"recipe": "judgments", "preset": "rloo"}).grpo
    assert (found.epochs_per_batch, found.credit) == (1, "prefix"), "rloo's updates, the recipe's credit"


def test_help_names_every_recipe() -> None:
    command = group.get_command(None, "run")  # type: ignore[arg-type]
    assert command is not None
    said = next(option.help for option in command.params if option.name == "recipe")
    assert set(NAMES) <= set(re.findall(r"[\w-]+", said))


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_it(name: str) -> None:
    assert f"## `{name}`" in (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(LeserError, match=r"Unknown recipe 'encodr'\. Did you mean 'encoder'"):
        load_config(flags={"recipe": "encodr"})


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_lets_it_through(name: str, tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    given = [
        "--recipe",
        name,
        "-o",
        'evaluation.baselines=["original"]',
        "--backend",
        "memory",
        "--task",
        str(tmp_path / "shop"),
        "--out",
        str(tmp_path / "run"),
    ]
    code, printed, said = run_cli([*given, "--dry-run"])
    assert code == 0, said
    assert f'name = "{recipe(name)["policy"]["name"]}"' in printed


def test_options_of_a_caller_are_not_changed() -> None:
    tiny = {"layers": 2}
    found = load_config(options={"policy.tiny": tiny, "policy.tiny.heads": 8})
    assert (found.policy.tiny.layers, found.policy.tiny.heads) == (2, 8)
    assert tiny == {"layers": 2}
