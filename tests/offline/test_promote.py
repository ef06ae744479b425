"""Promotion: figures worked out by hand on a small shop, a reason for each guard, exit codes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from settings import small_task
from verified_shop import COUCH, DESK, RUG, SPLIT, environment_of

from leser.cli.main import group
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.offline.options import PromoteOptions
from leser.offline.promote import Promotion, promotion
from leser.stores import open_store


def system(**words):
    ids = {"couch": COUCH.id, "rug": RUG.id, "desk": DESK.id}
    given = {ids[name]: tuple(Expansion(w, 0.5) for w in several) for name, several in words.items()}
    return lambda queries: [given.get(query.id, ()) for query in queries]


def compared(old, new, **options) -> Promotion:
    chosen = PromoteOptions(measure="nDCG@5", resamples=500, top=3, **options)
    return promotion(environment_of(), SPLIT, old, new, chosen, {})


def test_a_better_system_is_promoted_and_the_way_back_is_refused():
    better = compared(system(), system(couch=["sofa"]))
    assert better.promoted
    assert better.queries == 3
    assert (better.difference.wins, better.difference.ties, better.difference.losses) == (1, 2, 0)
    assert better.new.measure - better.old.measure == pytest.approx(better.difference.delta)
    assert better.original == pytest.approx(better.old.measure)
    worse = compared(system(couch=["sofa"]), system(), hurt=1.0)
    assert [reason.partition(":")[0] for reason in worse.reasons] == ["nDCG@5 may have fallen"]
    assert worse.difference.delta == pytest.approx(-better.difference.delta)


def test_the_same_system_may_take_its_own_place():
    same = compared(system(couch=["sofa"]), system(couch=["sofa"]))
    assert same.promoted
    assert same.difference.ci95 == (0.0, 0.0)


def test_each_guard_has_its_reason():
    assert any("queries lose more than" in r for r in compared(system(couch=["sofa"]), system()).reasons)
    broken = compared(system(), system(couch=["couch"]))
    assert broken.reasons == ("1 queries' expansions break a rule or cannot be written.",)
    assert broken.difference.ties == 3  # such expansions are not searched with
    far = compared(system(), lambda qs: [(Expansion("wool", 2.0),) for _ in qs], overlap=1.0, tolerance=1, hurt=1)
    assert len(far.reasons) == 1
    assert "hits are still shown" in far.reasons[0]


def test_weights_are_those_that_the_engine_is_asked_with():
    light, heavy = (compared(system(), lambda qs, w=w: [(Expansion("lamp", w),) for _ in qs]) for w in (0.01, 2.0))
    assert light.new.overlap > heavy.new.overlap


def test_the_command_compares_stores_and_answers_by_its_exit_code(tmp_path):
    task = small_task(tmp_path / "shop")
    first = json.loads((task / "queries.jsonl").read_text().splitlines()[0])["text"]
    with open_store(str(tmp_path / "bad.db"), create=True) as store:
        store.write([StoredEntry(first, (Expansion("zebra", 0.5),), state=EntryState.LIVE)])
    given = ("--task", task, "--backend", "memory", "--split", "train", "--json")
    same = CliRunner().invoke(group, ["promote", "original", str(tmp_path / "bad.db"), *map(str, given)])
    assert same.exit_code == 0, same.output
    assert json.loads(same.output)["new"]["expanded"] == 1
    strict = ("-o", "promote.overlap=1", "-o", f"promote.tolerance={0}")
    with open_store(str(tmp_path / "bad.db")) as store:
        store.put([StoredEntry(first, (Expansion(first.split()[0], 0.5),), state=EntryState.APPROVED)])
    refused = CliRunner().invoke(
        group, ["promote", "original", str(tmp_path / "bad.db"), *map(str, given), *strict], standalone_mode=False
    )
    verdict = json.loads(refused.output)
    assert refused.return_value == 1
    assert not verdict["promoted"]
    assert verdict["reasons"] == ["1 queries' expansions break a rule or cannot be written."]
