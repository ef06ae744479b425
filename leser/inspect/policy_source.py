"""A finished run's policy as a source of candidates for verified search: it asks its own engine for its prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leser.inspect.opening import configured, open_finished, open_sampler
from leser.offline.recipe import policy_name
from leser.precompute import PolicySource
from leser.session import open_session
from leser.verified.sampled import PolicyWords


@contextmanager
def opened_policy(
    run: Path, samples: int, seed: int, plugins: Iterable[Path | type[Any]] = ()
) -> Iterator[PolicySource]:
    """The policy that the run keeps, asked for a greedy and `samples` sampled answers; its engine is open within the block.

    Raises LeserError where the run has not finished, or what it needs is not there any more.
    """
    folder = open_finished(run).folder
    session = open_session(*configured(folder, plugins=plugins))
    with session.client:
        words = PolicyWords(open_sampler(folder, session), samples, seed)
        yield PolicySource(words, f"{policy_name(run)}, {samples} samples, seed {seed}")
