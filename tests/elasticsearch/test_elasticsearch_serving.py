"""A baseline that serves on a real Elasticsearch: with the folder that `leser fit` made, and nothing of the task."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from inspected_runs import said
from servers.server import Server

from leser.serving.answers import Wanted
from leser.serving.live import LiveEngine, LiveProposer
from leser.serving.options import ServingOptions
from leser.testing.shop import write_shop

OPTIONS = ServingOptions(hung_s=120, sure_title=False)


def test_a_fitted_baseline_answers_where_the_task_is_not(elasticsearch_8: Server, tmp_path: Path) -> None:
    task, run = write_shop(tmp_path / "shop"), tmp_path / "run"
    options = (f"url={elasticsearch_8.url}", f"index=serves-{uuid4().hex}", "analysis=standard")
    engine = ("--backend", "elasticsearch", *(part for option in options for part in ("-o", option)))
    said("index", "--task", task, *engine)
    limits = ("-o", "expansion.max_expansions=40", "-o", "expansion.max_weight=100")
    said("fit", "--by", "rm3,dictionary", "--task", task, *engine, *limits, "--out", run)
    shutil.rmtree(task)
    live = LiveProposer(run, OPTIONS, "rm3")
    answers = live([("lamp", ""), ("zzqx", ""), ("leather couch", "")])
    assert [answer.reason for answer in answers] == ["", "nothing_to_add", ""]
    assert all(e.weight > 0 and "lamp" not in e.text for e in answers[0].expansions)
    (found,) = LiveEngine(run, OPTIONS, "rm3")([Wanted("lamp", answers[0].expansions, 3, both=True)])
    assert not found.error
    assert found.hits
    assert found.hits[0]["title"]
    assert {answer.reason for answer in LiveProposer(run, OPTIONS, "dictionary")([("lamp", "")])} <= {
        "",
        "nothing_to_add",
    }
