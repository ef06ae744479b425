"""Asking a policy for a passage of prose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leser.prompt import Message

if TYPE_CHECKING:
    from leser.policy.options import PolicyOptions
    from leser.policy.policy import Policy


_END = re.compile(r"\n\s*\n|\n\s*Query:")


class PassageWriter:
    """The untrained policy as a writer of passages; its weights are loaded on the first call and kept."""

    def __init__(self, options: PolicyOptions) -> None:
        self.options = options
        self._policy: Policy | None = None

    def __call__(
        self,
        prompts: Sequence[Sequence[Message]],
        most_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        sample: int = 0,
    ) -> list[str]:
        """What the policy writes after each prompt, greedily at temperature 0; turns are dropped until a prompt fits.

        The noise of a text depends on `seed`, on the prompt's own words and on the number `sample`, whoever else is asked.
        """
        from leser.policy.generate import NoiseKey, generate
        from leser.policy.loading import load_policy

        if self._policy is None:
            self._policy = load_policy(self.options)
        policy = self._policy
        encoded = [self._encode(policy, turns, policy.max_context - most_tokens) for turns in prompts]
        keys = [[NoiseKey(seed, 0, "\n".join(turn.content for turn in turns), sample)] for turns in prompts]
        samples = generate(policy, encoded, keys, max_new_tokens=most_tokens, temperature=temperature)
        return [policy.decode_prose(row[0].tokens) for row in samples]

    def _encode(self, policy: Policy, turns: Sequence[Message], limit: int) -> list[int]:
        turns = list(turns)
        while True:
            pairs = [(turn.role, turn.content) for turn in turns]
            if policy.kind == "chat":
                tokens = policy.encode_chat(pairs)
            else:
                tokens = policy.encode_text("\n\n".join(content for _, content in pairs))
            if len(tokens) <= limit or len(turns) <= 2:
                return tokens[-limit:]
            del turns[1:3]  # a question and its answer


def writes_sentences(options: PolicyOptions) -> bool:
    """Whether a policy can be asked for a passage: not `tiny`, nor a folder that holds a saved one."""
    if options.name == "tiny":
        return False
    vocabulary = Path(options.name).expanduser() / "tokenizer.json"
    if not vocabulary.is_file():
        return True
    text = vocabulary.read_text(encoding="utf-8")
    return not all(f'"{marker}"' in text for marker in ("<query>", "<terms>", "<found>", "<answer>"))


def passage_writer(options: PolicyOptions) -> PassageWriter | None:
    """The writer that BaselineContext takes: None for a policy that writes no sentences."""
    return PassageWriter(options) if writes_sentences(options) else None
