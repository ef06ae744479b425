"""Calls of one reward, which may be a plugin's: made, asked, and held to its contract where it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from numbers import Real

import numpy as np

from leser.contract.classes import reward_fault
from leser.declared import Documents
from leser.errors import EngineDown, LeserError, PluginFault
from leser.reward import Outcome, Reward, RewardSpec

TOLERANCE = 1e-9
"""How far a value may lie beyond its range, or below a gate's 1, by rounding."""


def make_reward(cls: type[Reward], spec: RewardSpec) -> Reward:
    """An instance of a family, checked for what it says of itself; raises LeserError."""
    name = f"The reward '{spec.text}' ({cls.__module__}.{cls.__qualname__})"
    try:
        reward = cls(spec)
        known = isinstance(getattr(reward, "spec", None), RewardSpec)
        depth = reward.depth if known else 1
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(f"{name} cannot be made: {type(error).__name__}: {error}.") from error
    if not known:
        raise PluginFault(f"{name} cannot be made: __init__() left `spec` unset. Call super().__init__(spec) in it.")
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise PluginFault(f"{name} has the depth {depth!r}. It must be a whole number of hits, 1 or more.")
    if wrong := reward_fault(reward):
        raise PluginFault(f"The reward '{spec.text}' cannot be used: {wrong}.")
    return reward


def ask_reward(reward: Reward, outcomes: Sequence[Outcome]) -> list[float]:
    """The reward's answers, NaN for None, held to its contract; raises PluginFault naming the reward and the query."""
    if not outcomes:
        return []
    name = f"The reward '{reward.spec.text}' ({type(reward).__module__}.{type(reward).__qualname__})"
    shared = {id(held): held for outcome in outcomes if isinstance(held := outcome.documents, Documents)}
    with ExitStack() as reading:
        for documents in shared.values():
            reading.enter_context(documents.read_by(name, reward.fields))
        return _held_to_contract(reward, name, outcomes)


def _held_to_contract(reward: Reward, name: str, outcomes: Sequence[Outcome]) -> list[float]:
    try:
        answers = reward.score(outcomes)
    except (PluginFault, EngineDown):
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(
            f"{name} raised {type(error).__name__}: {error}, while scoring {_where(reward, outcomes)}."
        ) from error
    if not isinstance(answers, Sequence | np.ndarray) or isinstance(answers, str):
        raise PluginFault(f"{name} gave {type(answers).__name__}, not a list of numbers.")
    if len(answers) != len(outcomes):
        raise PluginFault(
            f"{name} gave {len(answers)} values for {len(outcomes)} outcomes, while scoring {_where(reward, outcomes)}. It must "
            "give one each, in order."
        )
    low, high = min(reward.range), max(reward.range)
    applies: dict[tuple[str, int], bool] = {}
    for outcome, answer in zip(outcomes, answers, strict=True):
        where = f"for query '{outcome.query.id}'"
        if applies.setdefault((outcome.query.id, outcome.group), answer is not None) is not (answer is not None):
            raise PluginFault(
                f"{name} applies to some completions {where} and gave None for others. None means that it does not"
                " apply to the query, so it must be given for all of a group or for none."
            )
        if answer is None:
            continue
        if not isinstance(answer, Real):
            raise PluginFault(f"{name} gave {answer!r} {where}: it must be a number, or None where it does not apply.")
        if not low - TOLERANCE <= answer <= high + TOLERANCE:
            hint = " Where it does not apply to a query, give None." if math.isnan(answer) else ""
            raise PluginFault(f"{name} gave {answer!r} {where}, outside its range {low:g} to {high:g}.{hint}")
    return [math.nan if answer is None else float(answer) for answer in answers]


def _where(reward: Reward, outcomes: Sequence[Outcome]) -> str:
    """The first query for which a reward fails when asked about one query at a time, in words."""
    by_query: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_query.setdefault(outcome.query.id, []).append(outcome)
    for query, own in by_query.items():
        try:
            right = len(reward.score(own)) == len(own)
        except (Exception, SystemExit):  # the failure that is being located
            right = False
        if not right:
            return f"query '{query}'"
    return f"{len(by_query)} queries at once, from '{next(iter(by_query))}' on"
