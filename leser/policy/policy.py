"""Policy: a causal language model with its tokenizer, and the few things training asks of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from leser.characters import SUBSTITUTE, well_formed
from leser.errors import LeserError
from leser.policy.attention import SharedPrefix
from leser.policy.chat import ChatTemplate, TurnMarks, special_ids
from leser.policy.merging import merged, weights_of
from leser.policy.options import PrecisionName

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Kind = Literal["chat", "tiny", "text"]
_THOUGHT = re.compile(r"</?think(ing)?>")
MARKERS = ("query", "terms", "found", "answer")
"""Parts of a `tiny` prompt; each has a special token, <query> and so on, which the user's own text cannot write."""


@dataclass
class Policy:
    """A model that writes completions.

    `kind` says how prompts are written: "chat" (the tokenizer has a chat template), "tiny" (parts after the special
    tokens MARKERS) or "text" (plain text). `model` may be a PeftModel. Token lists are prompts or completions without
    padding; a completion that ended by itself includes its end token.
    """

    model: torch.nn.Module
    tokenizer: Any  # a fast tokenizer of transformers
    name: str
    kind: Kind
    eos_ids: tuple[int, ...]
    max_context: int
    gradient_checkpointing: bool = False
    precision: PrecisionName = "fp32"
    adapter: str = ""  # adapters that its passes use where they are not the trained ones
    shared: SharedPrefix = field(default_factory=SharedPrefix)
    learner: Policy | None = None  # the same policy in shards, which updates are made with (leser.policy.sharding)
    root: torch.nn.Module | None = None  # of a learner: what its training passes go through

    @property
    def causal_lm(self) -> PreTrainedModel:
        """The Hugging Face model itself, inside any adapter wrapper (adapters stay active)."""
        inner: Any = self.model
        return inner.get_base_model() if hasattr(inner, "peft_config") else inner  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def configuration(self) -> str:
        """The config.json of the saved model, as a text."""
        config: Any = self.causal_lm.config
        values = config.to_dict()
        values.pop("quantization_config", None)  # what is saved are whole weights
        values["architectures"] = values.get("architectures") or [type(self.causal_lm).__name__]  # saving adds it
        return json.dumps(values, default=str)

    @cached_property
    def chat(self) -> ChatTemplate:
        """The chat template of a policy of kind "chat", tried out; raises LeserError for one that cannot write a prompt."""
        return ChatTemplate(self.tokenizer, self.name)

    @cached_property
    def _marks(self) -> TurnMarks:
        return TurnMarks(self.tokenizer, self.chat.template)

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(special_ids(self.tokenizer))

    def encode_chat(self, turns: Sequence[tuple[str, str]], *, thinking: bool = False) -> list[int]:
        """Token ids of (role, content) turns up to the point where the assistant answers, or thinks where it is `thinking`.

        What marks a turn is dropped from contents: text is data. Raises LeserError for a tiny policy, and for a chat template
        that cannot write these turns.
        """
        if self.kind == "tiny":
            raise LeserError(f"Policy '{self.name}' is a tiny policy and reads no chat: use encode_marked.")
        if self.kind == "text":
            return self.encode_text("\n\n".join(content for _, content in turns) + "\n")
        safe = [(role, self._marks.without(well_formed(content))) for role, content in turns]
        text = self.chat.render(safe, thinking=thinking)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a plain-text prompt after the model's own start token, where it has one; text is data."""
        bos = self.tokenizer.bos_token_id
        return ([] if bos is None else [int(bos)]) + self._encode_data(text)

    def encode_marked(self, parts: Mapping[str, str]) -> list[int]:
        """Token ids of a `tiny` prompt: each part after its marker, in order, then the mark of the answer.

        `parts` maps marker names (query, terms, found) to text, which is data. Raises LeserError for an unknown name
        or a policy of another kind.
        """
        if self.kind != "tiny":
            raise LeserError(f"Policy '{self.name}' knows no prompt markers (it is of kind '{self.kind}').")
        ids = [int(self.tokenizer.bos_token_id or 0)]
        for name, text in (*parts.items(), ("answer", "")):
            if name not in MARKERS:
                raise LeserError(f"Unknown prompt marker '{name}'. Available: {', '.join(MARKERS)}.")
            ids.append(int(self.tokenizer.convert_tokens_to_ids(f"<{name}>")))
            ids.extend(self._encode_data(text))
        return ids

    def encode_completion(self, text: str) -> list[int]:
        """Token ids of a finished completion, end token included: a supervised target."""
        return [*self._encode_data(text), self.eos_ids[0]]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of a completion without its end token, special or not.

        Special tokens inside are shown, after U+001A that makes the whole unreadable: skipped in silence they would be filler
        that costs nothing. Marks of a model's reasoning are shown as text.
        """
        inside = self._special.intersection(self._without_end(tokens))
        if not inside:
            return self.decode_prose(tokens)
        text = self.tokenizer.decode(self._without_end(tokens), clean_up_tokenization_spaces=False)
        thoughts = all(_THOUGHT.fullmatch(self.tokenizer.decode([token])) for token in inside)
        return f"{'' if thoughts else SUBSTITUTE}{well_formed(str(text))}"

    def decode_prose(self, tokens: Sequence[int]) -> str:
        """The text of what is no completion, such as a passage, without special tokens."""
        kept = self._without_end(tokens)
        text = self.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return well_formed(str(text))

    def _without_end(self, tokens: Sequence[int]) -> list[int]:
        return list(tokens[:-1] if tokens and tokens[-1] in self.eos_ids else tokens)

    def save(self, folder: Path) -> None:
        """Write a `save_pretrained` folder (safetensors) that `load_policy` reads; adapters are merged into a float32 copy."""
        model: Any = merged(self.model) if hasattr(self.model, "peft_config") else self.model
        model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Names and tensors as `save` would write them, on the policy's device: what a copy of it elsewhere is made of."""
        return weights_of(self.model)

    def _encode_data(self, text: str) -> list[int]:
        if not text:
            return []
        return list(self.tokenizer(well_formed(text), add_special_tokens=False, split_special_tokens=True)["input_ids"])
