"""Service: the answers behind the routes: the head, the tail, searches, decisions. Knows no web framework."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leser.characters import hidden_in
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import LONGEST_QUERY, SERVED, EntryState, Store, StoredEntry, query_key
from leser.serving.answers import Found, LiveAnswer, Wanted
from leser.serving.events import EventLog
from leser.serving.head import Head
from leser.serving.options import ServingOptions
from leser.serving.process import ProcessUnavailable
from leser.serving.tail import LiveRun, Tail
from leser.store.fitted import POLICY

log = logging.getLogger("leser.serving")
KEPT_REASONS = frozenset({"", "sure", "nothing_to_add"})
"""Live answers that hold on another day too; an engine's error does not."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """What to search a query with: `source` is "store", "policy", "baseline" or "original".

    `reason` says why it is left as typed, `by` who proposed, where somebody did; `state` is that of the store's entry.
    """

    expansions: tuple[Expansion, ...] = ()
    source: str = "original"
    reason: str = ""
    state: str = ""
    by: str = ""


class Service:
    """The store's head, the run's tail, the engine and the file of events. `close` ends all of it.

    `by` answers what the store does not hold: the run's "policy", or a baseline that it keeps. Raises LeserError where the store
    or who is to answer cannot be read, or the events cannot be written.
    """

    def __init__(self, store: Store, options: ServingOptions, run: Path | None = None, by: str = POLICY) -> None:
        self.options = options
        self.head = Head(store, options.refresh_s)
        self.events = EventLog(options.events) if options.events else None
        self.not_stored = 0
        self.tail = Tail(run, options, self._keep, by) if run is not None else None

    async def expand(self, query: str, platform: str) -> Expanded:
        """What to search a query with, within the budget; never raises for what a user typed, nor where a part fails."""
        if not query.strip():
            return Expanded(reason="empty")
        if len(query) > LONGEST_QUERY:
            return Expanded(reason="too_long")
        if hidden_in(query):
            return Expanded(reason="control_characters")
        try:
            entry = self.head.get(query, platform)
        except Exception:  # the copy is private: whatever is wrong with it must not reach the shop
            log.exception("A lookup failed")
            return Expanded(reason="lookup_failed")
        if entry is not None:
            left_alone = "" if entry.served else "nothing_to_add" if entry.state in SERVED else str(entry.state)
            return Expanded(entry.served, "store", left_alone, str(entry.state), entry.by or entry.policy)
        return await self._tail(query, platform)

    def previewed(self, query: str, platform: str, found: Expanded) -> Expanded:
        """What a person decides on: the expansions of an entry that is not served, in the place of none."""
        entry = self.head.get(query, platform) if found.source == "store" and not found.expansions else None
        return found if entry is None else replace(found, expansions=entry.expansions)

    async def search(self, query: str, expansions: Sequence[Expansion], hits: int, both: bool) -> Found:
        """Search with these expansions; raises ProcessUnavailable where the engine does not answer in time."""
        if self.tail is None:
            raise ProcessUnavailable("no_engine")
        future = self.tail.live.engine.ask(Wanted(query, tuple(expansions), hits, both))
        found: Found = await _within(future, self.options.search_ms)
        return found

    def decided(
        self, query: str, platform: str, state: EntryState, expansions: Sequence[Expansion] | None
    ) -> StoredEntry:
        """The entry of a query in a person's state, with the store's expansions unless others are given; stores nothing.

        Raises LeserError where there is nothing to decide on.
        """
        if not query_key(query) or hidden_in(query):
            raise LeserError("The query is empty or holds control characters. Send a text.")
        known = self.head.get(query, platform)
        if known is None and expansions is None:
            raise LeserError("The store has no entry of this query. Give its expansions.")
        base = known or StoredEntry(query, platform=platform, policy="by hand")
        if expansions is None:
            return base.in_state(state)
        made = tuple(expansions)
        return replace(base.in_state(state), platform=platform, expansions=made, policy="by hand", by="", scores={})

    def close(self) -> None:
        """End the processes, write what waits, close the store."""
        if self.tail is not None:
            self.tail.close()
        if self.events is not None:
            self.events.close()
        self.head.close()

    async def _tail(self, query: str, platform: str) -> Expanded:
        if self.tail is None:
            return Expanded(reason="unknown")
        live = self.tail.live
        try:
            answer: LiveAnswer = await _within(live.proposer.ask((query, platform)), self.options.budget_ms)
        except ProcessUnavailable as error:
            return Expanded(reason=f"{live.kind}_{error}")
        return Expanded(
            answer.expansions,
            live.kind if answer.expansions else "original",
            answer.reason,
            by=live.name if answer.expansions else "",
        )

    def _keep(self, live: LiveRun, pairs: Sequence[tuple[Any, Any]]) -> None:
        """Store live answers, so that the next time they come from the head."""
        made = [
            StoredEntry(
                query,
                answer.expansions,
                platform=platform,
                state=EntryState.LIVE,
                policy=live.made_with,
                judge="none: live",
                by="" if live.by == POLICY else live.by,
            )
            for (query, platform), answer in pairs
            if answer.reason in KEPT_REASONS and self.head.get(query, platform) is None
        ]
        try:
            self.head.put(made, without_store=True)
        except LeserError as error:
            self.not_stored += len(made)
            log.warning("Live answers could not be stored: %s", error)


async def _within(future: Future[Any], milliseconds: float) -> Any:
    """The future's result within a time, after which whoever computes goes on; raises ProcessUnavailable("late") then."""
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), milliseconds / 1000)
    except TimeoutError:
        raise ProcessUnavailable("late") from None
