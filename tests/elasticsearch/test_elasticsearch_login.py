"""Elasticsearch: certificates, logins, addresses."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from elastic import made, opened
from elastic_failures import SECRET, answering, complaint
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server


def test_security(elasticsearch_secure: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Basic auth over TLS with the server's own authority, and all the ways to get it wrong."""
    server = elasticsearch_secure
    assert server.password is not None
    monkeypatch.setenv("ES_PASSWORD", server.password)
    login = {"user": server.user, "password_env": "ES_PASSWORD", "ca_file": server.ca_file}
    name = made(server, **login)
    backend = opened(server, name, **login)
    assert backend.check()["documents"] == 12
    for shown in (repr(backend), repr(backend.options), backend.fingerprint(), backend.options.model_dump_json()):
        assert server.password not in shown.replace(str(server.ca_file), "")
    answered_401 = f"Elasticsearch at {server.url} answered 401: "
    assert complaint(opened(server, name, ca_file=server.ca_file)).startswith(f"{answered_401}it requires a login.")
    monkeypatch.setenv("WRONG", SECRET)
    said = complaint(opened(server, name, **{**login, "password_env": "WRONG"}))
    assert said == f"{answered_401}user '{server.user}' and the password in the environment variable WRONG don't fit."
    wrong_key = base64.b64encode(f"id:{SECRET}".encode()).decode()
    monkeypatch.setenv("WRONG", wrong_key)
    said = complaint(opened(server, name, ca_file=server.ca_file, api_key_env="WRONG"))
    assert said.startswith(f"{answered_401}it knows no such API key")
    assert wrong_key not in said
    assert "(api_key_env)" in said
    assert "No secure connection" in (said := complaint(opened(server, name, **{**login, "ca_file": None})))
    assert "-o ca_file=FILE" in said
    assert "no file" in complaint(opened(server, name, **{**login, "ca_file": tmp_path / "none.pem"}))
    monkeypatch.delenv("ES_PASSWORD")
    assert "environment variable named by password_env (now ES_PASSWORD) is not set" in complaint(
        opened(server, name, **login)
    )
    plain = opened(server.url.replace("https", "http"), name)
    assert "https://" in complaint(plain)


@pytest.mark.parametrize(
    ("option", "value", "header"),
    [("api_key_env", "aWQ6a2V5", "ApiKey aWQ6a2V5"), ("token_env", "a.b.c", "Bearer a.b.c")],
)
def test_credentials_on_the_wire(monkeypatch: pytest.MonkeyPatch, option: str, value: str, header: str) -> None:
    monkeypatch.setenv("ES_SECRET", value)
    forbidden = {"error": {"type": "security_exception", "reason": "not allowed"}, "status": 403}
    with answering(403, forbidden) as (url, seen):
        said = complaint(opened(url, **{option: "ES_SECRET"}))
    assert {one["authorization"] for one in seen} == {header}
    assert value not in said
    assert "answered 403: not allowed. Grant the privileges read and view_index_metadata" in said


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """A TLS server that wants one: without it no connection, with it an answer."""
    import ssl

    import trustme

    authority = trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca_file", "client_cert", "client_key")}
    authority.cert_pem.write_to_path(str(paths["ca_file"]))
    client = authority.issue_cert("me@example.org")
    client.cert_chain_pems[0].write_to_path(str(paths["client_cert"]))
    client.private_key_pem.write_to_path(str(paths["client_key"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(418)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}"
    try:
        assert "answered 418" in complaint(opened(url, **paths))
        assert "418" not in complaint(opened(url, ca_file=paths["ca_file"]))
    finally:
        server.shutdown()
        server.server_close()


def test_a_cloud_id_stands_for_an_address() -> None:
    host = base64.b64encode(b"cloud.example$abc123$kib").decode()
    backend = ElasticsearchBackend(ElasticsearchBackend.Options(cloud_id=f"shop:{host}"))
    from leser_elasticsearch.connection import connect

    with connect(backend.options) as client:
        (node,) = client.transport.node_pool.all()
    assert node.base_url == "https://abc123.cloud.example:443"
    assert backend.options.place == "Elastic Cloud shop"
    assert "no connection to Elastic Cloud x" in complaint(
        ElasticsearchBackend(ElasticsearchBackend.Options(cloud_id="x:y"))
    )


def test_ports_that_go_without_saying() -> None:
    from leser_elasticsearch.connection import connect

    options = ElasticsearchBackend.Options(url="https://es.example/search,http://es.example,http://[::1]:9201")  # type: ignore[arg-type]
    with connect(options) as client:
        nodes = {node.base_url for node in client.transport.node_pool.all()}
    assert nodes == {"https://es.example:443/search", "http://es.example:9200", "http://[::1]:9201"}
