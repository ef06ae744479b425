"""The command line: what it prints, what it answers, and what it does not load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from loaded_modules import HEAVY, leser, modules_after


def test_help_loads_no_plugin_and_nothing_heavy() -> None:
    loaded = modules_after("--help")
    assert "leser.cli.main" in loaded
    assert not loaded & {
        *HEAVY,
        "pluggy",
        "pydantic",
        "numpy",
        "rich",
        "leser.plugins",
        "leser_memory",
        "leser_pyserini",
    }


def test_listing_plugins_imports_no_engine_and_no_torch() -> None:
    loaded = modules_after("plugins", "--json")
    assert {"leser.plugins", "leser_memory", "leser_pyserini", "leser_relevance"} <= loaded
    assert not loaded & set(HEAVY)


def test_help_of_run_names_every_flag() -> None:
    text = leser("run", "--help").stdout
    flags = (
        "--config --task --backend -o --reward --policy --steps --group-size --queries-per-step --seed --out --plugin "
        "--resume --dry-run"
    )
    assert [flag for flag in flags.split() if flag not in text] == []


def test_plugins_as_json() -> None:
    rows = json.loads(leser("plugins", "--json").stdout)
    assert set(rows[0]) == {"kind", "name", "description", "distribution", "version", "state"}
    by_name = {(row["kind"], row["name"]): row for row in rows}
    for key in [
        ("backend", "memory"),
        ("backend", "pyserini"),
        ("reward", "nDCG"),
        ("reader", "demo"),
        ("baseline", "rm3"),
    ]:
        assert by_name[key]["state"] == "ok"
        assert by_name[key]["description"]
        assert by_name[key]["distribution"] == "leser"


def test_plugins_as_a_table_one_line_each(tmp_path: Path) -> None:
    broken = tmp_path / "mine.py"
    broken.write_text("from leser.hooks import hookimpl\n@hookimpl\ndef leser_backends(): return [int]\n")
    done = leser("plugins", "--plugin", str(broken))
    line = next(line for line in done.stdout.splitlines() if "mine.py" in line)
    assert "broken" in line
    assert "no class attribute `name`" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--backend", "memry"), "Error: Unknown backend 'memry'. Did you mean 'memory'?"),
        (("run", "--backend", "memory", "-o", "kk=1"), "Error: Unknown option 'kk' of backend 'memory'."),
        (("run", "--task", "demmo"), "Error: Unknown task 'demmo'. Did you mean 'demo'?"),
        (("index", "--backend", "memory"), "Error: Backend 'memory' cannot write an index"),
        (("run", "--config", "nowhere.toml"), "Error: The configuration nowhere.toml cannot be read"),
    ],
)
def test_an_error_is_one_clean_message_and_an_exit_code(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = leser(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_flag_shows_usage() -> None:
    done = leser("run", "--stepps", "3")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    plugin = tmp_path / "stop.py"
    plugin.write_text(
        "from leser.reader import Reader\nfrom leser.hooks import hookimpl\n"
        "class Stop(Reader):\n    '''Stops.'''\n    name = 'stop'\n    def read(self): raise KeyboardInterrupt\n"
        "@hookimpl\ndef leser_readers(): return [Stop]\n"
    )
    done = leser("run", "--task", "stop", "--backend", "memory", "--plugin", str(plugin), cwd=tmp_path)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_dry_run_prints_the_resolved_configuration_and_writes_nothing(tmp_path: Path) -> None:
    done = leser("run", "--backend", "memory", "--dry-run", "--seed", "5", "--reward", "P@5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed = 5" in done.stdout
    assert '"P@5"' in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_leser_run_is_leser_run() -> None:
    code = "from leser.cli.main import run_main; run_main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("Usage: leser-run ")
