"""A policy whose prompts show words of an encoder's nearest documents: what fails for one query is that query's alone."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w
from inspected_runs import said
from leser_judges import EncoderSimilarity
from leser_judges.encoder import Encoder
from leser_judges.similarity import open_vectors
from leser_memory import MemoryBackend

from leser.errors import LeserError
from leser.inspect.opening import configured, open_folder
from leser.reward import parse_spec
from leser.serving.live import LiveProposer
from leser.serving.options import ServingOptions
from leser.similarity import EncodingFailed

OPTIONS = ServingOptions(hung_s=600, sure_title=False)
NEW = ["zinc kettle", "a very soft chair", "lamp for reading at night"]


@pytest.fixture(scope="module")
def vectors(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vectors of the run's documents, in a cache that has no room for one more."""
    cache = tmp_path_factory.mktemp("vectors")
    config, _ = configured(open_folder(made))
    reward = EncoderSimilarity(parse_spec(f"encoder(cache={str(cache)!r})@10"))
    corpus = MemoryBackend(MemoryBackend.Options(documents=Path(config.task.name)))
    reward.nearest_documents(corpus.fetch(corpus_ids(Path(config.task.name)), ("title",)).values())
    return cache


def corpus_ids(task: Path) -> list[str]:
    return [json.loads(line)["_id"] for line in (task / "corpus.jsonl").read_text().splitlines()]


def served(made: Path, folder: Path, cache: Path, room: float) -> Path:
    run = shutil.copytree(made, folder / "run")
    config = tomllib.loads((run / "config.toml").read_text())
    config["rewards"]["weights"] = ["nDCG@10", f"encoder(cache={str(cache)!r}, cache_gib={room})@10=0.1"]
    config["prompt"] = {**config.get("prompt", {}), "context": True, "nearest": 3, "fields": ["text"]}
    (run / "config.toml").write_text(tomli_w.dumps(config))
    return run


def fitted(made: Path, folder: Path, cache: Path) -> Path:
    """A run that keeps encoder-feedback, tuned over a small grid, as a shop without labels makes it."""
    run = folder / "feedback"
    options = "evaluation.baseline_options.encoder-feedback"
    said(
        *("fit", "--config", made / "config.toml", "--by", "encoder-feedback", "--out", run),
        *("--reward", f"encoder(cache={str(cache)!r})@10", "-o", "task.unjudged=all"),
        *("-o", 'evaluation.baselines=["encoder-feedback"]', "-o", f"{options}.terms=[2]"),
        *("-o", f"{options}.weights=[0.3]", "-o", f"{options}.words.nearest=5"),
    )
    return run


def size_of(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("vectors.bin"))


def asked(live: LiveProposer, *texts: str) -> list[str]:
    return [answer.reason for answer in live([(text, "") for text in texts])]


def test_a_full_cache_of_vectors_does_not_stop_the_answers(made: Path, vectors: Path, tmp_path: Path) -> None:
    full = size_of(vectors)
    open_vectors.cache_clear()
    live = LiveProposer(served(made, tmp_path, vectors, full / 2**30), OPTIONS)
    assert not {"engine_error", "encoder_failed", "failed"} & set(asked(live, *NEW))
    assert size_of(vectors) == full, "nothing that a user typed is written"


def test_a_query_that_the_encoder_fails_on_is_left_alone_and_the_engine_is_not_opened_again(
    made: Path, vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    open_vectors.cache_clear()
    live = LiveProposer(served(made, tmp_path, vectors, 1.0), OPTIONS)
    session, works = live._session, Encoder.encode

    def fails_on_chairs(self: Encoder, texts: list[str], *, query: bool = False) -> object:
        if any("chair" in text for text in texts):
            raise EncodingFailed("Out of memory.")
        return works(self, texts, query=query)

    monkeypatch.setattr(Encoder, "encode", fails_on_chairs)
    reasons = asked(live, *NEW)
    assert reasons[1] == "encoder_failed"
    assert not {"engine_error", "encoder_failed", "failed"} & {reasons[0], reasons[2]}
    assert live._session is session
    assert "chair" not in caplog.text.replace("Out of memory.", ""), "the log holds no query texts"
    monkeypatch.undo()
    assert asked(live, NEW[1]) != ["encoder_failed"], "it is asked again"


def test_encoder_feedback_answers_from_the_documents_alone(made: Path, vectors: Path, tmp_path: Path) -> None:
    run = fitted(made, tmp_path, vectors)
    full = size_of(vectors)
    config = tomllib.loads((run / "config.toml").read_text())
    task = Path(config["task"]["name"])
    (tmp_path / "apart").mkdir()
    shutil.copy(task / "corpus.jsonl", tmp_path / "apart")
    config["task"]["name"] = str(tmp_path / "apart")
    config["rewards"]["weights"] = [f"encoder(cache={str(vectors)!r}, cache_gib={full / 2**30})@10"]
    (run / "config.toml").write_text(tomli_w.dumps(config))
    open_vectors.cache_clear()
    live = LiveProposer(run, OPTIONS, "encoder-feedback")
    answers = live([(text, "") for text in NEW])
    assert [len(answer.expansions) for answer in answers] == [2, 2, 2]
    assert [e.weight for answer in answers for e in answer.expansions] == pytest.approx([0.3] * 6)
    assert size_of(vectors) == full
    (alone,) = live([(NEW[1], "")])
    assert alone == answers[1]


def test_another_encoder_than_it_was_fitted_with_is_refused(made: Path, vectors: Path, tmp_path: Path) -> None:
    run = fitted(made, tmp_path, vectors)
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(config.replace("encoder(cache=", "encoder(max_length=32, cache="))
    with pytest.raises(LeserError, match=r"encoder-feedback was fitted with the encoder .* Fit it anew"):
        LiveProposer(run, OPTIONS, "encoder-feedback")
