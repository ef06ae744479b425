"""A small shop and its judge."""

from __future__ import annotations

from leser_relevance import NDCG

from leser.backend import Document
from leser.engine import SearchClient, SearchOptions
from leser.environment import Environment
from leser.expansion import ExpansionOptions
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split

SHELF = [
    Document("sofa1", {"title": "Velvet sofa in navy", "text": "three seats"}),
    Document("sofa2", {"title": "Leather sofa", "text": "two seats, navy piping"}),
    Document("sofa3", {"title": "Corner sofa", "text": "grey"}),
    Document("lamp1", {"title": "Desk lamp navy", "text": "a lamp for the desk"}),
    Document("lamp2", {"title": "Floor lamp", "text": "tall"}),
    Document("rug1", {"title": "Wool rug", "text": "navy and grey"}),
]


COUCH = Query("q1", "navy couch")


NOTHING = Query("q2", "chesterfield")


SPLIT = Split("train", (COUCH, NOTHING), {"q1": {"sofa1": 2, "sofa2": 1, "sofa3": 1}, "q2": {"sofa2": 2, "sofa1": 1}})


def environment_of(backend, expansion=None, **client):
    rewards = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])
    return Environment(
        SearchClient(backend, SearchOptions(**client)), rewards, expansion or ExpansionOptions(weight=2.0)
    )
