"""The rules hold on live answers: what the policy says most, once it is banned, leaves the service no more."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from pathlib import Path

import tomli_w
from naive_checker import Forbidden

from benchmarks.live_rules import answered, audit, queries
from leser.config.build import task_of
from leser.expansion import Expansion
from leser.inspect.opening import configured, open_folder
from leser.serving.answers import LiveAnswer
from leser.serving.live import LiveProposer
from leser.serving.options import ServingOptions

COUNT = 200
OPTIONS = ServingOptions(hung_s=600)  # on a machine that is slow too


def live(run: Path, texts: list[str]) -> list[tuple[str, LiveAnswer]]:
    return list(answered(LiveProposer(run, OPTIONS), iter(texts)))


def test_what_is_banned_is_said_without_the_rule_and_never_with_it(made: Path, tmp_path: Path) -> None:
    config, registry = configured(open_folder(made))
    own = [query.text for split in task_of(config, registry).splits for query in split.queries]
    source = queries(own, Forbidden(), 0)
    texts = [next(source) for _ in range(COUNT)]
    assert len(set(texts)) == COUNT
    assert texts[: len(own)] == own
    free = live(made, texts)
    said = Counter(word for _, answer in free for e in answer.expansions for word in e.text.split() if len(word) > 3)
    banned = [word for word, _ in said.most_common(5)]
    forbidden, weight = Forbidden(banned=banned), config.expansion.weight
    assert audit(iter(free), forbidden, weight)["violations"] >= 5

    run = shutil.copytree(made, tmp_path / "run")
    table = tomllib.loads((run / "config.toml").read_text())
    table.setdefault("rules", {})["banned"] = {"words": banned}
    (run / "config.toml").write_text(tomli_w.dumps(table))
    found = audit(iter(live(run, texts)), forbidden, weight)
    assert (found["answers"], found["violations"]) == (COUNT, 0)
    assert found["expansions"] > 0


def test_the_audit_counts_what_breaks_a_rule() -> None:
    answers = [
        ("red sofa", LiveAnswer((Expansion("couch", 0.5), Expansion("fake settee", 0.5)))),
        ("lamp", LiveAnswer((), "nothing_to_add")),
    ]
    found = audit(iter(answers), Forbidden(banned=["fake"]), 0.5)
    assert (found["answers"], found["expansions"], found["violations"] > 0) == (2, 2, True)
    assert found["by_reason"] == {"expanded": 1, "nothing_to_add": 1}
    assert all("fake settee" in one for one in found["violating"])
    assert audit(iter(answers), Forbidden(), 0.5)["violations"] == 0
