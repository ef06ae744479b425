"""Models as they come: templates that refuse a role or write the date, tokenizers without an end token, seen by the dry run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bad_input import run_cli, shop, tables, write
from toy_policies import SHAPE
from trainings import configuration
from transformers import LlamaConfig, LlamaForCausalLM

from leser.errors import LeserError
from leser.policy.chat import folded
from leser.policy.loading import preview_policy
from leser.policy.options import PolicyOptions
from leser.policy.policy import Policy
from leser.policy.tiny import train_tokenizer

LOOP = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "[{{ 'model' if m['role'] == 'assistant' else m['role'] }}] {{ m['content'] | trim }}\n{% endfor %}"
    "{% if add_generation_prompt %}[model]{% endif %}"
)
"""Gemma's own, in other brackets."""
SILENT = "{% for m in messages if m.role != 'system' %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
LLAMA = '{% set date_string = strftime_now("%d %b %Y") %}Today Date: {{ date_string }}\n' + LOOP
TURNS = [("system", "Be brief."), ("user", 'Query: 17" sofa & <b>'), ("assistant", "none"), ("user", "Query: lamp")]
FOLDED = 'Be brief.\n\nQuery: 17" sofa & <b>'

Model = Callable[..., Path]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Saves a model of random weights with a tokenizer of bytes, with this chat template and these changes."""

    def made(template: Any = None, end: bool = True, config: Any = None, weights: int = 0) -> Path:
        tokenizer: Any = train_tokenizer(["red sofa; blue lamp"], 300)
        markers = [f"<{name}>" for name in ("query", "terms", "found", "answer")]
        folder = tmp_path / "model"
        tokenizer.chat_template = template
        if not end:
            tokenizer.eos_token = None
        tokenizer.save_pretrained(folder)
        for file in folder.glob("*.json"):  # with all four it would be a tiny policy's
            text = file.read_text()
            for marker in markers:
                text = text.replace(marker, marker.replace("<", "<a "))
            file.write_text(text)
        shape = {**SHAPE, "vocab_size": weights or len(tokenizer), "max_position_embeddings": 1024, **(config or {})}
        LlamaForCausalLM(LlamaConfig(**shape)).save_pretrained(folder)
        return folder

    return made


def preview(folder: Path) -> Policy:
    return preview_policy(PolicyOptions(name=str(folder), device="cpu"))


def dry_run(tmp_path: Path, folder: Path, *more: str) -> tuple[int, str]:
    write(tmp_path / "shop", shop({}))
    usual = ["--task", str(tmp_path / "shop"), "--backend", "memory", "--policy", str(folder), "--dry-run"]
    code, _, said = run_cli([*usual, "--out", str(tmp_path / "run"), *more])
    assert not (tmp_path / "run").exists()
    assert "Traceback" not in said
    return code, said


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (LOOP, '[system] Be brief.\n[user] Query: 17" sofa & <b>\n[assistant] none\n[user] Query: lamp\n[assistant]'),
        (GEMMA, f"[user] {FOLDED}\n[model] none\n[user] Query: lamp\n[model]"),
        (SILENT, f"[user] {FOLDED}\n[assistant] none\n[user] Query: lamp\n"),
        (LLAMA, 'Today Date: 26 Jul 2024\n[system] Be brief.\n[user] Query: 17" sofa & <b>\n[assistant] none\n[user] Query: '
         "lamp\n[assistant]"),
    ],
    ids=["takes a system turn", "refuses it", "leaves it out", "writes the date"],
)  # fmt: skip
def test_instructions_reach_the_model_whatever_the_template(model: Model, template: str, expected: str) -> None:
    policy = preview(model(template))
    assert policy.decode(policy.encode_chat(TURNS)) == expected.lower()  # the tokenizer is one of small letters
    assert policy.chat.render(TURNS) == expected


def test_folding() -> None:
    assert folded(TURNS) == [("user", FOLDED), *TURNS[2:]]
    assert folded(TURNS[1:]) == TURNS[1:]
    assert folded(TURNS[:1]) == [("user", "Be brief.")]


def test_the_dry_run_says_where_the_instructions_stand_and_the_training_goes_well(tmp_path: Path, model: Model) -> None:
    """An end token that only config.json names, and that is no special token, is no part of what was written."""
    folder = model(GEMMA, end=False)
    code, said = dry_run(tmp_path, folder)
    assert code == 0, said
    assert "takes no system turn: the instructions stand at the head of the first user turn." in said
    changes: dict[str, Any] = {
        "policy": {"name": str(folder), "tiny": {}},
        "warmup": {"enabled": False},
        "training": {"steps": 1, "queries_per_step": 2, "max_new_tokens": 6},
        "evaluation": {**tables(tmp_path)["evaluation"], "prompted": True},
    }
    code, _, said = run_cli(["--config", str(configuration(tmp_path, **changes)), "--out", str(tmp_path / "run")])
    assert code == 0, said
    policy = preview(folder)
    assert policy.eos_ids == (2,)
    assert policy.decode(policy.encode_completion("sofa; lamp")) == "sofa; lamp"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('needs a tool') }}", "cannot write a prompt: TemplateError: needs a tool"),
        ("{{ tools[0].name }}" + LOOP, "cannot write a prompt: UndefinedError"),
        ("{% for m in messages %}", "cannot write a prompt: TemplateSyntaxError"),
        ("{% for m in messages %}[{{ m.role }}]\n{% endfor %}", "leaves out what a user asks"),
        (
            "{% for m in messages if m.role == 'assistant' %}{{ raise_exception('no answers, please') }}{% endfor %}"
            + LOOP,
            "cannot write a prompt: TemplateError: no answers, please",
        ),
    ],
    ids=["raises", "needs tools", "is broken", "drops the question", "refuses the examples of `prompted`"],
)
def test_a_template_that_cannot_write_a_prompt_is_an_error_of_the_dry_run(
    tmp_path: Path, model: Model, template: str, said: str
) -> None:
    code, answer = dry_run(tmp_path, model(template))
    assert (code, said in answer) == (2, True), answer
    assert "Save the model with another chat_template in its tokenizer, or with none" in answer


def test_without_an_end_token_no_completion_could_end(tmp_path: Path, model: Model) -> None:
    code, said = dry_run(tmp_path, model(LOOP, end=False, config={"eos_token_id": None}))
    assert (code, "names an end token, so no completion could end" in said) == (2, True), said


def test_a_tokenizer_that_knows_more_tokens_than_the_model(tmp_path: Path, model: Model) -> None:
    code, said = dry_run(tmp_path, model(LOOP, weights=120))
    assert (code, "holds 120 tokens, but its tokenizer writes number" in said) == (2, True), said


def test_a_context_without_room_for_passages(tmp_path: Path, model: Model) -> None:
    code, said = dry_run(tmp_path, model(LOOP), "-o", "policy.max_context=70")
    assert (code, "70 tokens, too few for the passages of 64" in said) == (2, True), said


def test_a_device_that_is_not_there(tmp_path: Path, model: Model) -> None:
    code, said = dry_run(tmp_path, model(LOOP), "-o", "policy.device=cuda:99")
    assert (code, "policy.device 'cuda:99' cannot be used here" in said) == (2, True), said


def test_a_tokenizer_that_cannot_be_read(tmp_path: Path, model: Model) -> None:
    folder = model(LOOP)
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Unknown"}}')
    code, said = dry_run(tmp_path, folder)
    assert (code, "could not be loaded from" in said) == (2, True), said
    with pytest.raises(LeserError, match="could not be loaded"):
        preview(folder)
