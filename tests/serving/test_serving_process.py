"""The process that a policy runs in: batches, hanging, dying, too much waiting, and the real policy of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served, entry, serving, write_store

from leser.serving.process import AskedProcess, ProcessLimits, ProcessUnavailable
from leser.stores import open_store

LIMITS = ProcessLimits(batch=4, gather_s=0.02, waiting=8, load_s=60, hung_s=1.5, nice=10)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def process(journal: Path) -> Iterator[AskedProcess]:
    made = AskedProcess("upper", "answering:upper", (str(journal),), LIMITS)
    _ready(made)
    yield made
    made.close()


def _ready(process: AskedProcess, restarts: int = 0) -> None:
    end = time.monotonic() + 60
    while not (process.ready and process.restarts == restarts):
        assert time.monotonic() < end, process.trouble
        time.sleep(0.02)


def test_questions_share_batches_and_equal_ones_an_answer(process: AskedProcess, journal: Path) -> None:
    first = process.ask("a")
    time.sleep(0.06)  # the first is on its way
    others = [process.ask(text) for text in "bcbdef"]
    assert [future.result(10) for future in (first, *others)] == list("ABCBDEF")
    lines = [line.split() for line in journal.read_text().splitlines()]
    assert [line[2:] for line in lines] == [["a"], ["b", "c", "d", "e"], ["f"]]
    assert {int(line[1]) for line in lines} == {os.nice(0) + 10}


def test_too_many_waiting_questions_are_refused_at_once(process: AskedProcess) -> None:
    for number in range(8):
        process.ask(f"q{number}")
    with pytest.raises(ProcessUnavailable, match="busy"):
        process.ask("one more")


@pytest.mark.parametrize(
    ("sick", "said"), [("hang", "no answer within 1.5 seconds"), ("die", ""), ("raise", "ValueError: planted")]
)
def test_a_sick_process_is_replaced_and_its_question_not_asked_again(
    process: AskedProcess, sick: str, said: str
) -> None:
    began = time.monotonic()
    with pytest.raises(ProcessUnavailable, match="down"):
        process.ask(sick).result(30)
    assert time.monotonic() - began < 10
    assert said in process.trouble
    _ready(process, restarts=1)
    with pytest.raises(ProcessUnavailable, match="failed_before"):
        process.ask(sick)
    assert process.ask("well").result(10) == "WELL"


def test_what_cannot_be_built_is_said(journal: Path) -> None:
    made = AskedProcess("upper", "answering:nothing", (str(journal),), LIMITS)
    end = time.monotonic() + 60
    while "has no attribute 'nothing'" not in made.trouble:
        assert time.monotonic() < end
        time.sleep(0.05)
    with pytest.raises(ProcessUnavailable, match="down"):
        made.ask("a")
    made.close()


def test_a_process_that_only_searches_loads_no_torch() -> None:
    code = (
        "import sys, leser.serving.live; from leser.serving.live import LiveEngine; "
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_the_real_policy_answers_is_stored_hangs_and_dies(made: Path, tmp_path: Path) -> None:
    store = write_store(tmp_path / "head.db", entry("red sofa", "couch"))
    flags = ("--policy", str(made), "-o", "nice=0", "-o", "budget_ms=4000", "-o", "hung_s=10", "-o", "refresh_s=0.1")
    with serving(tmp_path, store, *flags) as served:
        assert served.expand("blue chair")["reason"] in ("policy_loading", "")  # nobody waits for a policy that loads
        served.until("/readyz policy", "ready", 300)
        first = served.expand("green armchair")
        assert not str(first["reason"]).startswith("policy_"), first
        _until_stored(served, store, "green armchair")
        again = served.expand("green armchair")
        assert (again["source"], again["expansions"]) == ("store", first["expansions"])
        _lists(served)
        os.kill(served.pid("policy"), signal.SIGSTOP)  # hangs
        began = time.monotonic()
        assert served.expand("a hanging query")["reason"] in ("policy_down", "policy_late")
        assert time.monotonic() - began < 4.5
        assert served.expand("red sofa")["source"] == "store"
        served.until("/readyz policy", "ready", 300)
        os.kill(served.pid("policy"), signal.SIGKILL)
        for number in range(20):
            found = served.expand(f"query {number}")
            assert found["source"] in ("original", "policy")
        assert served.expand("red sofa")["source"] == "store"


def _lists(served: Served) -> None:
    """Both lists of a search, each hit with its place in the other."""
    end = time.monotonic() + 60
    while (
        answer := served.client.get("/v1/search", params={"q": "red sofa", "both": True, "k": 5})
    ).status_code == 503:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [e["text"] for e in found["expansions"]] == ["couch"]
    assert [len(found["hits"]), len(found["original"])] == [5, 5]
    for hit in found["hits"]:
        at = [other["rank"] for other in found["original"] if other["id"] == hit["id"]]
        assert at in ([], [hit["other_rank"]])


def _until_stored(served: Served, place: Path, query: str) -> None:
    end = time.monotonic() + 10
    with open_store(str(place)) as store:
        while store.get(query) is None:
            assert time.monotonic() < end, served.log.read_text()[-2000:]
            time.sleep(0.05)
