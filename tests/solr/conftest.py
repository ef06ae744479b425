"""Fixtures that several tests of solr share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Server
from solr_answers import Open
from solr_indexes import indexed, template_file

from leser.testing import DOCUMENTS


@pytest.fixture(scope="module")
def shop(solr: Server) -> Iterator[Open]:
    with indexed(solr, DOCUMENTS) as open_:
        yield open_


@pytest.fixture(scope="module")
def own_query(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template_file(
        tmp_path_factory.mktemp("template"),
        defType="edismax",
        q="$query",
        qf="title^2 text^0.7",
        tie=0.2,
        pf="text^50",
        fq=["-title:nothing"],
        **{"q.alt": "*:*"},
    )
