"""Options of the backend 'elasticsearch': where the server is, how a query is asked, how an index is made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from leser.adapter import INDEX_ORDER, IndexOptions, ServerOptions, check_address, refuse_credentials

DEFAULT_URL = ("http://localhost:9200",)
FieldsType = Literal["most_fields", "best_fields", "cross_fields", "combined_fields"]


def _split(value: Any) -> Any:
    """Addresses out of one string, once it is known that none holds a password: from here on errors may repeat them."""
    refuse_credentials(value, "elasticsearch")
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _are_addresses(urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        check_address(url, "http://host:port or https://host:port, several with a comma between")
    return urls


class ElasticsearchOptions(ServerOptions, IndexOptions):
    """Options of the backend 'elasticsearch'."""

    renamed: ClassVar[Mapping[str, str]] = {"analyzer": "analysis", "bearer_env": "token_env", "tie_break": "ties"}

    url: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_are_addresses)] = Field(
        DEFAULT_URL, min_length=1, description="address of the server, or several with a comma between"
    )
    index: str = Field("leser-demo", min_length=1, description="index, alias or pattern to search")
    type: FieldsType | None = Field(
        None,
        description="how several fields make one score: a type of multi_match, or combined_fields; default: the "
        "template's, or most_fields (their sum, as the other engines have it)",
    )
    preference: str | None = Field(
        "leser", description="any word: searches with the same one ask the same copies of the shards, so scores repeat"
    )
    search_type: Literal["query_then_fetch", "dfs_query_then_fetch"] = Field(
        "query_then_fetch",
        description="dfs_query_then_fetch counts terms over all shards: the same scores however it is split",
    )
    vector_field: str | None = Field(None, description="dense_vector field to search too; needs vector_function")
    vector_function: str | None = Field(
        None,
        pattern=r"^[\w.]+:[\w.]+$",
        description="MODULE:FUNCTION that takes a list of texts and returns a vector for each",
    )
    vector_weight: float = Field(1.0, gt=0, description="factor of the vector's similarity beside the words' score")
    vector_candidates: int = Field(
        100, ge=1, le=10_000, description="nearest documents that a vector brings in, per shard"
    )
    max_clauses: int = Field(
        4096, ge=1, description="most words times fields in a query with its terms; more is refused, not sent"
    )
    max_concurrent_searches: int | None = Field(
        None, ge=1, description="searches of one batch the server runs at once; default: the server's own choice"
    )

    api_key_env: str | None = Field(None, description="environment variable that holds the API key (encoded)")
    cloud_id: str | None = Field(None, description="Elastic Cloud id, instead of url")
    client_cert: Path | None = Field(None, description="client certificate (PEM)")
    client_key: Path | None = Field(None, description="key of the client certificate (PEM)")

    analysis: str = Field(
        "english", description="when indexing: the analyzer of text fields, e.g. english, german, standard"
    )
    stopwords: str | None = Field(
        None, description="when indexing: stop words of that analyzer, e.g. _english_; default: its own"
    )
    shards: int = Field(1, ge=1, description="when indexing: primary shards")
    replicas: int = Field(0, ge=0, description="when indexing: copies of each shard beside the first")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.vector_field is None) != (self.vector_function is None):
            raise ValueError("vector_field and vector_function belong together")
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key needs client_cert")
        if self.cloud_id is not None and self.url != DEFAULT_URL:
            raise ValueError("give cloud_id or url, not both")
        if self.type == "combined_fields" and any(weight < 1 for weight in (self.fields or {}).values()):
            raise ValueError("combined_fields takes weights of 1 or more")
        return self

    @property
    def sort_field(self) -> str | None:
        """The field that orders hits of one score; None: the shard's own order, which it has unless another is requested."""
        return None if self.ties == INDEX_ORDER else self.ties

    @property
    def place(self) -> str:
        """Where the server is, in words."""
        return f"Elastic Cloud {self.cloud_id.partition(':')[0]}" if self.cloud_id else ", ".join(self.url)

    def as_flags(self) -> str:
        """The `-o` options that lead to this server and index, for commands in messages."""
        names = (
            "url",
            "cloud_id",
            "user",
            "password_env",
            "api_key_env",
            "token_env",
            "ca_file",
            "client_cert",
            "client_key",
        )
        said = [] if self.verify else ["verify=false"]
        for name in names:
            value = getattr(self, name)
            if value is not None and value != DEFAULT_URL:
                said.append(f"{name}={','.join(value) if isinstance(value, tuple) else value}")
        return " ".join(f"-o {shlex.quote(one)}" for one in [*said, f"index={self.index}"])
