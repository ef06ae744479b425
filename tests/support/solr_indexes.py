"""Solr indexes for tests: each has a name and a configset of its own, and goes when its test does."""

from __future__ import annotations

import json
import shutil
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from os import getpid
from pathlib import Path
from typing import Any

from leser_solr import SolrBackend
from servers import Server
from servers.solr import HERE

from leser.backend import Document
from leser.options import validate_options

_numbers = count()


def options_for(server: Server, **options: Any) -> SolrBackend.Options:
    """Options that reach this server, with its credentials if it has any (tests set SOLR_TEST_PASSWORD)."""
    credentials = {"user": server.user, "password_env": "SOLR_TEST_PASSWORD"} if server.user else {}
    return validate_options(SolrBackend.Options, {"url": server.url, **credentials, **options}, "backend 'solr'")


@contextmanager
def index_name(server: Server) -> Iterator[dict[str, str]]:
    """Options `index` and `configset` of an index that is not there yet; it is removed in the end."""
    name = f"leser-{getpid()}-{next(_numbers)}"
    cloud = server.get("/admin/info/system")["mode"] == "solrcloud"
    if cloud or server.folder is None:
        configset = "_default"
    else:  # cores of one configset share its schema
        configset = name
        shutil.copytree(HERE / "configset", server.folder / "home" / "configsets" / name / "conf")
    try:
        yield {"index": name, "configset": configset}
    finally:
        remove(server, name, cloud=cloud)


def remove(server: Server, name: str, *, cloud: bool) -> None:
    """Remove a core or collection, if it is there."""
    gone = f"UNLOAD&core={name}&deleteIndex=true&deleteDataDir=true&deleteInstanceDir=true"
    path = f"/admin/collections?action=DELETE&name={name}" if cloud else f"/admin/cores?action={gone}"
    try:
        server.get(path)
    except urllib.error.HTTPError as error:
        error.close()  # it was never made


@contextmanager
def indexed(server: Server, documents: tuple[Document, ...], **options: Any) -> Iterator[Callable[..., SolrBackend]]:
    """An index of these documents; opens backends on it with further options, and closes them."""
    opened: list[SolrBackend] = []
    with index_name(server) as names:
        writer = SolrBackend(options_for(server, **names, **options))
        assert writer.index(documents) == len(documents)

        def open_(**more: Any) -> SolrBackend:
            opened.append(SolrBackend(options_for(server, **{"threads": 2, **names, **options, **more})))
            return opened[-1]

        try:
            yield open_
        finally:
            for backend in opened:
                backend.close()


def template_file(folder: Path, **params: Any) -> Path:
    """A template of request parameters."""
    path = folder / f"template-{next(_numbers)}.json"
    path.write_text(json.dumps(params), encoding="utf-8")
    return path
