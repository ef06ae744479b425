"""A checked profile in words: whose shop it is, which engine and policy, what is rewarded and what is forbidden."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from leser.config.check import Checked
from leser.constraints import QueryConstraints
from leser.options import CREDENTIALS
from leser.printable import printable
from leser.rule import Rule

SHOWN = 6
"""Entries of a list that are shown; of the rest the number."""
_SAID = ("index",)
"""Options that are listed even where the profile leaves them to their default."""


def sentences_of(checked: Checked) -> list[str]:
    """The lines that say what a profile means, for a terminal."""
    lines = [*_whose(checked), "", *_with(checked), "", *_rewarded(checked), "", *_forbidden(checked)]
    return [_indented(line) for line in lines]


def _whose(checked: Checked) -> Iterator[str]:
    platform, (own, *below) = checked.config.platform, checked.profile.files
    yield f"Platform {platform.name}" + (f", locale {platform.locale}" if platform.locale else "")
    yield f"  {own}" + (f", which extends {', which extends '.join(map(str, below))}" if below else "")


def _with(checked: Checked) -> Iterator[str]:
    config, values = checked.config, checked.profile.values
    yield f"Queries: {config.task.name}{_options(values.get('task', {}), config.task.options)}"
    yield f"Engine: {config.backend.name}{_options(values.get('backend', {}), config.backend.options)}"
    yield f"Policy: {_policy(config.policy.name)}"
    how = "one search, weighted clauses" if config.expansion.mode == "boost" else "one search per expansion, fused"
    yield f"Expansions: at most {config.expansion.max_expansions}, {how} (mode {config.expansion.mode})"
    words = " ".join(config.prompt.platform.split())
    yield f'Prompt: begins "{words}"' if words else "Prompt: no words of this platform"
    ask = QueryConstraints(config.constraints.at(config.platform.locale))
    if typed := ask.kinds_in_words():
        yield f"Typed in a query and respected by every search (read as {ask.options.locale})"
        yield from (f"  {line}" for line in typed)


def _policy(name: str) -> str:
    if name == "tiny":
        return "tiny, made from the task's own text; it reads no instructions, so none of the prompt's words"
    return name


def _options(given: Mapping[str, Any], resolved: Mapping[str, Any]) -> str:
    """The options that the profile gives, and which index in any case; as they will be used."""
    keys = [*(key for key in given if key in resolved), *(k for k in _SAID if k in resolved and k not in given)]
    return "".join(f", {key} {_value(resolved[key])}" for key in keys)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        many = any(isinstance(inner, list | tuple) for inner in value.values())
        return ("; " if many else " ").join(f"{key} = {_value(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        more = f" and {len(value) - SHOWN} more" if len(value) > SHOWN else ""
        return ", ".join(map(_value, value[:SHOWN])) + more
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rewarded(checked: Checked) -> Iterator[str]:
    rewards = checked.rewards
    yield "Rewarded"
    pairs = list(zip(rewards.rewards, rewards.weights, strict=True))
    for reward, weight in pairs:
        if not reward.gate:
            yield f"  {weight:g} x {reward.spec.text}: {_first_line(type(reward))}"
    if rewards.term_cost:
        yield f"  Each expansion costs {rewards.term_cost:g}."
    gates = [reward for reward, _ in pairs if reward.gate]
    if gates:
        yield f"Required: a completion that fails earns {rewards.gated_reward:g}"
        yield from (f"  {gate.spec.text}: {_first_line(type(gate))}" for gate in gates)


def _forbidden(checked: Checked) -> Iterator[str]:
    yield f"Forbidden: earns {checked.rewards.gated_reward:g} in training, and is never served"
    for rule in checked.rules.rules:
        yield f"  {rule.name}: {_first_line(type(rule))}"
        given = checked.profile.values.get("rules", {}).get(rule.name, {})
        yield from (f"    {key}: {_value(value)}" for key, value in given.items() if key != "sentence")
        sentence = _sentence(rule)
        yield f'    The prompt says: "{sentence}"' if sentence else "    The prompt says nothing of it."


def _sentence(rule: Rule) -> str:
    given = rule.options.sentence
    return " ".join(((rule.sentence() if given is None else given) or "").split())


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "no description").partition("\n")[0].strip()


def _indented(line: str) -> str:
    text = line.lstrip()
    return " " * (len(line) - len(text)) + CREDENTIALS.sub("***@", printable(text))
