"""Progress in a notebook: one output per run, in which the live line is replaced and what is said stays."""

from __future__ import annotations

from typing import Any

import pytest
from IPython import display
from rich.console import Console

from leser.progress import Reporter


class Handle:
    """What IPython's display returns, and all that it was updated with."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, html: Any) -> None:
        self.shown.append(html.data)


def test_one_output_whose_last_line_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    handle, displays = Handle(), []

    def display_(html: Any, **options: Any) -> Handle:
        displays.append((html.data, options))
        return handle

    monkeypatch.setattr(display, "display", display_)
    with Reporter(Console(force_jupyter=True)) as reporter:
        reporter.say("Task <demo>: 3 queries.")
        reporter.phase("grpo", 300)
        reporter.step(20, {"reward": 0.5})
        reporter.step(40, {"reward": 0.75}, important=True)
        reporter.warn("The engine is slow.")
    assert [options for _, options in displays] == [{"display_id": True}], "one output for the whole run"
    assert handle.shown[-1] == (
        "<pre>Task &lt;demo&gt;: 3 queries.\nWARNING: The engine is slow.\ngrpo 40: reward 0.750</pre>"
    )
    assert handle.shown[1].endswith("grpo 20: reward 0.500</pre>")
