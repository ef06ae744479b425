"""`leser promote --apply` exchanges the entries that it compared: other platforms of a shared store keep theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.inspect.promoting import take_over
from leser.stores import open_store


def entry(query: str, word: str, platform: str, state: EntryState = EntryState.LIVE) -> StoredEntry:
    return StoredEntry(query, (Expansion(word, 0.01),), platform=platform, state=state)


@pytest.mark.parametrize("ending", ["db", "jsonl"])
def test_other_platforms_keep_their_entries(tmp_path: Path, ending: str) -> None:
    with (
        open_store(str(tmp_path / f"live.{ending}"), create=True) as live,
        open_store(str(tmp_path / f"new.{ending}"), create=True) as made,
    ):
        live.write([entry("sofa", "couch", "de"), entry("lamp", "light", "de"), entry("sofa", "settee", "uk")])
        made.write([entry("sofa", "divan", "de"), entry("sofa", "never compared", "uk"), entry("rug", "mat", "fr")])
        assert take_over(live, made, "new", "de").entries == 2
        live.verify()
        found = {(e.platform, e.query): e.expansions[0].text for e in live.entries()}
    assert found == {("de", "sofa"): "divan", ("uk", "sofa"): "settee"}
