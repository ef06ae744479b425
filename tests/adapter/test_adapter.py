"""What adapters share: one vocabulary of options, one rule for weights, joined fields, filter values and lone surrogates."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from leser_elasticsearch import ElasticsearchBackend
from leser_memory import MemoryBackend
from leser_pyserini import PyseriniBackend
from leser_solr import SolrBackend

from leser.adapter import (
    IndexOptions,
    Refused,
    ServerOptions,
    check_terms,
    filter_values,
    joined,
    unknown_field,
    well_formed,
)
from leser.backend import Backend, Term
from leser.errors import LeserError
from leser.options import validate_options
from leser.testing import DOCUMENTS

SERVERS: tuple[type[Backend], ...] = (ElasticsearchBackend, SolrBackend)


def options(backend: type[Backend], **values: Any) -> Any:
    return validate_options(backend.Options, values, f"backend '{backend.name}'")


def test_servers_have_the_same_options_of_the_same_meaning() -> None:
    shared = {
        "analysis",
        "template",
        "shards",
        "replicas",
        "url",
        "index",
        *ServerOptions.model_fields,
        *IndexOptions.model_fields,
    }
    one, two = (backend.Options.model_fields for backend in SERVERS)
    assert shared <= set(one) & set(two)
    assert {name for name in set(one) & set(two) if one[name].default != two[name].default} == {"url"}
    assert {name for name in set(one) & set(two) if one[name].annotation != two[name].annotation} == {
        "url",
        "analysis",
    }, "several addresses and any analyzer: of Elasticsearch alone"


@pytest.mark.parametrize(
    ("backend", "old", "new", "value"),
    [
        (ElasticsearchBackend, "analyzer", "analysis", "standard"),
        (ElasticsearchBackend, "bearer_env", "token_env", "TOKEN"),
        (ElasticsearchBackend, "tie_break", "ties", "sku"),
        (SolrBackend, "ties_by_id", "ties", "index"),
    ],
)
def test_a_former_spelling_is_an_error_that_names_the_new_one(backend: Any, old: str, new: str, value: str) -> None:
    said = rf"The option '{old}' of backend '{backend.name}' has a new name\. Write '{new}'\."
    with pytest.raises(LeserError, match=said):
        options(backend, **{old: value})
    assert getattr(options(backend, **{new: value}), new) == value


@pytest.mark.parametrize("backend", SERVERS)
def test_one_way_to_log_in(backend: type[Backend]) -> None:
    for given in ({"user": "me"}, {"password_env": "HOME"}):
        with pytest.raises(LeserError, match="user and password_env belong together"):
            options(backend, **given)
    with pytest.raises(LeserError, match="give one way to log in, not token_env and user"):
        options(backend, user="me", password_env="HOME", token_env="HOME")
    with pytest.raises(LeserError, match=f"Option url of backend '{backend.name}' has an @ in it") as caught:
        options(backend, url="https://me:hunter2@host")
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("weight", [-0.5, nan, inf, -inf])
def test_a_bad_weight_is_refused(weight: float) -> None:
    check_terms([Term("sofa", 0.0), Term("couch", 3.5)])
    with pytest.raises(Refused, match=r"Weight .* of the term 'lamp': give a number of 0 or more\."):
        check_terms([Term("sofa"), Term("lamp", weight)])
    with pytest.raises(Refused, match="Weight 20 of the term 'lamp'"):
        check_terms([Term("lamp", 20.0)], most=10.0)


def test_an_unknown_field_is_refused_with_those_there_are() -> None:
    assert str(unknown_field("nam", ["name", "tags"])) == "No field 'nam' to search. Available: name, tags."
    assert str(unknown_field("prize", [], "filter by")) == "No field 'prize' to filter by. Available: none."


def test_joined_fields() -> None:
    fields = {"title": "Sofa", "text": "", "brand": "Nordhem", "note": "blue"}
    assert joined(fields, ("title", "text", "colour", "note")) == "Sofa blue"
    assert joined({**fields, "contents": "its own"}, ("title",)) == "its own"
    assert joined({**fields, "contents": ""}, ("title",)) == "Sofa"


def test_what_filters_compare() -> None:
    assert filter_values("12.50") == ("12.50", 12.5)
    assert filter_values("blue") == ("blue", None)
    assert filter_values("nan") == ("nan", None)
    assert filter_values("9" * 257)[0] is None


def test_lone_surrogates_become_one_sign_everywhere() -> None:
    assert well_formed("so\ud800fa") == "so\ufffdfa"
    backend = MemoryBackend.of(DOCUMENTS)
    assert backend.analyze(["so\ud800fa"]) == backend.analyze(["so\ufffdfa"])


def test_every_adapter_that_writes_an_index_has_the_options_of_one() -> None:
    for backend in (ElasticsearchBackend, SolrBackend, PyseriniBackend):
        assert issubclass(backend.Options, IndexOptions)
    assert not issubclass(MemoryBackend.Options, IndexOptions)
