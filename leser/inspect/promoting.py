"""The two systems of a promotion: a store by its address, a run by its folder, or the original query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from leser.config.build import task_of
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import DECIDED, Generation, Store, StoredEntry
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.inspect.precomputing import Source
from leser.offline.promote import Expand, Promotion, promotion
from leser.offline.proposers import PolicyProposer
from leser.session import open_environment, open_session
from leser.stores import open_store
from leser.task import Query, Split

ORIGINAL = "original"


def promote(old: str, new: str, source: Source, split: str, *, apply: bool = False) -> Promotion:
    """Compare two systems on a split of the source's task; a store's checksum is verified first.

    With `apply` both are stores: what people decided in the old one counts in the new one too, and where the new one is
    promoted its entries become the old one's next generation, those of the platform that was compared. Raises LeserError.
    """
    if apply:
        _check_stores(old, new)
    config, registry = source.read()
    task = task_of(config, registry)
    part = {s.name: s for s in task.splits}[split]
    stored, platform = partial(open_store, plugins=registry), config.platform.name or ""
    with ExitStack() as opened:
        first = opened.enter_context(_open(old, source, stored, platform))
        if apply:
            live, made = (opened.enter_context(_verified(given, stored)) for given in (old, new))
            second = _expanding(lambda query: decided_last(made.get(query, platform), live.get(query, platform)))
        else:
            second = opened.enter_context(_open(new, source, stored, platform))
        environment, _ = open_environment(config, registry, task)
        opened.callback(environment.client.close)
        verdict = promotion(environment, part, first, second, config.promote, registry.all("reward"), config.seed)
        if not (apply and verdict.promoted):
            return verdict
        return replace(verdict, generation=take_over(live, made, new, platform).number)


def take_over(live: Store, made: Store, name: str, platform: str) -> Generation:
    """Write a platform's entries of a store into another as its next generation, in one step.

    What people decided there stays, and so does all of other platforms: nobody compared it.
    """
    others = [entry for entry in live.entries() if entry.platform != platform] if live.current() else []

    def entries() -> Iterator[StoredEntry]:
        yield from others
        for entry in made.entries():
            if entry.platform != platform:
                continue
            # where nobody decided on the new entry, `write` keeps what was decided on the old one
            old = live.get(entry.query, entry.platform) if entry.state in DECIDED else None
            yield decided_last(entry, old) or entry

    return live.write(entries(), note=f"promoted from {name}")


def decided_last(new: StoredEntry | None, old: StoredEntry | None) -> StoredEntry | None:
    """The new entry, unless a person decided on the old one, and not on the new one since."""
    if old is None or old.state not in DECIDED:
        return new
    return new if new is not None and new.state in DECIDED and new.time >= old.time else old


def _check_stores(old: str, new: str) -> None:
    for given in (old, new):
        if given == ORIGINAL or Path(given).is_dir():
            raise LeserError(
                f"--apply writes the store NEW into the store OLD, and '{given}' is not a store. Leave --apply out; a policy "
                "takes over where the link that `leser serve --policy` follows is moved."
            )


@contextmanager
def _verified(given: str, stored: Callable[[str], Store]) -> Iterator[Store]:
    with stored(given) as store:
        store.verify()
        yield store


@contextmanager
def _open(given: str, source: Source, stored: Callable[[str], Store], platform: str) -> Iterator[Expand]:
    if given == ORIGINAL:
        yield lambda queries: [()] * len(queries)
    elif Path(given).is_dir():
        with _policy(Path(given), source) as expand:
            yield expand
    else:
        with _verified(given, stored) as store:
            yield _expanding(lambda query: store.get(query, platform))


def _expanding(find: Callable[[str], StoredEntry | None]) -> Expand:
    """What is served of the entries that are found."""
    return lambda queries: [entry.served if (entry := find(query.text)) else () for query in queries]


@contextmanager
def _policy(run: Path, source: Source) -> Iterator[Expand]:
    """A run's policy on the task and engine of the comparison; its own weight counts."""
    folder = open_folder(run)
    flags = {key: value for key, value in source.flags.items() if key in ("task.name", "backend.name")}
    config, registry = configured(folder, flags, source.assignments, source.plugins, source.platform)
    with open_session(config, registry) as session:
        proposer = PolicyProposer(open_sampler(folder, session), run.name)
        weight = session.environment.expansion.weight

        def expand(queries: Sequence[Query]) -> list[tuple[Expansion, ...]]:
            found = proposer.propose(queries, Split("held out", tuple(queries), {}))
            return [tuple(Expansion(e.text, e.weight * weight) for e in p.expansions) for p in found]

        yield expand
