"""The store that `leser new store` writes, and the same with one fault each: PLANTS names the test that must fail first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from leser.errors import LeserError
from leser.expansion_store import Store, query_key
from leser.scaffold import Package

MODULE = ModuleType("planted_one_file")
exec(Package.of("store", "one-file").files()["leser_one_file.py"], MODULE.__dict__)
Good: Any = MODULE.OneFileStore  # type: ignore[attr-defined]
PLANTS: list[tuple[type[Store], str]] = []


def fault(test: str) -> Callable[[Any], Any]:
    """List a class with the first test that must fail for it."""

    def listed(cls: Any) -> Any:
        cls.__doc__ = cls.__doc__ or "A fault."
        PLANTS.append((cls, test))
        return cls

    return listed


@fault("test_is_declared")
class OptionsOfItsOwn(Good):
    class Options:
        """No StoreOptions."""


@fault("test_recognises_its_own_alone")
class TakesEverything(Good):
    @classmethod
    def recognises(cls, place):
        return True


@fault("test_where_there_is_none")
class SilentWhereThereIsNone(Good):
    def __init__(self, options):
        if not Path(options.place).is_file() and not options.create:
            raise LeserError("Not there: make it first, please.")
        super().__init__(options)


@fault("test_a_new_store_is_empty")
class NeedsAGeneration(Good):
    def get(self, query, platform=""):
        row = self._state()["kept"][0]["entries"].get(MODULE._field((platform, query_key(query))))
        return None if row is None else self._entry(row)


@fault("test_edits_and_rollback_need_a_generation")
class MakesAGenerationOfAnEdit(Good):
    def put(self, entries):
        if self.current() is None:
            self.write(())
        super().put(entries)


@fault("test_a_generation_says_what_it_holds")
class ForgetsChecksums(Good):
    def write(self, entries, **given):
        made = super().write(entries, **given)
        with self._changing() as state:
            state["kept"][0]["checksum"] = "0" * 64
        return replace(made, checksum="0" * 64)


@fault("test_a_generation_says_what_it_holds")
class CountsWhatWasGiven(Good):
    def write(self, entries, **given):
        return replace(super().write(entries, **given), entries=0)


@fault("test_entries_come_back_whole")
class LosesScores(Good):
    def _entry(self, row):
        return super()._entry({**row, "scores": {}})


@fault("test_it_outlives_its_process")
class KeepsInMemory(Good):
    held: Any = None

    def _state(self):
        return self.held or {"last": 0, "kept": []}

    @contextmanager
    def _changing(self):
        state = json.loads(json.dumps(self._state()))
        yield state
        self.held = state
        self._path.touch()


@fault("test_every_state_is_returned")
class ReturnsServedOnly(Good):
    def get(self, query, platform=""):
        found = super().get(query, platform)
        return found if found is None or found.state != "withdrawn" else None


@fault("test_each_platform_has_its_own")
class FallsBackToTheDefaultPlatform(Good):
    def get(self, query, platform=""):
        return super().get(query, platform) or super().get(query, "")


@fault("test_queries_are_compared_by_their_key")
class ComparesAsTyped(Good):
    def get(self, query, platform=""):
        found = super().get(query, platform)
        return found if found and found.query == query else None


@fault("test_odd_texts_are_data")
class SplitsLines(Good):
    def _entry(self, row):
        return super()._entry({**row, "judge": row["judge"].strip()})


@fault("test_what_cannot_be_stored_is_refused")
class CutsLongQueries(Good):
    def write(self, entries, **given):
        return super().write([e if len(e.query) < 1001 else replace(e, query=e.query[:1000]) for e in entries], **given)


@fault("test_many_entries")
class AnswersOnePage(Good):
    def entries(self):
        yield from [*super().entries()][:1000]


@fault("test_of_two_entries_the_later_holds")
class TheFirstHolds(Good):
    def write(self, entries, **given):
        return super().write([*entries][::-1], **given)


@fault("test_a_new_generation_takes_the_whole_place")
class Merges(Good):
    def write(self, entries, **given):
        return super().write([*(self.entries() if self.current() else ()), *entries], **given)


@fault("test_a_new_generation_takes_the_whole_place")
class KeepsAllGenerations(Good):
    def write(self, entries, **given):
        before = self._state()["kept"]
        made = super().write(entries, **given)
        with self._changing() as state:
            state["kept"] = [state["kept"][0], *before]
        return made


@fault("test_a_stopped_writer_changes_nothing")
class IsNotAtomic(Good):
    def write(self, entries, *, note="", keep_decided=True):
        rows, done = iter(entries), []
        for entry in rows:
            done.append(entry)
            if len(done) == 1000:
                super().write(done, note=note, keep_decided=keep_decided)
        return super().write(done, note=note, keep_decided=keep_decided)


@fault("test_a_reader_keeps_its_generation")
class ReadsAsItGoes(Good):
    def entries(self) -> Iterator[Any]:
        fields = [*self._current()["entries"]]
        for part in (fields[:25], fields[25:]):
            rows = self._current()["entries"]
            yield from (self._entry(rows[field]) for field in part)


@fault("test_edits_are_in_the_generation")
class EditsForgetTheChecksum(Good):
    def put(self, entries):
        before = self.current()
        super().put(entries)
        with self._changing() as state:
            state["kept"][0]["checksum"] = before.checksum


@fault("test_changes_are_told_in_order")
class ChangesOfAllTime(Good):
    def changes(self, after):
        return [self._entry(row) for kept in self._state()["kept"] for row in kept["edits"]][after:]


@fault("test_changes_are_told_in_order")
class CountsCallsNotEntries(Good):
    def changes(self, after):
        return super().changes(after)[::-1]


@fault("test_decisions_survive_a_new_generation")
class LosesApprovedEntries(Good):
    def write(self, entries, **given):
        return super().write(entries, **{**given, "keep_decided": False})


@fault("test_decisions_survive_a_new_generation")
class KeepsDecisionsOfNamedQueriesAlone(Good):
    def write(self, entries, **given):
        wanted = [*entries]
        new = {entry.key for entry in wanted}
        super().write(wanted, **given)
        with self._changing() as state:
            kept, found = state["kept"][0], MODULE.Checksum()
            kept["entries"] = {f: r for f, r in kept["entries"].items() if self._entry(r).key in new}
            for row in kept["entries"].values():
                found.add(self._entry(row))
            kept["checksum"] = found.value
        return self.current()


@fault("test_decisions_made_meanwhile_survive")
class ReadsDecisionsFirst(Good):
    def write(self, entries, *, note="", keep_decided=True):
        old = {e.key: e for e in self.entries() if e.state in ("approved", "withdrawn")} if keep_decided else {}
        new = {e.key: e for e in entries}
        held = {k: e for k, e in old.items() if k not in new or new[k].state not in ("approved", "withdrawn")}
        return super().write((new | held).values(), note=note, keep_decided=False)


@fault("test_a_new_decision_replaces_the_old")
class OldDecisionsWin(Good):
    def write(self, entries, *, note="", keep_decided=True):
        old = [e for e in self.entries() if e.state in ("approved", "withdrawn")] if keep_decided else []
        made = super().write(entries, note=note, keep_decided=keep_decided)
        with self._changing() as state:
            for one in old:
                state["kept"][0]["entries"][MODULE._field(one.key)] = one.row()
        return made


@fault("test_rollback")
class RollbackDropsEdits(Good):
    def rollback(self):
        super().rollback()
        with self._changing() as state:
            state["kept"][0]["edits"] = []
        return self.current()


@fault("test_rollback")
class GoesBackOnce(Good):
    def rollback(self):
        made = super().rollback()
        with self._changing() as state:
            state["kept"] = state["kept"][:1]
        return made


@fault("test_a_generation_after_a_rollback")
class GivesNumbersAgain(Good):
    def rollback(self):
        made = super().rollback()
        with self._changing() as state:
            state["last"] = made.number
        return made


@fault("test_damage_is_found")
class TrustsItsFile(Good):
    def verify(self):
        self.current()


@fault("test_edits_at_once_are_all_kept")
class DoesNotLock(Good):
    both = threading.Barrier(2)

    @contextmanager
    def _changing(self):
        state = self._state()
        if threading.current_thread() is not threading.main_thread():
            self.both.wait(30)  # both have read before one writes
        yield state
        aside = self._path.with_name(f"{self._path.name}.{id(state)}")
        aside.write_text(json.dumps(state))
        aside.replace(self._path)


@fault("test_close")
class ClosesOnce(Good):
    closed = False

    def close(self):
        if self.closed:
            raise ValueError("closed already")
        self.closed = True
