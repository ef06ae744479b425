"""Options of the backend 'solr', checked before anything connects."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from leser.backend import BackendOptions, FieldWeights
from leser.errors import LeserError


class SolrOptions(BackendOptions):
    """Options of the backend 'solr'."""

    url: str = Field("http://localhost:8983/solr", description="address of Solr; it ends in /solr as a rule")
    index: str = Field("leser-demo", pattern=r"^[\w.\-]+$", description="core, collection or alias to search")
    fields: FieldWeights | None = Field(
        None,
        description="fields to search and their weights, e.g. title^3,text; with a template: those that expansions are "
        "searched in; default: contents, or with a template its qf, else the qf or df of its handler",
    )
    template: Path | None = Field(
        None,
        description="JSON file with your own request parameters (defType, qf, mm, bq, fq, ...); the value $query marks "
        "the user's text, and $expansions, if it is there, the expansions' place",
    )
    escape: bool = Field(
        True,
        description="with a template: take the user's text as plain words; false leaves the operators of the template's "
        "parser (+, -, quotes) to the user. A model's text has no operators either way",
    )
    handler: str = Field("/select", pattern=r"^/[\w/.\-]+$", description="request handler that is searched")
    ties_by_id: bool = Field(
        True,
        description="equal scores in the order of their ids, whatever the server's segments and replicas are like; false "
        "takes the order of its index, and saves the server a second look at every hit",
    )
    user: str | None = Field(None, description="user name for basic authentication")
    password_env: str | None = Field(None, description="name of the environment variable that holds the password")
    token_env: str | None = Field(None, description="name of the environment variable that holds a bearer token")
    ca_file: Path | None = Field(None, description="certificates (PEM) of the authority to trust, for https")
    verify: bool = Field(True, description="false accepts any certificate; for tests only")
    timeout: float = Field(10.0, gt=0, description="seconds to wait for the answer to one request")
    threads: int = Field(8, ge=1, description="requests of one batch under way at once")
    contents: tuple[str, ...] = Field(
        ("title", "text"),
        description="fields joined, with a space between, into the field 'contents' when indexing",
    )
    analysis: Literal["english", "standard"] = Field(
        "english",
        description="when indexing, english: possessives, stop words and Porter stems; standard: words and lower case",
    )
    k1: float = Field(0.9, ge=0, description="when indexing: BM25's saturation of term frequency")
    b: float = Field(0.4, ge=0, le=1, description="when indexing: BM25's share of length normalisation")
    configset: str = Field("_default", description="when indexing: the configset a new core or collection starts from")
    shards: int = Field(1, ge=1, description="when indexing: shards of a new SolrCloud collection")
    replicas: int = Field(1, ge=1, description="when indexing: replicas of each of its shards")
    existing: Literal["refuse", "recreate", "append"] = Field(
        "refuse",
        description="what `leser index` does with an index that is already there; recreate deletes its documents, "
        "the core or collection itself stays",
    )

    @field_validator("url", mode="before")
    @classmethod
    def _without_secrets(cls, url: object) -> object:
        # before anything reads it as an address: a password may hold a slash, or the scheme be missing
        if "@" in str(url).partition("?")[0]:
            # no ValueError: its message would show the address, and with it the password
            raise LeserError(
                "Option url of backend 'solr' holds a user or password. Give them with -o user=NAME and -o password_env=VARIABLE."
            )
        return url

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        scheme, mark, rest = url.partition("://")
        if scheme not in ("http", "https") or not mark or not rest:
            raise ValueError("give an address like http://localhost:8983/solr")
        return url.rstrip("/")
