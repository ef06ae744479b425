"""Weights of `tiny` that copy from the first step on: the words that a prompt shows are said in their order, then the end.

Copying needs two attention layers that work together (an induction head: Olsson et al., "In-context Learning and Induction
Heads", 2022). Trained from nothing they take thousands of steps to form; here they are written into the random weights:

- Layer 0, heads 0 and 1: attend one and two places back and write what stands there into parts of the residual stream of
  their own. RoPE alone decides: query and key are constant, their phases peak at that distance.
- Layer 1, head 0: after <answer> or ";" it looks for the place whose previous token is the one before the ";" (after <answer>:
  is <terms>), and promotes the token there: the next shown word. Head 2 does the same less strongly with the token before the
  previous one: the word after the next. What a training makes of it is which words are left out.
- Layer 1, head 1: inside a word it looks for the place whose previous token is the current one. A token that continues a word
  is promoted; one that begins a word means ";", and <answer> means the end, as the shown words have been said. So it does
  after "none".
- Layer 1, head 3: after <answer> it promotes "none" nearly as much as the first word: one sample in ten or so leaves the query
  alone, as nothing can be reinforced that is never sampled.

All else stays random, and everything is trained further. The weights are those of an ordinary Qwen3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from leser.expansion import NONE

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ROPE_THETA = 1e6
"""Base of the rotation: half of the pairs must hardly turn over a prompt, so that content can be compared at any distance."""
SLOW = 0.03
"""Radians per token below which a pair compares content."""
FLAGS = 8
CONSTANT, GATE, BARRED, ANSWER, TERMS, FIRST, BEGINS, ALONE = range(FLAGS)
"""Dimensions of the residual stream by what they mark: all tokens; <answer> and ";"; ";" and marks before the answer; <answer>;
<terms>; <bos>; tokens that begin a word; "none"."""
FLAG = 0.25
"""What a flag is worth in an embedding: little, because embeddings are the head, too; whoever reads one multiplies it up."""
SHARP_BACK, SHARP_MATCH, SHARP_HEAD = 2.4, 2.2, 2.0
"""Weights of the query's and key's norms in layer 0 and in layer 1, and of the norm before the tied head."""
SAID, SKIPPED, ENDS, NOTHING = 4.0, 3.2, 2.0, 2.4
"""How strongly layer 1 promotes the next word, the word after it, ";" or the end beside the next word, and "none"."""
DOUBT, INSIDE = 0.5, 0.4
"""What the token before counts beside the one that is compared, as words share endings; the penalty of a key inside a word for a
query that looks for the next word."""

PENALTY, REST = 2.5, 3.0
"""Of keys that nothing may attend to, and of queries that are to rest at <bos>, where nothing is read; content has about 1.2."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where things stand in the residual stream and in a head."""

    head: int
    group: int  # query heads per key/value head
    slow: tuple[int, ...]  # dimensions of a head that compare content
    bias: tuple[
        int, int, int, int
    ]  # four more of them: penalties of keys barred and inside words, rest at <bos>, <answer>

    @property
    def identity(self) -> slice:
        """Which token it is."""
        return slice(FLAGS, FLAGS + self.head - 2)

    def back(self, distance: int) -> slice:
        """Which token stood `distance` places back: as `identity`, then whether it was <terms> or <answer>: a list begins."""
        first = FLAGS + self.head - 2 + (distance - 1) * (self.head - 1)
        return slice(first, first + self.head - 1)


