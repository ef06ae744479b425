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
