"""`tiny`: a policy of a few million parameters, made from a configuration and the task's own text.

The tokenizer is a byte-level BPE over lower-cased text. Each piece of text begins with a space that decoding takes
away, so that a word is the same token at the start of a completion and in its middle. The pre-training teaches the
language of the task's documents and queries; how to answer a prompt is left to the warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from leser.characters import well_formed
from leser.errors import LeserError
from leser.policy.copying import ROPE_THETA, write_copying
from leser.policy.options import TinyOptions, check_shape
from leser.policy.policy import MARKERS, Policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
SYNTAX = ("none", "sofa; leather couch ^0.5; chair ^1.5; rug ^2", "nothing few some many plenty")
"""What completions and prompts hold beside the task's own words; always among what the tokenizer learns from."""


def build_tiny(texts: Iterable[str], options: TinyOptions) -> Policy:
    """A `tiny` policy: tokenizer learned from `texts`, weights pre-trained on them; `options.seed` (0 where none) decides all.

    Raises LeserError when there is no text, or when the shape does not fit together.
    """
    corpus = [text for text in (" ".join(well_formed(t).split()) for t in texts) if text]
    if not corpus:
        raise LeserError(
            "Policy 'tiny' is made from the task's own text, and the task has none. Use policy smollm2 or a hub id."
        )
    check_shape(options)
    # often enough that "none" is one token, to be weighed against a shown word's
    syntax = len(corpus) if options.copying else 3
    tokenizer = train_tokenizer(corpus, options.vocabulary, syntax)
    model = make_model(len(tokenizer), options)
    if options.copying:
        write_copying(model, tokenizer, options.seed or 0)
    policy = Policy(model, tokenizer, "tiny", "tiny", (int(tokenizer.eos_token_id),), options.max_context)
    if not options.copying:  # it would be overwritten
        pretrain(policy, corpus, options)
    return policy


def train_tokenizer(corpus: Sequence[str], vocabulary: int, syntax: int = 3) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `vocabulary` tokens; any text without capitals comes back exactly from its tokens.

    `syntax` says how often SYNTAX is read beside the corpus.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS, *(f"<{name}>" for name in MARKERS)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*corpus, *SYNTAX * syntax], trainer=trainer)
    made: Any = PreTrainedTokenizerFast
    return made(  # type: ignore[no-any-return]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[f"<{name}>" for name in MARKERS],
        clean_up_tokenization_spaces=False,
    )


def make_model(vocabulary: int, options: TinyOptions) -> PreTrainedModel:
    """Random weights of the configured shape (tied head, grouped-query attention), drawn from `options.seed` alone."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    kinds: dict[str, tuple[Any, Any]] = {
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
    }
    config_class, model_class = kinds[options.architecture]
    config = config_class(
        vocab_size=vocabulary,
        hidden_size=options.d_model,
        intermediate_size=options.ffn,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.kv_heads,
        head_dim=options.d_model // options.heads,
        max_position_embeddings=options.max_context,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        **({"rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA}} if options.copying else {}),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed or 0)
        model: PreTrainedModel = model_class(config)
    return model


def pretrain(policy: Policy, corpus: Sequence[str], options: TinyOptions) -> list[float]:
    """Next-token training on rows cut at random from the joined corpus; returns every step's loss, nats a token."""
    ids = policy.tokenizer(list(corpus), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    bos, eos = int(policy.tokenizer.bos_token_id or 0), policy.eos_ids[0]
    stream = np.concatenate([np.asarray([bos, *row, eos]) for row in ids])
    length = min(options.pretrain_length, len(stream) - 1)
    rows = max(1, options.pretrain_tokens // length)
    generator = np.random.Generator(np.random.Philox(key=[options.seed or 0, 1]))
    optimizer = torch.optim.AdamW(
        policy.model.parameters(), lr=options.pretrain_lr, betas=(0.9, 0.95), weight_decay=0.01
    )
    losses = []
    for step in range(options.pretrain_steps):
        starts = generator.integers(0, len(stream) - length, size=rows)
        batch = torch.from_numpy(stream[starts[:, None] + np.arange(length + 1)]).to(policy.device)
        optimizer.param_groups[0]["lr"] = options.pretrain_lr * _rate(step, options.pretrain_steps)
        logits = policy.causal_lm(input_ids=batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    optimizer.zero_grad(set_to_none=True)
    return losses


def _rate(step: int, steps: int) -> float:
    """A tenth of the steps of rising rate, then half a cosine down to a tenth of the peak."""
    warmup = max(1, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    return 0.55 + 0.45 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))
