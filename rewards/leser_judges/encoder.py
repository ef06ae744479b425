"""Encoder: texts to vectors under any model in the format of sentence-transformers, loaded when it is first needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from leser.errors import LeserError
from leser.options import validate_options
from leser.similarity import EncodingFailed
from leser_judges.options import EncoderOptions, check_model, model_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser_judges.sentence_model import SentenceModel

_READ_AT_ONCE = 1 << 20


class Encoder:
    """A TextEncoder (leser.similarity): `Encoder.of("minilm").encode(["red sofa"])` has the shape (1, 384).

    The model's files are looked for at once and loaded at the first text. Raises LeserError where they are missing or
    broken, EncodingFailed where the model fails on a text.
    """

    def __init__(self, options: EncoderOptions) -> None:
        check_model(options)
        self.options = options

    @classmethod
    def of(cls, model: str, **options: Any) -> Self:
        """An encoder under this model, with other options by name."""
        return cls(validate_options(EncoderOptions, {"model": model, **options}, "an encoder"))

    @cached_property
    def folder(self) -> Path:
        """Where the model's files are; downloads a hub's."""
        return model_folder(self.options)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the model's files and of what else changes a vector: prompts and length."""
        return digest_of(self.folder, [self.options.max_length, *self.prompts])

    @cached_property
    def prompts(self) -> tuple[str, str]:
        """What is put before a query and before a document: the options', else what the model's files say, else nothing."""
        path = self.folder / "config_sentence_transformers.json"
        try:
            own = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise LeserError(f"{path} is not valid JSON: {error}. Download the encoder again.") from error
        named = own.get("prompts") or {}
        default = named.get(own.get("default_prompt_name") or "", "")
        passage = next((named[name] for name in ("document", "passage", "corpus") if named.get(name)), default)
        asked, read = self.options.query_prompt, self.options.document_prompt
        return (named.get("query") or default) if asked is None else asked, passage if read is None else read

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """Vectors of length 1, shape (texts, dimension). Raises EncodingFailed, also for a vector that is not finite."""
        prompt = self.prompts[0 if query else 1]
        vectors = self._model.encode([prompt + text for text in texts], self.options.batch_size)
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=-1)).tolist() if texts else []
        if broken:
            raise EncodingFailed(
                f"Encoder '{self.options.model}' gave numbers that are not finite for '{texts[broken[0]][:80]}'."
            )
        return vectors

    @cached_property
    def _model(self) -> SentenceModel:
        from leser_judges.sentence_model import SentenceModel

        return SentenceModel(self.folder, max_length=self.options.max_length, device=self.options.device)


def digest_of(folder: Path, settings: Sequence[object]) -> str:
    """A digest of a model's files and of the settings that change what it computes."""
    digest = hashlib.blake2b(digest_size=16)
    kept = [p for p in sorted(folder.rglob("*")) if p.suffix in (".json", ".safetensors", ".txt", ".model")]
    for path in kept:
        digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(_READ_AT_ONCE):
                digest.update(block)
    digest.update(json.dumps(list(settings)).encode())
    return digest.hexdigest()
