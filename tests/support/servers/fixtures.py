"""The servers as fixtures: each is started when the first test asks for it, once for all workers of a test run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import pytest
from filelock import FileLock

from servers.elasticsearch import start_elasticsearch
from servers.fetch import Unavailable
from servers.server import Server, ServerFailed
from servers.solr import start_solr

CONTROLLER = "LESER_TEST_CONTROLLER"
"""The pytest that was started first, as PID-STARTED: servers shared by its workers end with it."""


def pytest_configure(config: pytest.Config) -> None:
    """Workers inherit who their controller is."""
    if not hasattr(config, "workerinput"):
        os.environ[CONTROLLER] = f"{os.getpid()}-{psutil.Process().create_time():.0f}"


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller ends what was started; where it does not come to that, the keepers do."""
    if not hasattr(config, "workerinput") and (run := _run_folder()).exists():
        for known in run.glob("*.folder"):
            Server.load(Path(known.read_text())).stop()
            shutil.rmtree(known.read_text(), ignore_errors=True)
        shutil.rmtree(run)


def _run_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"leser-tests-{os.environ[CONTROLLER]}"


@pytest.fixture(scope="session")
def elasticsearch_8() -> Server:
    """Elasticsearch 8 without security."""
    return given_elasticsearch("8") or shared("elasticsearch-8", lambda f, o: start_elasticsearch(f, "8", owner=o))


@pytest.fixture(scope="session")
def elasticsearch_9() -> Server:
    """Elasticsearch 9 without security."""
    return given_elasticsearch("9") or shared("elasticsearch-9", lambda f, o: start_elasticsearch(f, "9", owner=o))


@pytest.fixture(scope="session")
def elasticsearch_synonyms() -> Server:
    """Elasticsearch 8 with the filter `synonym_graph` and the synonyms API."""
    return shared("elasticsearch-synonyms", lambda f, o: start_elasticsearch(f, "8", synonyms=True, owner=o))


@pytest.fixture(scope="session")
def elasticsearch_secure() -> Server:
    """Elasticsearch 8 with basic auth and TLS."""
    return shared("elasticsearch-secure", lambda f, o: start_elasticsearch(f, "8", secure=True, owner=o))


@pytest.fixture(scope="session")
def solr() -> Server:
    """Solr 9, stand-alone, without cores: `create_core` makes one."""
    if url := os.environ.get("LESER_TEST_SOLR_URL"):
        server = _given(url)
        server.version = server.get("/admin/info/system")["lucene"]["solr-spec-version"]
        return server
    return shared("solr", lambda f, o: start_solr(f, owner=o))


@pytest.fixture(scope="session")
def solr_secure() -> Server:
    """Solr 9 with basic auth."""
    return shared("solr-secure", lambda f, o: start_solr(f, secure=True, owner=o))


@pytest.fixture(scope="session")
def solr_cloud() -> Server:
    """SolrCloud: one node, with ZooKeeper inside."""
    return shared("solr-cloud", lambda f, o: start_solr(f, cloud=True, owner=o))


def given_elasticsearch(major: str) -> Server | None:
    """The server at LESER_TEST_ELASTICSEARCH_URL, if there is one and it has this major version."""
    url = os.environ.get("LESER_TEST_ELASTICSEARCH_URL")
    if not url:
        return None
    server = _given(url)
    nodes = server.get("/_nodes?filter_path=nodes.*.version")["nodes"].values()
    server.version = next(node["version"] for node in nodes)
    return server if server.version.partition(".")[0] == major else None


def _given(url: str) -> Server:
    """A server that somebody else runs; user and password may stand in the URL."""
    parts = urlsplit(url.rstrip("/"))
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return Server(plain, version="", user=user, password=password)


def shared(name: str, start: Callable[[Path, int], Server]) -> Server:
    """The server `name` of this test run; the first worker that asks starts it, and a failure is everyone's.

    Without Maven or Java the tests that need it are skipped, except under CI. It ends with the run's controller.
    """
    controller = int(os.environ[CONTROLLER].partition("-")[0])
    run = _run_folder()
    run.mkdir(mode=0o755, exist_ok=True)
    folder, failed = run / name, run / f"{name}.failed"
    with FileLock(run / f"{name}.lock"):
        if failed.exists():
            raise ServerFailed(failed.read_text())
        if (known := run / f"{name}.folder").exists():
            return Server.load(Path(known.read_text()))
        try:
            server = start(folder, controller)
        except Unavailable as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no test server: {error}")
        except Exception as error:
            failed.write_text(str(error))
            raise
        assert server.folder is not None
        known.write_text(str(server.folder))
    return server
