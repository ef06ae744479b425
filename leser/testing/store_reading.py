"""The part of StoreContract that a store passes before anything is changed twice: declared, opened, one generation read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import (
    LONGEST_QUERY,
    Checksum,
    EntryState,
    Generation,
    Store,
    StoredEntry,
    StoreOptions,
    line_of,
)
from leser.options import validate_options
from leser.testing.documents import HOSTILE
from leser.testing.kit import Kit, check_declared, check_message
from leser.testing.shop import registry

MANY = 3_001
"""More than any batch or page should be silently limited to, and still quick."""
OTHERS = ("", "head", "notes.txt", "head.csv", "ftp://127.0.0.1/head", "/")
"""Addresses that no store may take for its own without being named."""


@dataclass(frozen=True)
class StoreCase:
    """A store, an address where there is none yet, and its further options as `open_store` is given them."""

    store: type[Store]
    place: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, *, create: bool = True) -> Store:
        """The store, opened as `open_store` opens it; raises LeserError."""
        values = {**self.options, "place": self.place, "create": create}
        return self.store(validate_options(self.store.Options, values, f"store '{self.store.name}'"))


def entry(query: str, *texts: str, state: EntryState = EntryState.LIVE, platform: str = "", **more: Any) -> StoredEntry:
    """An entry with these expansions."""
    expansions = tuple(Expansion(text, 0.5 + number / 4) for number, text in enumerate(texts))
    return StoredEntry(query, expansions, platform, state, **more)


WHOLE = entry(
    "red sofa", "couch", "loveseat", policy="shop@1a2b", profile="us@3c4d", engine="5e6f", judge="nDCG@10",
    judgments="7081", scores={"gain": 0.125, "count": 311.0}, time="2026-11-27T10:00:00+00:00",
)  # fmt: skip
"""An entry with a value in every field."""


def same(found: Iterable[StoredEntry], wanted: Iterable[StoredEntry]) -> None:
    """Assert that these are the same entries in any order, each once."""
    assert sorted(map(line_of, found)) == sorted(map(line_of, wanted))


def sound(store: Store) -> Generation:
    """The current generation, whose count and checksum are those of its entries."""
    generation = store.current()
    assert isinstance(generation, Generation), "there is no current generation after one was written"
    found = Checksum()
    for one in store.entries():
        found.add(one)
    assert generation.entries == found.count, "the generation does not hold as many entries as it says"
    assert generation.checksum == found.value, (
        "the checksum is not that of the entries: use leser.expansion_store.Checksum"
    )
    store.verify()
    return generation


class StoreReading(Kit, kit=True):
    """Declared, opened, written once and read back."""

    @pytest.fixture
    def case(self) -> StoreCase:
        """The store under test, at an address where there is none yet."""
        raise NotImplementedError("override the fixture `case`: return StoreCase(YourStore, place=...)")

    @pytest.fixture
    def store(self, case: StoreCase) -> Iterator[Store]:
        """A new store."""
        with case.open() as opened:
            yield opened

    def test_is_declared(self, case: StoreCase) -> None:
        """If this fails, check the class: name, api, docstring, and Options, which inherits StoreOptions."""
        check_declared(case.store, StoreOptions)

    def test_recognises_its_own_alone(self, case: StoreCase) -> None:
        """If this fails, check `recognises`: True or False, and True only for an address that no other store may mean."""
        assert type(case.store.recognises(case.place)) is bool
        assert [place for place in OTHERS if case.store.recognises(place)] == []
        if case.store.recognises(case.place):
            others = [cls for cls in registry().all("store").values() if cls.name != case.store.name]
            assert [cls.name for cls in others if cls.recognises(case.place)] == [], (
                "a second store takes it for its own"
            )

    def test_where_there_is_none(self, case: StoreCase) -> None:
        """If this fails, check opening without `create`: a LeserError that names the place, or a new store; nothing is made."""
        for _ in range(2):
            try:
                with case.open(create=False) as opened:
                    assert opened.current() is None
            except LeserError as error:
                check_message(error, case.place)

    def test_a_new_store_is_empty(self, store: Store) -> None:
        """If this fails, check what a store without a generation answers: nothing, and no error but of `put` and `rollback`."""
        assert store.generations() == []
        assert store.current() is None
        assert store.get("red sofa") is None
        assert list(store.entries()) == []
        assert store.changes(0) == []
        store.verify()

    def test_edits_and_rollback_need_a_generation(self, store: Store) -> None:
        """If this fails, check `put` and `rollback` of a new store: each raises LeserError, and changes nothing."""
        for change in (lambda: store.put([WHOLE]), store.rollback):
            with pytest.raises(LeserError) as caught:
                change()
            check_message(caught.value)
        assert store.current() is None

    def test_a_generation_says_what_it_holds(self, store: Store) -> None:
        """If this fails, check what `write` returns: number, entries, checksum (of `Checksum`), time (ISO 8601), note, edits."""
        given = [WHOLE, entry("lamp"), entry("red sofa", "divan", platform="de")]
        made = store.write(given, note="nightly")
        found = Checksum()
        for one in given:
            found.add(one)
        assert (made.number, made.entries, made.note, made.edits) == (1, 3, "nightly", 0)
        assert made.checksum == found.value
        assert datetime.fromisoformat(made.time).tzinfo is not None, (
            "the time lacks its zone: use leser.expansion_store.now"
        )
        assert store.current() == made
        assert store.generations() == [made]

    def test_entries_come_back_whole(self, store: Store) -> None:
        """If this fails, check what is kept of an entry: every field, as `line_of` writes it and `StoredEntry.of` reads it."""
        given = [WHOLE, entry("lamp"), entry("tv", "television", state=EntryState.PROPOSED)]
        store.write(given)
        same(store.entries(), given)
        assert store.get("red sofa") == WHOLE
        assert store.get("nothing of the kind") is None

    def test_it_outlives_its_process(self, case: StoreCase) -> None:
        """If this fails, check what is on disk when `write` and `put` return: another process reads it."""
        given = [WHOLE, entry("lamp")]
        with case.open() as first:
            made = first.write(given)
        with case.open(create=False) as again:
            assert again.current() == made
            same(again.entries(), given)
            again.put([entry("desk", "table")])
        with case.open(create=False) as last:
            assert last.get("desk") is not None
            assert last.changes(0) == [last.get("desk")]

    def test_every_state_is_returned(self, store: Store) -> None:
        """If this fails, check `get`: it returns an entry in whatever state it is; `served` is the caller's question."""
        given = [entry(state.value, "x", state=state) for state in EntryState]
        store.write(given)
        assert [store.get(state.value) for state in EntryState] == given

    def test_each_platform_has_its_own(self, store: Store) -> None:
        """If this fails, check the key: platform and query. No platform's entry answers for another's."""
        mine, theirs = entry("red sofa", "couch"), entry("red sofa", "divan", platform="de")
        store.write([mine, theirs, entry("lamp", "leuchte", platform="de")])
        assert store.get("red sofa") == mine
        assert store.get("red sofa", "de") == theirs
        assert store.get("red sofa", "fr") is None
        assert store.get("lamp") is None
        store.put([entry("red sofa", "sofa rot", platform="de")])
        assert store.get("red sofa") == mine

    def test_queries_are_compared_by_their_key(self, store: Store) -> None:
        """If this fails, compare by `query_key`: capitals, blanks and Unicode's forms make no difference; texts stay as typed."""
        store.write([entry("Café  Straße", "bistro")])
        for typed in ("café straße", " CAFE\u0301 STRASSE ", "Café\tStraße\n"):
            found = store.get(typed)
            assert found is not None, f"{typed!r} is not found"
            assert found.query == "Café  Straße"
        assert store.get("cafe strasse") is None

    def test_odd_texts_are_data(self, store: Store) -> None:
        """If this fails, check how texts are written: signs, quotes, line ends and control characters are no syntax."""
        texts = [text for text in dict.fromkeys(HOSTILE) if text.strip() and len(text) <= LONGEST_QUERY]
        given = {one.key: one for one in (entry(text, text, platform=text[:20], judge=text) for text in texts)}
        store.write(given.values())
        same(store.entries(), given.values())
        for one in given.values():
            assert store.get(one.query, one.platform) == one
        sound(store)

    def test_what_cannot_be_stored_is_refused(self, store: Store) -> None:
        """If this fails, check `write` and `put`: no query, or one over LONGEST_QUERY, is a LeserError and changes nothing."""
        store.write([entry("q" * LONGEST_QUERY, "x")])
        before = store.current()
        for bad in (entry(" \t"), entry("q" * (LONGEST_QUERY + 1))):
            for change in (store.write, store.put):
                with pytest.raises(LeserError) as caught:
                    change([entry("good"), bad])
                check_message(caught.value)
        assert store.current() == before
        assert store.get("good") is None
        sound(store)

    def test_many_entries(self, store: Store) -> None:
        """If this fails, check batches and pages: all entries are written, counted and given back, each once."""
        given = [entry(f"query {number}", "x", platform=str(number % 3)) for number in range(MANY)]
        assert store.write(iter(given)).entries == MANY
        same(store.entries(), given)
        assert store.get(f"query {MANY - 1}", str((MANY - 1) % 3)) == given[-1]
