"""A query whose proven terms are all set aside has no target: "none" would be untrue."""

from __future__ import annotations

from leser_memory import MemoryBackend
from verified_shop import environment_of, shelf

from leser.prompt import PromptOptions
from leser.task import Query, Split
from leser.warmup.options import WarmupOptions
from leser.warmup.targets import proven_targets

COUCHES = [Query(f"c{i}", f"couch {word}") for i, word in enumerate(("grey", "blue", "red", "big"))]
LAMP, RUG = Query("lamp", "lamp"), Query("rug", "rug")
TITLES = {
    **{f"sofa{i}": f"sofa {word}" for i, word in enumerate(("grey", "blue", "red", "big"))},
    "light1": "light tall", "light2": "light tall", "lamp1": "lamp holder", "rug1": "rug wool", "rug2": "rug wool",
    **{f"other{i}": f"thing number{i}" for i in range(40)},
}  # fmt: skip
GRADES = {
    **{query.id: {f"sofa{i}": 1 for i in range(4)} for query in COUCHES},
    "lamp": {"light1": 1, "light2": 1},
    "rug": {"rug1": 1, "rug2": 1},
}


def test_no_target_where_terms_were_proven_but_for_too_few_queries_alike() -> None:
    environment = environment_of(MemoryBackend.of(shelf(TITLES)))
    split = Split("train", (*COUCHES, LAMP, RUG), GRADES)
    seen = environment.observe(split.queries, PromptOptions())
    options = WarmupOptions(min_queries=2, candidates=8)
    said: dict[str, set[str]] = {}
    for target in proven_targets(environment, split, seen, options, 1):
        said.setdefault(target.query.id, set()).add(target.completion)
    assert all("sofa" in "".join(said[query.id]) for query in COUCHES), "proven for four queries that share a word"
    assert said["rug"] == {"none"}, "all that is relevant comes first already"
    assert "lamp" not in said, "'light' was proven, though for this query alone"
