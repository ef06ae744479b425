"""Solr with a password: credentials, tokens and certificates, right, wrong and missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from leser_solr import SolrBackend
from servers import Proxy, Server
from solr_answers import SOFA, failure, trouble
from solr_indexes import indexed, options_for

from leser.backend import Ranking
from leser.errors import LeserError
from leser.options import validate_options
from leser.testing import DOCUMENTS


def test_credentials(solr_secure: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert solr_secure.password is not None
    monkeypatch.setenv("SOLR_TEST_PASSWORD", solr_secure.password)
    caplog.set_level(0)
    with indexed(solr_secure, DOCUMENTS) as open_:
        backend = open_()
        assert isinstance(backend.search([SOFA], 1)[0], Ranking)
        assert backend.check()["documents"] == len(DOCUMENTS)
        told = [
            caplog.text,
            repr(backend.options),
            backend.fingerprint(),
            backend.options.model_dump_json(),
            repr(backend),
        ]
        nobody = SolrBackend(options_for(solr_secure, user=None, password_env=None, index=backend.options.index))
        told.append(trouble(nobody.check))
        assert "401: it requires credentials. Give -o user=NAME -o password_env=VARIABLE" in told[-1]
        monkeypatch.setenv("SOLR_TEST_PASSWORD", "wrong-hunter2")
        told.append(trouble(open_().check))
        assert "answered 401: check user 'solr'" in told[-1]
        bearer = {"user": None, "password_env": None, "token_env": "SOLR_TEST_PASSWORD"}
        told.append(trouble(open_(**bearer).check))
        assert "does not take the token in the environment variable SOLR_TEST_PASSWORD" in told[-1]
        monkeypatch.delenv("SOLR_TEST_PASSWORD")
        assert "SOLR_TEST_PASSWORD) is not set" in trouble(open_().check)
        monkeypatch.setenv("SOLR_TEST_PASSWORD", solr_secure.password)
        assert all(solr_secure.password not in text and "hunter2" not in text for text in told)


def test_credentials_revoked_during_a_run(solr_secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLR_TEST_PASSWORD", str(solr_secure.password))
    with indexed(solr_secure, DOCUMENTS) as open_, Proxy(solr_secure) as proxy:
        backend = open_(url=proxy.url)
        assert isinstance(backend.search([SOFA], 1)[0], Ranking)
        proxy.status(401)
        assert failure(backend).kind == "engine"


def test_credentials_belong_together() -> None:
    for given in ({"user": "me"}, {"password_env": "HOME"}):
        with pytest.raises(LeserError, match="user and password_env belong together"):
            validate_options(SolrBackend.Options, given, "backend 'solr'")
    both = {"user": "me", "password_env": "HOME", "token_env": "HOME"}
    with pytest.raises(LeserError, match="give one way to log in, not token_env and user"):
        validate_options(SolrBackend.Options, both, "backend 'solr'")


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    options = SolrBackend.Options(url="https://localhost:1/solr", ca_file=tmp_path / "none.pem")
    assert "ca_file: no certificates can be read" in trouble(SolrBackend(options).check)
