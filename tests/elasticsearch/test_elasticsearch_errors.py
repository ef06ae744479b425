"""What goes wrong between LESER and Elasticsearch, and what the user is told: each its own words, none with a secret."""

from __future__ import annotations

import re
import traceback
import urllib.error
import urllib.request

import pytest
from elastic import made, opened
from elastic_failures import SECRET, SOFA, answering, complaint, failure, refused
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import Document, Ranking
from leser.errors import IndexMissing, LeserError
from leser.options import validate_options


def test_options_that_do_not_fit_together() -> None:
    assert "give one way to log in, not api_key_env and user" in refused(api_key_env="A", user="u", password_env="P")
    assert "user and password_env belong together" in refused(user="u")
    assert "vector_field and vector_function belong together" in refused(vector_field="v")
    assert "client_key needs client_cert" in refused(client_key="k.pem")
    assert "give cloud_id or url, not both" in refused(cloud_id="a:b")
    assert "weights of 1 or more" in refused(type="combined_fields", fields="title^0.5,text")
    assert "Did you mean 'api_key_env'" in refused(api_key="A")
    with pytest.raises(LeserError, match="expected an address like http://host:port"):
        opened("localhost:9200")


@pytest.mark.parametrize(
    "url",
    [
        f"https://elastic:{SECRET}@search.example:9200",
        f"leser:{SECRET}@search:9200",
        f"http://leser:p[{SECRET}@search:9200",
        f"http://leser:{SECRET}/2@search:9200",
        f"http://leser:{SECRET}?2#@search:9200",
        f"http://leser:a,{SECRET} b@search:9200",
        f"http://localhost:9200,http://leser:{SECRET}@search:9200",
        ["http://localhost:9200", f"leser:{SECRET}@search:9200"],
        (f"http://{SECRET}@search:9200",),
    ],
)
def test_an_url_with_a_password_is_refused_and_not_repeated(url: object) -> None:
    with pytest.raises(LeserError) as caught:
        validate_options(ElasticsearchBackend.Options, {"url": url}, "backend 'elasticsearch'")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "-o user=NAME and -o password_env=VARIABLE" in str(caught.value)


def test_no_server() -> None:
    said = complaint(opened("http://127.0.0.1:9"))
    assert said.startswith("No Elasticsearch answers at http://127.0.0.1:9 (")
    error = failure(opened("http://127.0.0.1:9"))
    assert error.kind == "transient"


def test_several_addresses_one_of_them_down(elasticsearch_8: Server, index: str) -> None:
    backend = opened(f"{elasticsearch_8.url},{elasticsearch_8.url.replace('127.0.0.1', 'localhost')}", index)
    for _ in range(4):
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
    backend.close()


def test_a_missing_index_names_the_command_that_makes_it(elasticsearch_8: Server) -> None:
    backend = opened(elasticsearch_8, "no-such-index", user="me", password_env="PATH")
    with pytest.raises(IndexMissing) as caught:
        backend.check()
    said = caught.value.message("demo")
    assert said.startswith(f"Elasticsearch at {elasticsearch_8.url} has no index 'no-such-index'.")
    assert ". Build it with: leser index --backend" in said
    assert said.endswith(
        f"--backend elasticsearch --task demo -o url={elasticsearch_8.url} -o user=me -o password_env=PATH -o index=no-such-index"
    )
    assert "has no index 'no-such-*'" in complaint(opened(elasticsearch_8, "no-such-*"))


