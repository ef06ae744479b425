"""Every command runs on every console, and says what is wrong with an argument that is no text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "import sys; sys.argv[0] = 'leser'; from leser.cli.main import main; main()"
RUN_MAIN = "import sys; sys.argv[0] = 'leser-run'; from leser.cli.main import run_main; run_main()"
TITLE = "Stuhl 椅子 🛋 “grün” ½"
CONSOLES = ("cp1252", "ascii", "cp437", "utf-8:strict")


def ran(
    code: str, *arguments: str | bytes, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        timeout=120,
        check=False,
    )


def decoded(data: bytes, console: str) -> str:
    return data.decode(console.partition(":")[0])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task, a profile and a plugin whose texts few consoles can show."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "task" / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"q{n}", "text": f"{TITLE} {n}"}) for n in range(6)]
    (folder / "task" / "queries.jsonl").write_text("\n".join(lines))
    (folder / "task" / "corpus.jsonl").write_text(json.dumps({"_id": "d", "title": TITLE, "text": "x"}))
    rows = "".join(f"q{n}\td\t1\n" for n in range(6))
    (folder / "task" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    (folder / "p.toml").write_text(
        f'[platform]\nname = "p"\n[rules.banned]\nwords = ["x"]\nsentence = "Never {TITLE}."\n[prompt]\nplatform = "{TITLE}"\n',
        encoding="utf-8",
    )
    (folder / "plugin.py").write_text(
        f'from leser.hooks import hookimpl\nfrom leser.rule import Rule\n\n\nclass Odd(Rule):\n    """{TITLE}"""\n\n'
        '    name = "odd"\n\n    def check(self, proposal):\n        return None\n\n\n'
        "@hookimpl\ndef leser_rules():\n    return [Odd]\n",
        encoding="utf-8",
    )
    return folder


@pytest.mark.parametrize("console", CONSOLES)
def test_what_a_console_cannot_show_is_replaced(shop: Path, console: str) -> None:
    commands = [
        ("platforms", "check", "p.toml"),
        ("plugins", "--plugin", "plugin.py"),
        ("doctor", "--backend", "memory", "--task", "task", "--query", TITLE),
        ("rollouts", f"run {TITLE}"),
    ]
    for command in commands:
        done = ran(MAIN, *command, cwd=shop, PYTHONIOENCODING=console, PYTHONUTF8="1")
        said, complained = decoded(done.stdout, console), decoded(done.stderr, console)
        assert "Traceback" not in complained, (command, complained)
        assert "Stuhl" in said + complained, command
        if console.startswith("utf"):
            assert TITLE in said + complained, command
    assert "Stuhl" in complained
    if console == "cp1252":
        assert "Stuhl \\u6905\\u5b50 \\U0001f6cb “grün” ½" in complained


def test_json_loses_nothing(shop: Path) -> None:
    done = ran(MAIN, "plugins", "--json", "--plugin", "plugin.py", cwd=shop, PYTHONIOENCODING="ascii")
    assert [row["description"] for row in json.loads(done.stdout) if row["name"] == "odd"] == [TITLE]


def test_help_is_shown_by_an_ascii_console() -> None:
    for arguments in (["--help"], ["doctor", "--help"], ["run", "--help"], ["nowhere"], ["doctor", "--ünknown"]):
        done = ran(MAIN, *arguments, PYTHONIOENCODING="ascii")
        assert done.stdout.isascii(), arguments
        assert done.stderr.isascii(), arguments
        assert done.stdout + done.stderr


def test_a_dry_run_is_shown_by_every_console(shop: Path) -> None:
    arguments = ("--platform", "p.toml", "--task", "task", "--backend", "memory", "--policy", "tiny", "--dry-run")
    done = ran(RUN_MAIN, *arguments, cwd=shop, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert 'platform = "Stuhl ?? ? “grün” ½"' in done.stdout.decode("cp1252")


BAD = (
    (MAIN, ("rollouts", "run", "--query", b"\xff\xfes"), 4, r"\xff\xfes"),
    (MAIN, ("doctor", "-o", b"index=m\xf6bel"), 3, r"index=m\xf6bel"),
    (MAIN, ("evaluate", b"\xe4"), 2, r"\xe4"),
    (MAIN, ("platforms", "check", b"\xe4.toml"), 3, r"\xe4.toml"),
    (RUN_MAIN, ("-o", b"prompt.platform=M\xf6bel"), 2, r"prompt.platform=M\xf6bel"),
)


@pytest.mark.parametrize(("code", "arguments", "number", "shown"), BAD)
def test_an_argument_of_invalid_bytes_is_named(
    code: str, arguments: tuple[str | bytes, ...], number: int, shown: str
) -> None:
    done = ran(code, *arguments)
    assert done.returncode == 2, done.stderr
    said = f"Error: Argument {number} is not valid UTF-8: '{shown}'. Give it in that encoding"
    assert done.stderr.decode().startswith(said)


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"LANG": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_an_argument_is_text_under_every_locale(environment: dict[str, str]) -> None:
    done = ran(MAIN, "expand", "run", b"r\xf6d sofa", **environment)
    assert done.stderr.decode().startswith(r"Error: Argument 3 is not valid UTF-8: 'r\xf6d sofa'.")
    done = ran(MAIN, "rollouts", "möbel", **environment)
    assert done.returncode == 2
    assert b"is not valid" not in done.stderr
