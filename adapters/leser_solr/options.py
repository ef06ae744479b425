"""Options of the backend 'solr', checked before anything connects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from leser.adapter import IndexOptions, ServerOptions, check_address, refuse_credentials


class SolrOptions(ServerOptions, IndexOptions):
    """Options of the backend 'solr'."""

    renamed: ClassVar[Mapping[str, str]] = {"ties_by_id": "ties"}

    url: str = Field("http://localhost:8983/solr", description="address of Solr; it ends in /solr as a rule")
    index: str = Field("leser-demo", pattern=r"^[\w.\-]+$", description="core, collection or alias to search")
    escape: bool = Field(
        True,
        description="with a template: take the user's text as plain words; false leaves the operators of the template's "
        "parser (+, -, quotes) to the user. A model's text has no operators either way",
    )
    handler: str = Field("/select", pattern=r"^/[\w/.\-]+$", description="request handler that is searched")
    threads: int = Field(8, ge=1, description="requests of one batch under way at once")
    analysis: Literal["english", "standard"] = Field(
        "english",
        description="when indexing, english: possessives, stop words and Porter stems; standard: words and lower case",
    )
    configset: str = Field("_default", description="when indexing: the configset a new core or collection starts from")
    shards: int = Field(1, ge=1, description="when indexing: shards of a new SolrCloud collection")
    replicas: int = Field(0, ge=0, description="when indexing: copies of each of its shards beside the first")

    @field_validator("url", mode="before")
    @classmethod
    def _without_secrets(cls, url: object) -> object:
        refuse_credentials(str(url).partition("?")[0], "solr")
        return url

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        check_address(url, "http://localhost:8983/solr")
        return url.rstrip("/")