def test_a_missing_index_tells_which_ones_are_near(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    cluster.indices.put_alias(index=name, name=f"{name}-alias")
    for there, asked in ((name, f"{name[:-1]}"), (f"{name}-alias", f"{name}-alia")):
        said = complaint(opened(elasticsearch_8, asked))
        assert f"has no index '{asked}'. Did you mean '{there}'? There are: {there}, " in said
        assert "There are: ." not in said
    cluster.indices.delete(index=name)


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_of_another_kind_is_asked_about(status: int) -> None:
    """Solr answers what it does not know with a page of HTML, proxies with words of their own."""
    for body in ("<html><h2>HTTP ERROR 404 Can not find: /solr/leser-demo</h2></html>", {"error": "Incorrect method"}):
        with answering(status, body) as (url, _):
            said = complaint(opened(f"{url}/solr"))
            assert f"The server at {url}/solr ({status}, without a reason)" in said
            assert "Is it Elasticsearch?" in said
            assert "NotFoundError" not in said
            with pytest.raises(LeserError, match=r"Is it Elasticsearch\?"):
                opened(f"{url}/solr").index([Document("a", {"title": "sofa"})])


def test_a_closed_index(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    open_before = opened(elasticsearch_8, name)
    assert isinstance(open_before.search(SOFA, 1)[0], Ranking)
    cluster.indices.close(index=name)
    assert f"The index '{name}' at {elasticsearch_8.url} is closed. Open it with: POST /{name}/_open" in complaint(
        opened(elasticsearch_8, name)
    )
    error = failure(open_before)
    assert error.kind == "engine"
    assert "closed" in error.message


def test_a_red_index_and_a_red_neighbour(elasticsearch_8: Server, cluster: Elasticsearch, index: str) -> None:
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    cluster.indices.create(index="red-one", settings=nowhere, wait_for_active_shards=0)
    try:
        assert "The index 'red-one'" in (said := complaint(opened(elasticsearch_8, "red-one")))
        assert "is red: primary shards are missing" in said
        (warning,) = opened(elasticsearch_8, index).check()["warnings"]
        assert warning.startswith("the cluster is red, though not this index")
    finally:
        cluster.indices.delete(index="red-one")


def test_an_index_deleted_during_the_run(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    backend = opened(elasticsearch_8, name)
    assert isinstance(backend.search(SOFA, 1)[0], Ranking)
    cluster.indices.delete(index=name)
    error = failure(backend)
    assert error.kind == "engine"
    assert f"no such index [{name}]" in error.message
    with pytest.raises(IndexMissing):
        backend.fetch(["d01"], ["title"])


def test_fields_that_are_not_there(elasticsearch_8: Server, index: str) -> None:
    said = complaint(opened(elasticsearch_8, index, fields="titel^3,text"))
    assert said == (
        f"Unknown field 'titel' of the index '{index}'. Did you mean 'title'? Available: brand, contents, price, text, title."
    )
    assert "Unknown field" in complaint(opened(elasticsearch_8, index, ties="sku"))
    assert opened(elasticsearch_8, index, fields="ti*,text").check()["documents"] == 12


def test_a_newer_client_than_the_server(elasticsearch_8: Server) -> None:
    """The 8 server's own answer to the header that a 9 client sends, passed on to ours."""
    request = urllib.request.Request(
        f"{elasticsearch_8.url}/_cluster/health",
        headers={"Accept": "application/vnd.elasticsearch+json; compatible-with=9"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    with Proxy(elasticsearch_8) as proxy:
        proxy.status(400, caught.value.read())
        said = complaint(opened(proxy.url))
    assert "is older than the package elasticsearch" in said
    assert re.search(r"pip install 'elasticsearch<\d+'$", said)


def test_opensearch_is_not_elasticsearch() -> None:
    with answering(200, {"cluster_name": "opensearch", "version": {"distribution": "opensearch"}}) as (url, _):
        said = complaint(opened(url))
    assert f"The server at {url} is not Elasticsearch. OpenSearch needs a backend plugin of its own" in said
    with answering(406, {"error": "Content-Type header [...; compatible-with=8] is not supported", "status": 406}) as (
        url,
        _,
    ):
        assert "OpenSearch needs a backend plugin of its own" in complaint(opened(url))


def test_something_else_answers() -> None:
    with answering(502, "<html>Bad gateway</html>") as (url, _):
        assert "502" in complaint(opened(url))
    with answering(404, {"detail": "Not Found"}) as (url, _):
        assert "404" in complaint(opened(url))
