"""An open run keeps what was asked last, however many queries come: what is older is searched again when asked for."""

from __future__ import annotations

from leser_memory import MemoryBackend

from leser.engine import SearchClient
from leser.environment import Environment
from leser.expansion import ExpansionOptions
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Query
from leser.testing import DOCUMENTS


def test_the_originals_that_came_last_are_kept() -> None:
    rewards = RewardSet.from_specs(["nDCG@10"], load_plugins().all("reward"))
    queries = [Query(f"q{number}", text) for number, text in enumerate(("sofa", "lamp", "jacket", "chair"))]
    with SearchClient(MemoryBackend.of(DOCUMENTS)) as client:
        environment = Environment(client, rewards, ExpansionOptions())
        found = environment.originals(queries)
        environment.forget(2)
        searches = client.stats().asked
        assert environment.originals(queries[2:]) == {q.id: found[q.id] for q in queries[2:]}
        assert client.stats().asked == searches, "the last two are kept"
        assert environment.originals(queries) == found
        assert client.stats().asked == searches + 2, "the first two are searched again"
