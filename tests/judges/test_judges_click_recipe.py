"""The page about clicks: its recipe, as it stands there, goes from a UBI log to a checked run with candidates and a reward."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from leser_catalogue.generator import generate

from benchmarks.click_log import Shoppers, write_log
from leser.config.build import complete
from leser.config.load import config_of
from leser.lesson import suggesting
from leser.plugins import load_plugins
from leser.precompute import sources_of
from leser.session import open_session
from leser.task import Split, drawn
from leser.verified.sources import SuggestedWords

PAGE = Path(__file__).parents[2] / "docs" / "clicks.md"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the log of 150 queries of the demo, and its documents."""
    folder, task = tmp_path_factory.mktemp("shop"), generate(1)
    queries = tuple(drawn(task.train.queries, 150, 1))
    write_log(task, [Split("train", queries, task.train.qrels)], folder / "ubi.ndjson", Shoppers(searches=20), 1)
    assert task.documents is not None
    rows = [json.dumps({"_id": d.id, **d.fields}) for d in task.documents()]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_the_recipe_of_the_page_teaches_by_a_log(shop: Path) -> None:
    blocks = re.findall(r"(?:^    .*\n|^\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    written = next(block for block in blocks if "[task]" in block)
    given = tomllib.loads(re.sub("^    ", "", written, flags=re.MULTILINE).partition("leser run")[0])
    assert given["task"].pop("name") == "logs"
    given |= {"backend": {"name": "memory"}, "task": {**given["task"], "name": str(shop)}}
    registry = load_plugins()
    config = complete(config_of(given), registry)
    with open_session(config, registry) as session:
        environment, train = session.environment, session.task.train
        assert environment.rewards.names == ("learned@10",)
        assert suggesting(environment.rewards.rewards) is not None
        assert any(
            isinstance(source, SuggestedWords) for source in sources_of(environment, config.verified, session.task)
        )
        assert len(train.queries) >= 50
        assert (config.warmup.targets, config.warmup.min_alike) == ("search", 3)
