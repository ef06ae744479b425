"""docs/serving.md's units, image and Deployment: their commands are ones that LESER takes, and what they need is there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from places import ROOT

from leser.cli.main import group
from leser.serving.guard import OPEN, PROBES

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("serving.md", "precompute.md")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every `leser` command of a file that the pages show."""
    units, (image,), (deployment,) = (
        blocks("serving.md", "ini"),
        blocks("serving.md", "dockerfile"),
        blocks("serving.md", "yaml"),
    )
    found = [line for unit in units for line in re.findall(r"^ExecStart=/opt/leser/bin/(.*)$", unit, re.MULTILINE)]
    found.append(shlex.join(json.loads(re.findall(r"^CMD (.*)$", image, re.MULTILINE)[0])))
    found += [one.replace(",", " ") for one in re.findall(r"args: \[(.*)\]$", deployment, re.MULTILINE)]
    found += [
        line for script in blocks("precompute.md", "bash") for line in re.findall(r"^leser .*$", script, re.MULTILINE)
    ]
    return found


@pytest.mark.parametrize("line", commands())
def test_each_command_is_one_that_the_command_line_takes(line: str) -> None:
    program, name, *arguments = shlex.split(line)
    command = group.get_command(click.Context(group), name)
    assert program == "leser"
    assert command is not None, name
    command.make_context(name, arguments)


def test_the_nightly_script_and_the_nightly_unit_do_the_same() -> None:
    (script,) = blocks("precompute.md", "bash")
    unit = next(unit for unit in blocks("serving.md", "ini") if "Type=oneshot" in unit)
    assert re.findall(r"^leser .*$", script, re.MULTILINE) == re.findall(
        r"^ExecStart=/opt/leser/bin/(.*)$", unit, re.MULTILINE
    )


def test_a_unit_whose_files_are_read_only_has_a_place_for_the_services_copy_and_for_its_files() -> None:
    """ProtectSystem=strict makes /tmp read-only, too."""
    strict = [unit for unit in blocks("serving.md", "ini") if "ProtectSystem=strict" in unit]
    assert len(strict) == 2
    for unit in strict:
        assert "PrivateTmp=true" in unit
        assert "StateDirectory=leser" in unit


def test_a_pod_has_a_place_for_the_copy_and_time_to_read_the_store() -> None:
    (deployment,) = blocks("serving.md", "yaml")
    assert "readOnlyRootFilesystem: true" in deployment
    assert "mountPath: /tmp" in deployment
    probes = dict(re.findall(r"(\w+)Probe: \{httpGet: \{path: (\S+),", deployment))
    assert probes == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    assert set(probes.values()) <= PROBES <= OPEN, "a probe sends no key"


def test_the_image_runs_as_a_number_that_kubernetes_can_check() -> None:
    (image,), (deployment,) = blocks("serving.md", "dockerfile"), blocks("serving.md", "yaml")
    (number,) = re.findall(r"^USER (\d+)$", image, re.MULTILINE)
    assert f"--uid {number} " in image
    assert f"runAsUser: {number}," in deployment
    assert Path("/data").as_posix() in image
