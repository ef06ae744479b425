"""`leser export --load`: a server's set is never emptied because nothing could be said."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from settings import small_task

from leser.cli.main import group
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store


def test_a_set_is_not_emptied_by_an_export_without_a_rule(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "head.jsonl"), create=True) as store:
        store.write([StoredEntry("!!!", (Expansion("sofa", 0.1),), state=EntryState.LIVE)])
    given = [
        "export",
        str(tmp_path / "head.jsonl"),
        "--format",
        "solr",
        "--out",
        str(tmp_path / "out"),
        "--load",
        "shop",
    ]
    memory = ["--backend", "memory", "--task", str(small_task(tmp_path / "task"))]
    done = CliRunner().invoke(group, [*given, *memory])
    assert done.exit_code != 0
    said = done.output + str(done.exception)
    assert "nothing was put into the server: 'shop' holds what it held." in said
    assert "left-out.csv says why." in said
    assert "the engine's analysis leaves nothing of the query" in (tmp_path / "out" / "left-out.csv").read_text()
