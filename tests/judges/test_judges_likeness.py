"""How like a query words are by themselves, whatever documents hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from leser_judges.documents import DocumentIndex
from leser_judges.encoder import Encoder

from leser.backend import Document
from leser.similarity import NearestDocuments


def test_likeness_is_the_cosine_of_the_query_and_each_word(tmp_path: Path) -> None:
    index: NearestDocuments = DocumentIndex.of([Document("1", {"title": "desk lamp"})], cache=tmp_path)
    words = ["sofa", "toner", "sofa"]
    encoder = Encoder.of("minilm")
    expected = encoder.encode(words) @ encoder.encode(["couch"], query=True)[0]
    found = index.likeness("couch", words)
    assert found.shape == (3,)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found[0] == pytest.approx(found[2])
    assert found[0] > found[1]


def test_a_query_is_seen_as_it_is_and_with_its_nearest_documents(tmp_path: Path) -> None:
    titles = {"1": "desk lamp", "2": "floor lamp", "3": "toner", "4": ""}
    stock = [Document(id, {"title": title}) for id, title in titles.items()]
    index: NearestDocuments = DocumentIndex.of(stock, cache=tmp_path)
    encoder = Encoder.of("minilm")
    own, near = encoder.encode(["lamp"], query=True)[0], encoder.encode(["desk lamp", "floor lamp"]).mean(axis=0)
    fed = own + near / np.linalg.norm(near)
    views = index.views(["lamp", "ink"], 2)
    assert views.shape == (2, 2, len(own))
    np.testing.assert_allclose(views[0], [own, fed / np.linalg.norm(fed)], atol=2e-3)
    found = index.compare(views[0], ["3", "4", "1"])
    np.testing.assert_allclose(found[:, [0, 2]], views[0] @ encoder.encode(["toner", "desk lamp"]).T, atol=2e-3)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[:, [2]], index.compare(views[0], ["1"]))
