"""Options of the backend 'elasticsearch': where the server is, how a query is asked, how an index is made."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from leser.backend import BackendOptions, FieldWeights
from leser.errors import LeserError

DEFAULT_URL = ("http://localhost:9200",)
FieldsType = Literal["most_fields", "best_fields", "cross_fields", "combined_fields"]


def _split(value: Any) -> Any:
    """Addresses out of one string, once it is known that none holds a password: from here on errors may repeat them."""
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str) and "@" in one:  # whatever stands around it: a password may hold any sign, / and [ too
            # not a ValueError: pydantic's report would repeat the address, and the password with it
            raise LeserError(
                "Option url of backend 'elasticsearch' has an @ in it, as addresses with credentials have, which would end up "
                "in config.toml and logs. Give http://host:port alone, with -o user=NAME and -o password_env=VARIABLE."
            )
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _are_addresses(urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://host:port or https://host:port, several with a comma between")
    return urls


class ElasticsearchOptions(BackendOptions):
    """Options of the backend 'elasticsearch'."""

    url: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_are_addresses)] = Field(
        DEFAULT_URL, min_length=1, description="address of the server, or several with a comma between"
    )
    index: str = Field("leser-demo", min_length=1, description="index, alias or pattern to search")
    fields: FieldWeights | None = Field(
        None,
        description="fields to search and their weights, e.g. title^3,text; default: contents, or with a template the "
        "fields that its $query is searched in",
    )
    type: FieldsType | None = Field(
        None,
        description="how several fields make one score: a type of multi_match, or combined_fields; default: the "
        "template's, or most_fields (their sum, as the other engines have it)",
    )
    template: Path | None = Field(
        None,
        description="JSON file with a search body of your own: $query stands for the user's text, $expansions (if given) "
        "for the clause of the expansions",
    )
    tie_break: str | None = Field(
        None,
        description="sortable field that orders hits of one score, for replicas and changing indices (slower); default: the "
        "shard's own order",
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
    timeout: float = Field(30.0, gt=0, description="seconds to wait for an answer to one request")

    api_key_env: str | None = Field(None, description="environment variable that holds the API key (encoded)")
    bearer_env: str | None = Field(None, description="environment variable that holds a bearer token")
    user: str | None = Field(None, description="user name for basic authentication; needs password_env")
    password_env: str | None = Field(None, description="environment variable that holds the user's password")
    cloud_id: str | None = Field(None, description="Elastic Cloud id, instead of url")
    ca_file: Path | None = Field(None, description="certificate (PEM) of the authority that signed the server's")
    client_cert: Path | None = Field(None, description="client certificate (PEM)")
    client_key: Path | None = Field(None, description="key of the client certificate (PEM)")

    contents: tuple[str, ...] = Field(
        ("title", "text"), description="fields joined, with a space between, into the field 'contents' when indexing"
    )
    analyzer: str = Field("english", description="analyzer of the text fields of a new index, e.g. english, standard")
    stopwords: str | None = Field(None, description="stop words for that analyzer, e.g. _english_; default: its own")
    k1: float = Field(0.9, ge=0, description="BM25's saturation of term frequency, of a new index")
    b: float = Field(0.4, ge=0, le=1, description="BM25's share of length normalisation, of a new index")
    shards: int = Field(1, ge=1, description="primary shards of a new index")
    replicas: int = Field(0, ge=0, description="replicas of a new index")
    existing: Literal["refuse", "recreate", "append"] = Field(
        "refuse", description="what `leser index` does with an index that is already there"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        ways = [name for name in ("api_key_env", "bearer_env", "user") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ValueError(f"give one way to log in, not {' and '.join(ways)}")
        for one, other in (("user", "password_env"), ("vector_field", "vector_function")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"{one} and {other} go together")
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key needs client_cert")
        if self.cloud_id is not None and self.url != DEFAULT_URL:
            raise ValueError("give cloud_id or url, not both")
        if self.type == "combined_fields" and any(weight < 1 for weight in (self.fields or {}).values()):
            raise ValueError("combined_fields takes weights of 1 or more")
        return self

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
            "bearer_env",
            "ca_file",
            "client_cert",
            "client_key",
        )
        said = []
        for name in names:
            value = getattr(self, name)
            if value is not None and value != DEFAULT_URL:
                said.append(f"{name}={','.join(value) if isinstance(value, tuple) else value}")
        return " ".join(f"-o {shlex.quote(one)}" for one in [*said, f"index={self.index}"])
