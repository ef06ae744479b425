"""The readers that come with LESER."""

from __future__ import annotations

from leser.formats.beir import Beir
from leser.formats.esci import Esci
from leser.formats.ltr import Ltr
from leser.formats.opensearch import OpenSearchJudgments
from leser.formats.quepid import Quepid
from leser.formats.raters import Raters
from leser.formats.trec import Trec
from leser.formats.ubi import Ubi
from leser.formats.wands import Wands
from leser.hooks import hookimpl
from leser.reader import Reader


@hookimpl
def leser_readers() -> list[type[Reader]]:
    """The formats that come with LESER."""

    return [Beir, Trec, Quepid, Raters, OpenSearchJudgments, Ltr, Ubi, Esci, Wands]
