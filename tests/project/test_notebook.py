"""The notebook as it is kept: executed without an error, with its pictures, by the public names alone."""

from __future__ import annotations

import ast
import base64
import builtins
import json
import re
from typing import Any

import pytest
from places import ROOT

import leser

FILE = ROOT / "examples" / "notebook" / "leser.ipynb"
TEXT = FILE.read_text(encoding="utf-8")
CELLS: list[dict[str, Any]] = json.loads(TEXT)["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]
OUTPUTS = [output for cell in CODE for output in cell["outputs"]]
IMPORTED = {"leser", "matplotlib.pyplot"}


def text_of(value: str | list[str]) -> str:
    """A text of the format, which may be kept as lines."""
    return value if isinstance(value, str) else "".join(value)


def test_every_cell_ran_in_order_and_without_an_error() -> None:
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert {output["output_type"] for output in OUTPUTS} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in OUTPUTS if output.get("name") == "stderr"]


def test_its_pictures_and_tables_are_in_it() -> None:
    data = [output["data"] for output in OUTPUTS if "data" in output]
    pictures = [base64.b64decode(text_of(kinds["image/png"])) for kinds in data if "image/png" in kinds]
    assert len(pictures) >= 2
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 5000 for picture in pictures)
    tables = [text_of(kinds["text/html"]) for kinds in data if "<table>" in text_of(kinds.get("text/html", ""))]
    assert len(tables) == 2  # the run and its evaluation


def test_it_names_no_path_of_a_machine() -> None:
    assert re.findall(r"(?<![\w.:/<])/(?:[\w.-]+/)+[\w.-]+", re.sub(r'"image/png": "[^"]*"', "", TEXT)) == []


@pytest.mark.parametrize("cell", CODE, ids=lambda cell: f"cell {cell['execution_count']}")
def test_its_code_uses_public_names_alone(cell: dict[str, Any]) -> None:
    tree = ast.parse(text_of(cell["source"]))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.ImportFrom)
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= IMPORTED
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "leser":
                assert node.attr in leser.__all__


def test_every_name_in_it_is_defined_by_it() -> None:
    code = ast.parse("\n".join(text_of(cell["source"]) for cell in CODE))
    names = [node for node in ast.walk(code) if isinstance(node, ast.Name)]
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    imported = {alias.asname or alias.name for n in ast.walk(code) if isinstance(n, ast.Import) for alias in n.names}
    assert {name.id for name in names} - stored - imported - set(dir(builtins)) == set()


def test_what_its_text_says_of_the_run_is_what_it_shows() -> None:
    shown = "".join(text_of(o.get("text", "")) + text_of(o.get("data", {}).get("text/plain", "")) for o in OUTPUTS)
    assert "the original query 0.349" in shown
    assert re.search(r"gain \+0\.\d+, 95 % interval \[\+", shown), "the policy of the notebook learned something"
