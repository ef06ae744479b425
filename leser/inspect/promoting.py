"""The two systems of a promotion: a store by its address, a run by its folder, or the original query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from leser.config.build import task_of
from leser.expansion import Expansion
from leser.expansion_store import Store
from leser.inspect.opening import configured, open_folder, open_sampler
from leser.inspect.precomputing import Source
from leser.offline.promote import Expand, Promotion, promotion
from leser.offline.proposers import PolicyProposer
from leser.session import open_environment, open_session
from leser.stores import open_store
from leser.task import Query, Split

ORIGINAL = "original"


def promote(old: str, new: str, source: Source, split: str) -> Promotion:
    """Compare two systems on a split of the source's task; a store's checksum is verified first. Raises LeserError."""
    config, registry = source.read()
    task = task_of(config, registry)
    part = {s.name: s for s in task.splits}[split]
    with ExitStack() as opened:
        systems = [
            opened.enter_context(
                _open(given, source, partial(open_store, plugins=registry), config.platform.name or "")
            )
            for given in (old, new)
        ]
        environment, _ = open_environment(config, registry, task)
        opened.callback(environment.client.close)
        return promotion(environment, part, systems[0], systems[1], config.promote, registry.all("reward"), config.seed)


@contextmanager
def _open(given: str, source: Source, stored: Callable[[str], Store], platform: str) -> Iterator[Expand]:
    if given == ORIGINAL:
        yield lambda queries: [()] * len(queries)
    elif Path(given).is_dir():
        with _policy(Path(given), source) as expand:
            yield expand
    else:
        with stored(given) as store:
            store.verify()
            yield lambda queries: [_served(store, query, platform) for query in queries]


def _served(store: Store, query: Query, platform: str) -> tuple[Expansion, ...]:
    entry = store.get(query.text, platform)
    return entry.served if entry is not None else ()


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
