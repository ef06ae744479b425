"""StoreContract: what every store must hold to, as tests a plugin author inherits.

    import pytest
    from leser.testing import StoreCase, StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def case(self, tmp_path):
            return StoreCase(MyStore, place=str(tmp_path / "head.mine"))     # an address where there is no store yet

A store on a server gives each test a place of its own, such as a prefix of its keys in `options`. A test that is known to
fail is overridden with `@pytest.mark.xfail(reason=...)`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from leser.errors import LeserError
from leser.expansion_store import EntryState, Store, StoredEntry
from leser.testing.kit import check_message
from leser.testing.store_reading import MANY, StoreCase, StoreReading, entry, same, sound

APPROVED, WITHDRAWN = EntryState.APPROVED, EntryState.WITHDRAWN
__all__ = ["StoreCase", "StoreContract"]


class Stopped(Exception):
    """What ends a writer in the middle, as a kill would."""


class StoreContract(StoreReading, kit=True):
    """The contract of `leser.expansion_store.Store`; each test says where to look if it fails."""

    def test_edits_are_in_the_generation(self, case: StoreCase) -> None:
        """If this fails, check `put`: seen at once by every reader, counted in entries, edits and the checksum."""
        with case.open() as store, case.open() as other:
            number = store.write([entry("tv", "television", state=EntryState.PROPOSED)]).number
            proposed = other.get("tv")
            assert proposed is not None
            other.put([proposed.in_state(APPROVED)])
            other.put([entry("new", "newer"), entry("newest")])
            other.put([])
            seen = store.get("tv")
            assert seen is not None
            assert [e.text for e in seen.served] == ["television"]
            generation = sound(store)
            assert (generation.number, generation.entries, generation.edits) == (number, 3, 3)

    def test_of_two_entries_the_later_holds(self, store: Store) -> None:
        """If this fails, check `write` and `put` with one key twice: the later entry holds, and counts once."""
        assert store.write([entry("Lamp", "light"), entry(" lamp", "torch")]).entries == 1
        assert _texts(store, "lamp") == ["torch"]
        store.put([entry("LAMP", "bulb"), entry("lamp", "spot")])
        assert _texts(store, "lamp") == ["spot"]
        assert sound(store).entries == 1

    def test_a_new_generation_takes_the_whole_place(self, store: Store) -> None:
        """If this fails, check `write`: nothing of the old generation is left in the new one, and the number rises."""
        first = store.write([entry("a", "a1"), entry("b", "b1")])
        second = store.write([entry("a", "a2")])
        assert second.number > first.number
        assert [one.query for one in store.entries()] == ["a"]
        assert store.get("b") is None
        assert store.generations() == [second, first], "the current one first, then the one that rollback returns to"
        third = store.write([entry("c")])
        assert store.generations() == [third, second], "the one before the current one is removed"
        sound(store)

    def test_a_stopped_writer_changes_nothing(self, case: StoreCase) -> None:
        """If this fails, check that `write` works aside: until its last step every reader sees the old generation whole."""
        old = [entry("a", "a1"), entry("b", "b1")]
        with case.open() as store, case.open() as reader:
            made = store.write(old)

            def stops() -> Iterator[StoredEntry]:
                yield from (entry(f"new {number}") for number in range(MANY))
                same(reader.entries(), old)
                assert reader.get("new 0") is None
                assert reader.current() == made
                raise Stopped

            with pytest.raises(Stopped):
                store.write(stops())
            for one in (store, reader):
                same(one.entries(), old)
                assert one.current() == made
                sound(one)
            assert store.write([entry("c")]).entries == 1
            assert [one.query for one in reader.entries()] == ["c"]

    def test_a_reader_keeps_its_generation(self, store: Store) -> None:
        """If this fails, check `entries`: whoever began to read goes on in the same generation, whatever is written."""
        old = [entry(f"query {number}", "old") for number in range(50)]
        store.write(old)
        reading = store.entries()
        begun = [next(reading)]
        store.write([entry(f"query {number}", "new") for number in range(50)])
        same([*begun, *reading], old)

    def test_changes_are_told_in_order(self, store: Store) -> None:
        """If this fails, check `changes(after)`: what was put after edit number `after`, in order; a new generation has none."""
        store.write([entry("a"), entry("b")])
        assert store.changes(0) == []
        edits = [entry("b", "b1"), entry("c", "c1"), entry("a", "a1")]
        store.put(edits[:1])
        store.put(edits[1:])
        assert [store.changes(after) for after in range(4)] == [edits, edits[1:], edits[2:], []]
        store.write([entry("a")])
        assert store.changes(0) == []

    def test_decisions_survive_a_new_generation(self, store: Store) -> None:
        """If this fails, check `write(keep_decided=True)`: approved and withdrawn entries replace the new one's of their key."""
        store.write([entry(name, "1", platform=platform) for name in "abc" for platform in ("", "de")])
        store.put([entry("a", "1", state=APPROVED), entry("b", "1", state=WITHDRAWN)])
        store.put([entry("c", "1", state=APPROVED, platform="de")])
        store.write([entry(name, "2") for name in "abc"])
        held = {(one.platform, one.query): (one.state, one.expansions[0].text) for one in store.entries()}
        assert held == {
            ("", "a"): (APPROVED, "1"), ("", "b"): (WITHDRAWN, "1"), ("", "c"): (EntryState.LIVE, "2"),
            ("de", "c"): (APPROVED, "1"),
        }  # fmt: skip
        sound(store)

    def test_decisions_made_meanwhile_survive(self, case: StoreCase) -> None:
        """If this fails, check when `write` reads the decisions: in its last step, not before the new entries are written."""
        with case.open() as store, case.open() as merchandiser:
            store.write([entry("a", "1"), entry("b", "1")])

            def slow() -> Iterator[StoredEntry]:
                yield entry("a", "2")
                merchandiser.put([entry("a", "1", state=WITHDRAWN), entry("c", "by hand", state=APPROVED)])
                yield entry("b", "2")

            store.write(slow())
            assert {one.query: one.state for one in store.entries()} == {
                "a": WITHDRAWN, "b": EntryState.LIVE, "c": APPROVED,
            }  # fmt: skip
            sound(store)

    def test_a_new_decision_replaces_the_old(self, store: Store) -> None:
        """If this fails, check whose decision holds: the new generation's, where it has one; with keep_decided=False always."""
        store.write([entry("a", "1", state=APPROVED), entry("b", "1", state=APPROVED)])
        store.write([entry("a", "2", state=WITHDRAWN)])
        assert _texts(store, "a") == ["2"]
        assert _texts(store, "b") == ["1"]
        store.write([entry("a", "3")], keep_decided=False)
        assert [(one.query, one.state) for one in store.entries()] == [("a", EntryState.LIVE)]
        sound(store)

    def test_rollback(self, store: Store) -> None:
        """If this fails, check `rollback`: the generation before, with its edits, and back again; its error where none is."""
        store.write([entry("a", "1")])
        with pytest.raises(LeserError) as caught:
            store.rollback()
        check_message(caught.value)
        store.put([entry("b", "1", state=APPROVED)])
        second = store.write([entry("a", "2")], keep_decided=False)
        back = store.rollback()
        assert (back.entries, back.edits) == (2, 1)
        assert store.current() == back
        assert sorted(one.query for one in store.entries()) == ["a", "b"]
        assert [one.query for one in store.changes(0)] == ["b"]
        sound(store)
        assert store.rollback() == second
        assert _texts(store, "a") == ["2"]
        sound(store)

    def test_a_generation_after_a_rollback(self, store: Store) -> None:
        """If this fails, check numbers after a rollback: a new generation's was never given before, and the rolled-back goes."""
        first, second = store.write([entry("a", "1")]), store.write([entry("a", "2")])
        store.rollback()
        third = store.write([entry("a", "3")])
        assert third.number > second.number
        assert [one.number for one in store.generations()] == [third.number, first.number]
        store.rollback()
        assert _texts(store, "a") == ["1"]

    def test_damage_is_found(self, case: StoreCase) -> None:
        """If this fails, check `verify`: it raises LeserError with the place where entries are not those that were written."""

        class Damaged(case.store):  # type: ignore[name-defined,misc]
            """The same store, one of whose entries was changed where it lies."""

            def entries(self) -> Iterator[StoredEntry]:
                for one in super().entries():
                    yield entry("a", "forged", time=one.time) if one.query == "a" else one

        with case.open() as store:
            store.write([entry("a", "1"), entry("b", "1")])
            store.verify()
        damaged = StoreCase(Damaged, case.place, case.options)
        with damaged.open(create=False) as store, pytest.raises(LeserError) as caught:
            store.verify()
        check_message(caught.value, case.place)

    def test_edits_at_once_are_all_kept(self, case: StoreCase) -> None:
        """If this fails, check `put` from several processes: read, change and write in one locked step; none is lost."""
        with case.open() as first, case.open() as second:
            first.write([entry("a")])
            start = threading.Barrier(2)

            def put(store: Store, name: str) -> None:
                start.wait(30)
                for number in range(10):
                    store.put([entry(f"{name} {number}")])

            with ThreadPoolExecutor(2) as pool:
                for done in [pool.submit(put, store, name) for store, name in ((first, "one"), (second, "two"))]:
                    done.result(60)
            assert sound(first).edits == 20
            assert len(list(second.entries())) == 21

    def test_threads_share_a_store(self, store: Store) -> None:
        """If this fails, check what the threads of one process share: connections and caches need a lock."""
        store.write([entry(f"query {number}", "x") for number in range(20)])

        def work(thread: int) -> list[bool]:
            if thread == 0:
                store.put([entry("edited", str(number)) for number in range(5)])
            return [store.get(f"query {number}") is not None for number in range(20)]

        with ThreadPoolExecutor(4) as pool:
            assert all(all(found) for found in pool.map(work, range(8)))
        sound(store)

    def test_close(self, case: StoreCase) -> None:
        """If this fails, check `close`: it may be called twice, and what was written is there afterwards."""
        store = case.open()
        store.write([entry("a")])
        store.close()
        store.close()
        with case.open(create=False) as again:
            assert again.get("a") is not None


def _texts(store: Store, query: str) -> list[str]:
    found = store.get(query)
    assert found is not None, f"'{query}' is gone"
    return [expansion.text for expansion in found.expansions]
