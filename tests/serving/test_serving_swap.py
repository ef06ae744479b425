"""A changed run is taken over while requests come, and a broken one is not."""

from __future__ import annotations

import shutil
from pathlib import Path

from served import asking, entry, serving, write_store


def lead(link: Path, run: Path) -> None:
    """Let a link lead to another folder, in one step."""
    new = link.with_name("new")
    new.symlink_to(run)
    new.replace(link)


def test_a_changed_run_is_taken_over_and_a_broken_one_is_not(made: Path, tmp_path: Path) -> None:
    first, second, broken = (shutil.copytree(made, tmp_path / name) for name in ("first", "second", "broken"))
    for weights in (broken / "policy").glob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100])
    current = tmp_path / "current"
    current.symlink_to(first)
    store = write_store(tmp_path / "head.db", entry("red sofa", "couch"))
    flags = (
        "-o",
        "nice=0",
        "--policy",
        str(current),
        "-o",
        "refresh_s=0.1",
        "-o",
        "budget_ms=60000",
        "-o",
        "hung_s=60",
    )
    with serving(tmp_path, store, *flags) as served:
        served.until("/readyz policy", "ready", 300)
        with asking(served) as found:
            lead(current, second)
            served.until("/readyz run", "second", 300)
            served.until_metric("leser_run_swaps", 1.0)
            lead(current, broken)
            served.until_metric("leser_run_refusals", 1.0)
            assert "is not taken over, the old one goes on: its policy cannot be loaded" in served.log.read_text()
            assert served.client.get("/readyz").json()["run"] == "second"
            lead(current, second)
            (second / "policy" / "note").write_text("written in place")
            served.until_metric("leser_run_swaps", 2.0)
            served.until("/readyz policy", "ready")
        assert found[200, "store", ""] > 0
        kinds = {(status, source) for status, source, _ in found}
        assert kinds <= {(200, "store"), (200, "policy"), (200, "original")}
        reasons = {reason for _, _, reason in found}
        assert not {reason for reason in reasons if reason.startswith("policy_")}, found