def write_copying(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    """Write the copying heads into a Qwen3 of random weights; what is drawn for them depends on `seed` alone."""
    config: Any = model.config
    inner: Any = model
    half = config.head_dim // 2
    frequencies = ROPE_THETA ** (-np.arange(half) / half)
    pairs = [pair for pair in range(half) if frequencies[pair] < SLOW]
    content = [place for pair in pairs[:-4] for place in (pair, pair + half)]
    shape = _Shape(
        config.head_dim,
        config.num_attention_heads // config.num_key_value_heads,
        tuple(content),
        (pairs[-4], pairs[-3], pairs[-2], pairs[-1]),
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        embeddings = inner.get_input_embeddings().weight
        _embed(embeddings, tokenizer, shape, generator)
        layers = inner.model.layers
        for written in (layers[0].self_attn.o_proj.weight, layers[0].mlp.down_proj.weight):
            written[: shape.back(2).stop] = 0.0  # what layer 1 reads is not blurred
        _look_back(layers[0].self_attn, shape, frequencies, config.max_position_embeddings)
        ends = [embeddings[token, shape.identity].clone() for token in (_separator(tokenizer), config.eos_token_id)]
        _match(layers[1].self_attn, shape, generator, ends)
        inner.model.norm.weight.fill_(SHARP_HEAD)


def _separator(tokenizer: PreTrainedTokenizerFast) -> int:
    (token,) = tokenizer("a;", add_special_tokens=False)["input_ids"][-1:]
    return int(token)


def _none(tokenizer: PreTrainedTokenizerFast) -> int:
    return int(tokenizer(NONE, add_special_tokens=False)["input_ids"][0])


def _embed(weight: torch.Tensor, tokenizer: Any, shape: _Shape, generator: torch.Generator) -> None:
    """Random identities of length 1, and the flags; nothing where layer 0 writes."""
    weight[:, : shape.back(2).stop] = 0.0
    drawn = torch.randn(len(weight), shape.head - 2, generator=generator)
    weight[:, shape.identity] = torch.nn.functional.normalize(drawn, dim=1).to(weight)
    marks = [int(tokenizer.convert_tokens_to_ids(f"<{name}>")) for name in ("answer", "terms", "query", "found")]
    first, separator = int(tokenizer.bos_token_id), _separator(tokenizer)
    weight[[first, *marks], shape.identity] = 0.0
    weight[:, CONSTANT] = FLAG
    flagged = {GATE: [marks[0], separator], BARRED: [separator, *marks[1:]], ANSWER: marks[:1], TERMS: marks[1:2]}
    for flag, tokens in flagged.items():
        weight[tokens, flag] = FLAG
    weight[first, FIRST] = FLAG
    begins = [id for token, id in tokenizer.get_vocab().items() if token.startswith("\u0120")]
    weight[begins, BEGINS] = FLAG
    weight[_none(tokenizer), shape.identity] = 0.0
    weight[_none(tokenizer), ALONE] = 1.0  # its identity: no other token is a little like it


def _look_back(attention: Any, shape: _Shape, frequencies: np.ndarray, length: int) -> None:
    """Heads 0 and 1 of the first key/value head: one and two places back."""
    amplitudes = np.sqrt(_peaked(frequencies, length))
    half = shape.head // 2
    key = attention.k_proj.weight[: shape.head]
    key.zero_()
    key[:half, CONSTANT] = torch.from_numpy(amplitudes).to(key)
    value = attention.v_proj.weight[: shape.head]
    value.zero_()
    read = torch.arange(shape.head - 2)
    value[read, read + FLAGS] = 0.08  # values of about length 1: an update of the output then moves little
    value[shape.head - 2, [TERMS, ANSWER]] = 0.13  # as large as an identity, which these lack
    for head in (0, 1):
        rows = slice(head * shape.head, (head + 1) * shape.head)
        query, out = attention.q_proj.weight[rows], attention.o_proj.weight[:, rows]
        query.zero_()
        turned = -(head + 1) * frequencies  # so that query and key agree at this distance
        query[:half, CONSTANT] = torch.from_numpy(amplitudes * np.cos(turned)).to(query)
        query[half:, CONSTANT] = torch.from_numpy(amplitudes * np.sin(turned)).to(query)
        out.zero_()
        written = shape.back(head + 1)
        out[torch.arange(written.start, written.stop), torch.arange(shape.head - 1)] = 1.0
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(SHARP_BACK)


def _peaked(frequencies: np.ndarray, length: int) -> np.ndarray:
    """Shares of the frequencies whose sum of cosines is least elsewhere beside what it is at 0; geometric, the best of a grid."""
    apart = np.arange(1, length)
    falls = 1 - np.cos(np.outer(apart, frequencies))
    shares = [rate ** np.arange(len(frequencies)) for rate in np.linspace(0.2, 0.95, 31)]
    return max((share / share.sum() for share in shares), key=lambda share: float((falls @ share).min()))


def _match(attention: Any, shape: _Shape, generator: torch.Generator, ends: list[torch.Tensor]) -> None:
    """Heads 0 (next word), 1 (inside a word) and, with the second key/value head, `group` (the word after the next)."""
    size, content = shape.head, list(shape.slow)
    barred, inside, rest, answer = shape.bias
    compare, before = (torch.linalg.qr(torch.randn(size - 1, len(content), generator=generator))[0].T for _ in range(2))
    before = DOUBT * before
    identity = range(shape.identity.start, shape.identity.stop)
    for number in (0, 1):  # keys and values
        rows = slice(number * size, (number + 1) * size)
        key, value = attention.k_proj.weight[rows], attention.v_proj.weight[rows]
        key.zero_()
        value.zero_()
        key[content, shape.back(number + 1)] = compare.to(key)
        if number == 0:
            key[content, shape.back(2)] = before.to(key)
        key[barred, BARRED] = -PENALTY / FLAG
        inner = (INSIDE if number == 0 else PENALTY) / FLAG  # head 1 must still see what continues a word
        key[inside, CONSTANT], key[inside, BEGINS] = -inner, inner
        key[rest, FIRST] = REST / FLAG
        key[answer, ANSWER] = (REST if number else 0.7) / FLAG
        value[range(size - 2), identity] = 1.0
        value[size - 2, BEGINS], value[size - 1, ANSWER] = 1.0 / FLAG, 1.0 / FLAG
    for head, strength in ((0, SAID), (1, SAID), (shape.group, SKIPPED)):
        rows = slice(head * size, (head + 1) * size)
        query, out = attention.q_proj.weight[rows], attention.o_proj.weight[:, rows]
        query.zero_()
        out.zero_()
        query[barred, CONSTANT] = 1.0 / FLAG
        if head == 1:
            query[content, shape.identity] = compare[:, :-1].to(query)
            for distance in (1, 2):  # the token before may be a ";", which the shown list has not
                query[content, shape.back(distance)] = before.to(query)
            query[rest, CONSTANT], query[rest, GATE] = 0.3 / FLAG, REST / FLAG
            query[answer, ALONE] = REST
        else:
            query[inside, CONSTANT] = 1.0 / FLAG
            query[content, shape.back(1)] = compare.to(query)
            if head == 0:
                query[content, shape.back(2)] = before.to(query)
            query[content, ANSWER] = 4.0 / FLAG * compare[:, -1].to(query)
            query[rest, CONSTANT] = REST / FLAG
            query[rest, GATE] = ((0.3 if head == 0 else 0.6) - REST) / FLAG
        out[identity, range(size - 2)] = strength / 6
        if head == 1:
            out[shape.identity, size - 2] = ENDS * strength / 6 * ends[0]
            out[shape.identity, size - 1] = ENDS * strength / 6 * ends[1]
    rows = slice((shape.group + 1) * size, (shape.group + 2) * size)
    query, out = attention.q_proj.weight[rows], attention.o_proj.weight[:, rows]
    query.zero_()
    out.zero_()
    query[answer, ANSWER], query[rest, CONSTANT] = REST / FLAG, 1.0 / FLAG
    out[ALONE, size - 1] = NOTHING / 6
    for norm in (attention.q_norm, attention.k_norm):
        norm.weight.fill_(SHARP_MATCH)
