"""A chat prompt as a model's own template writes it, whatever the template makes of instructions and of the date.

Some templates refuse the role `system` (Gemma's) or leave such a turn out; there the instructions stand at the head of the
first user turn. Some write the day's date (Llama 3's): it stands still here, or a run resumed on another day would read
other prompts. Some open a reasoning unless they are asked not to (Qwen3's): they are asked to where the policy shall reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from leser.errors import LeserError

DATE = datetime(2024, 7, 26)
"""The day that Llama's templates fall back to."""
_NOW = re.compile(r"""strftime_now\(\s*(?P<quote>["'])(?P<form>.*?)(?P=quote)\s*\)""")
_WORD = re.compile(r"\w+")
_OPEN = re.compile(r"<think(ing)?>\s*$")
_BRACKETS = re.compile(r"\[/?[A-Z_]+\]|<</?[A-Z_]+>>")
"""How templates without tokens of their own mark a turn (Llama 2's [INST])."""
_INSTRUCTION, _QUESTION = "Answer in few words.", "Query: red sofa\nFound: 3"

Turns = Sequence[tuple[str, str]]
"""(role, content) of each turn of a prompt."""


class ChatTemplate:
    """Renders turns up to the point where the assistant answers.

    `folds` says that instructions are put into the first user turn. Raises LeserError for a template that cannot write a
    question at all, or leaves it out.
    """

    def __init__(self, tokenizer: Any, policy: str) -> None:
        self._tokenizer, self._policy = tokenizer, policy
        self.template = self._standing_still()
        question = ("user", _QUESTION)
        self.folds = not self._writes([("system", _INSTRUCTION), question])
        if self.folds:
            self._need(self.render([("system", _INSTRUCTION), question]))

    def render(self, turns: Turns, *, thinking: bool = False) -> str:
        """The prompt as text, its reasoning opened where it is `thinking`; raises LeserError where the template raises."""
        try:
            return self._apply(folded(turns) if self.folds else turns, thinking)
        except Exception as error:  # a template is a program of the model's makers, and may raise anything
            raise LeserError(self._said(f"cannot write a prompt: {type(error).__name__}: {error}")) from error

    def _writes(self, turns: Turns) -> bool:
        """Whether the template takes these turns and keeps the words of each."""
        try:
            text = self._apply(turns)
        except Exception:  # it refuses, which is the answer
            return False
        return all(keeps(content, text) for _, content in turns)

    def _need(self, text: str) -> None:
        if not (keeps(_QUESTION, text) and keeps(_INSTRUCTION, text)):
            raise LeserError(self._said("leaves out what a user asks"))

    @property
    def always_thinks(self) -> bool:
        """Whether a prompt opens the model's reasoning though it shall not think."""
        return _OPEN.search(self.render([("user", _QUESTION)])) is not None

    def _apply(self, turns: Turns, thinking: bool = False) -> str:
        messages = [{"role": role, "content": content} for role, content in turns]
        text: str = self._tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            chat_template=self.template,
            enable_thinking=thinking,  # Qwen3, GLM, Nemotron, SmolLM3
            thinking=thinking,  # DeepSeek, Granite
        )
        return text

    def _standing_still(self) -> str:
        """The template in whose place of the present day DATE stands."""
        try:
            template: str = self._tokenizer.get_chat_template()
        except ValueError as error:  # several templates, and none called "default"
            raise LeserError(self._said(f"cannot be chosen: {error}")) from error
        return _NOW.sub(lambda found: repr(DATE.strftime(found["form"])), template)

    def _said(self, what: str) -> str:
        return (
            f"The chat template of policy '{self._policy}' {what}. Save the model with another chat_template in its tokenizer, "
            "or with none: prompts are then plain text."
        )


class TurnMarks:
    """What a chat template sets turns apart with, which a text from outside must not be able to write.

    Special tokens, as this tokenizer finds them in a text; other added tokens that the template writes (<think>); and
    bracketed words that it writes ([INST]).
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        self._tokenizer = tokenizer
        known = tokenizer.added_tokens_decoder
        self._ids = special_ids(tokenizer) - {tokenizer.unk_token_id}
        self._ids |= {i for i, token in known.items() if str(token).strip() and str(token) in template}
        self._brackets = sorted(set(_BRACKETS.findall(template)))

    def without(self, text: str) -> str:
        """The text without any mark, also without one that only came about when another was taken out."""
        while spans := self._spans(text):
            for start, end in reversed(spans):
                text = text[:start] + text[end:]
        return text

    def _spans(self, text: str) -> list[tuple[int, int]]:
        for bracket in self._brackets:
            if (start := text.find(bracket)) >= 0:
                return [(start, start + len(bracket))]
        read = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pairs = zip(read["input_ids"], read["offset_mapping"], strict=True)
        return [(start, end) for token, (start, end) in pairs if token in self._ids and start < end]


def special_ids(tokenizer: Any) -> set[int]:
    """Ids of the tokens that are no text: those that decoding can skip."""
    added = {int(i) for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | {int(i) for i in tokenizer.all_special_ids}


def folded(turns: Turns) -> list[tuple[str, str]]:
    """The turns without the role system: its text stands at the head of the first user turn."""
    instructions = [content for role, content in turns if role == "system"]
    rest = [turn for turn in turns if turn[0] != "system"]
    first = next((place for place, (role, _) in enumerate(rest) if role == "user"), None)
    if first is None:
        return [("user", content) for content in instructions] + rest
    rest[first] = ("user", "\n\n".join([*instructions, rest[first][1]]))
    return rest


def keeps(content: str, text: str) -> bool:
    """Whether every word of `content` stands in `text`; case, white space and escaped signs may differ."""
    return set(_WORD.findall(content.casefold())) <= set(_WORD.findall(text.casefold()))
