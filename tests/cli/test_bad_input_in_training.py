"""Bad input that only a training meets, in its prompts, models, index and rewards: see docs/bad-input.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bad_input import holds, run_cli, shop, tables, told, write
from bad_input_cases import TRAININGS
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from toy_policies import SHAPE, toy_model
from trainings import configuration

from leser.backend import Document
from leser.engine import SearchClient
from leser.environment import Environment
from leser.expansion import ExpansionOptions
from leser.policy.loading import load_policy
from leser.policy.options import PolicyOptions, TinyOptions
from leser.prompt import PromptOptions
from leser.reward import parse_spec
from leser.run.final_evaluation import prompt_facts
from leser.sampler import Sampler
from leser.scoring import RewardSet
from leser.task import Query

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def test_prompts_longer_than_the_context_lose_hits_and_are_counted(tmp_path: Path) -> None:
    base = tables(tmp_path)["policy"]
    short = {**base, "tiny": {**base["tiny"], "max_context": 32, "vocabulary": 300}}
    config = configuration(tmp_path, policy=short, prompt={"terms": 20})
    code, _, said = run_cli(["--config", str(config), "--out", str(tmp_path / "run")])
    message, answer = TRAININGS["prompts longer than the model's context"]
    assert code == answer, said
    assert holds(said, message), said
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["hits_dropped"] > 0


def saved_model(folder: Path, kind: str) -> Path:
    """A model of some family with random weights and a tokenizer of letters, as save_pretrained writes them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    tokenizer.train_from_iterator(
        ["red sofa; blue lamp. Search query terms: write, Top results found 0123456789"],
        trainers.BpeTrainer(vocab_size=SHAPE["vocab_size"], special_tokens=special, show_progress=False),
    )
    toy_model(kind).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "given"), [("mistral", "model with sliding-window layers"), ("lfm2", "model with convolution layers")]
)
def test_models_that_need_another_way_say_so_and_are_trained(
    tmp_path: Path, kind: str, given: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = saved_model(tmp_path / "model", kind)
    config = configuration(
        tmp_path,
        policy={"name": str(model), "tiny": {}},
        warmup={"enabled": False},
        training={"steps": 1, "queries_per_step": 2, "max_new_tokens": 6},
        prompt={"titles": 1},
    )
    code, _, said = run_cli(["--config", str(config), "--out", str(tmp_path / "run")])
    for name in (given, "model without a chat template"):
        message, answer = TRAININGS[name]
        assert code == answer, said
        assert holds(said + caplog.text, message), said + caplog.text
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["phase"] == "grpo"
    assert rows[-1]["loss"] is not None


def test_a_model_that_cannot_be_loaded_leaves_no_folder_behind(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "model", "llama")
    (model / "model.safetensors").write_bytes(b"no weights")
    config = configuration(tmp_path, policy={"name": str(model), "tiny": {}})
    code, _, said = run_cli(["--config", str(config), "--out", str(tmp_path / "run")])
    told("model folder whose weights are damaged", code, said)
    assert not (tmp_path / "run").exists()


def test_an_index_of_another_version_is_named(tmp_path: Path) -> None:
    """In processes of their own: a Java machine is not asked to live with the other tests'."""
    write(tmp_path / "shop", shop({}))
    index = tmp_path / "index"
    usual = ["--task", str(tmp_path / "shop"), "--backend", "pyserini", "-o", f"index={index}", "-o", "heap=256m"]
    console = [sys.executable, "-c", "from leser.cli.main import main; main()"]
    subprocess.run([*console, "index", *usual], check=True, capture_output=True, env=ENVIRONMENT)
    segments = next(index.glob("segments_*"))
    content = segments.read_bytes()
    at = content.index(b"segments") + len(b"segments")  # the format's number follows its name, four bytes
    segments.write_bytes(content[:at] + (4).to_bytes(4, "big") + content[at + 4 :])
    done = subprocess.run(
        [*console, "run", *usual, "--policy", "tiny", "--out", str(tmp_path / "run"), "--dry-run"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    message, answer = TRAININGS["index of an older version of Lucene"]
    assert done.returncode == answer, done.stderr
    assert holds(done.stderr, message), done.stderr
    assert "Traceback" not in done.stderr


def test_a_reward_that_fails_in_training_keeps_what_was_trained(tmp_path: Path) -> None:
    plugin = (
        "from leser.hooks import hookimpl\nfrom leser.reward import Reward\n\n"
        "class Late(Reward):\n    '''Fails on dev, which is first looked at in training.'''\n    name = 'late'\n"
        "    def score(self, outcomes):\n        return [1 / (o.split != 'dev') for o in outcomes]\n\n"
        "@hookimpl\ndef leser_rewards(): return [Late]\n"
    )
    write(tmp_path, {"late.py": plugin})
    config = configuration(tmp_path)
    given = ["--plugin", str(tmp_path / "late.py"), "--reward", "nDCG@10", "--reward", "late"]
    code, _, said = run_cli(["--config", str(config), "--out", str(tmp_path / "run"), *given])
    assert code == 2
    assert re.search(r"The reward 'late' \(leser_plugin_late\.Late\) raised ZeroDivisionError.*query 'q\d'", said), said
    assert "Stopped. Resume with: leser-run --config" in said
    assert "Traceback" not in said


def test_a_task_without_a_relevant_test_document_is_refused_at_the_start(tmp_path: Path) -> None:
    """Without a test file the split is made of the others: a training never ends with nothing to evaluate."""
    config, out = configuration(tmp_path), tmp_path / "run"
    test = tmp_path / "shop" / "qrels" / "test.tsv"
    test.write_text("query-id\tcorpus-id\tscore\nq6\td5\t0\nq7\td5\t0\n")
    arguments = ["--config", str(config), "--out", str(out), "--dry-run"]
    code, _, said = run_cli(arguments)
    assert (code, "no test query has a relevant document" in said) == (2, True)
    assert not out.exists()
    test.unlink()
    code, _, said = run_cli(arguments)
    assert (code, "Split made here" in said) == (0, True), said


def test_what_is_said_of_prompts_is_of_the_test_queries_alone() -> None:
    """Whatever else a process has asked about: one that resumes has not made the prompts of train."""
    backend = MemoryBackend.of([Document("d1", {"title": "grey couch"})])
    rewards = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])
    environment = Environment(SearchClient(backend), rewards, ExpansionOptions())
    policy = load_policy(
        PolicyOptions(tiny=TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, pretrain_steps=1)),
        task_texts=["grey couch"],
    )
    fresh, busy = (Sampler(policy, environment, PromptOptions(), 8) for _ in range(2))
    busy.prompts([Query("train", "a very long query of many many words about a grey couch")])
    asked = [Query("test", "couch")]
    assert prompt_facts(busy, asked) == prompt_facts(fresh, asked)
    assert prompt_facts(busy, asked) == {"mean_prompt_tokens": len(fresh.prompts(asked)[0]), "hits_dropped": 0}
