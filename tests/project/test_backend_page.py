"""docs/writing-a-backend.md: its two tables name every capability and every kind of SearchError, and say what happens."""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

import pytest
from places import ROOT

from leser.backend import Capability, ExpandedQuery, Ranking, SearchError
from leser.doctor.finding import exit_code, of_failure
from leser.engine import SearchClient, SearchOptions
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import EngineDown
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, ExpansionOptions
from leser.rule import Site
from leser.rules import RuleBook, ServingFilter
from leser.rules.repetition import Repetition
from leser.testing.shop import ShopEngine, shop_rewards, shop_task

PAGE = (ROOT / "docs" / "writing-a-backend.md").read_text(encoding="utf-8")
KINDS = get_args(get_type_hints(SearchError)["kind"])
TASK = shop_task()
QUICK = SearchOptions(retries=2, backoff=0.001, deadline=0.3, cache_size=0)


def table(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, its header row first."""
    part = PAGE[PAGE.index(f"### {heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert rows
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[0].splitlines()]
    return [cells[0], *cells[2:]]


ERRORS = table("What each kind of SearchError leads to")


def said(row: str, kind: str) -> str:
    """A cell of the table of errors; "The same" is what stands before it."""
    cells = next(cells for cells in ERRORS if cells[0] == row)
    column = ERRORS[0].index(f"`{kind}`")
    return cells[1] if cells[column] == "The same" else cells[column]


class Failing(ShopEngine):
    """The kit's engine, which fails with this kind wherever a query or a term holds the word "couch"."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def search(self, queries, k, *, total=False):
        failure = SearchError("no", self.kind)
        answers = super().search(queries, k, total=total)
        hit = [any("couch" in text for text in (q.text, *(t.text for t in q.terms))) for q in queries]
        return [failure if failed else answer for failed, answer in zip(hit, answers, strict=True)]


def test_every_capability_is_named_and_nothing_else() -> None:
    header, *rows = table("Which capability each feature needs")
    assert header == ["A feature", "asks for", "without it"]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert named == set(get_args(Capability))
    assert all(row[2] for row in rows if row[1] not in ("none", "`vectors`"))


def test_every_kind_of_error_has_a_column_and_every_place_a_row() -> None:
    assert ERRORS[0] == ["", *(f"`{kind}`" for kind in KINDS)]
    assert all(len(row) == 4 and all(row[1:]) for row in ERRORS[1:])
    places = {row[0].partition(":")[0] for row in ERRORS[1:]}
    assert {"Training", "Evaluation", "Serving", "`leser doctor`"} <= places


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_again(kind: str) -> None:
    engine = Failing(kind)
    with SearchClient(engine, QUICK) as client:
        (answer,) = client.search([ExpandedQuery("1", "couch")], 10)
    assert answer == SearchError("no", kind)
    assert len(engine.searched) == (1 if said("Sent again", kind) == "No" else 1 + QUICK.retries)


@pytest.mark.parametrize("kind", KINDS)
def test_a_completion_in_training_and_in_a_look_at_dev(kind: str) -> None:
    assert said("Training: a completion", kind).startswith("Code `engine_error`: no reward")
    with SearchClient(Failing(kind), QUICK) as client:
        environment = Environment(client, shop_rewards(), ExpansionOptions())
        lamp = next(query for query in TASK.train.queries if query.text == "lamp")
        outcomes = environment.judge([Attempt(lamp, 0, "couch"), Attempt(lamp, 0, "desk")], TASK.train)
        scores = environment.score(outcomes)
    assert [outcome.code for outcome in outcomes] == [Code.ENGINE_ERROR, Code.OK]
    assert scores.excluded.tolist() == [True, False]
    assert scores.gated.tolist() == [False, False]


@pytest.mark.parametrize("kind", ["transient", "engine"])
def test_a_query_by_itself(kind: str) -> None:
    assert "the run ends with 75" in said("Training: a query by itself", kind).lower()
    engine = Failing(kind)
    with SearchClient(engine, QUICK) as client:
        environment = Environment(client, shop_rewards(), ExpansionOptions())
        couch = next(query for query in TASK.train.queries if query.text == "couch")
        with pytest.raises(EngineDown) as caught:
            environment.originals([couch])
    assert caught.value.exit_code == 75
    # patience: beyond the retries that another search gets
    assert (len(engine.searched) > 1 + QUICK.retries) is (
        "until `search.deadline`" in said("Training: a query by itself", kind)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_evaluation(kind: str) -> None:
    assert said("Evaluation: a system's query", kind) == "Counts 0 in every measure, and in the system's `errors`"
    test = TASK.test
    found = dict.fromkeys((query.id for query in test.queries), Ranking(()))
    run = SystemRun("leser", {**found, test.queries[0].id: SearchError("no", kind)})
    result = evaluate(test, [run], ["nDCG@10"], resamples=100)
    assert result.per_query["leser"]["nDCG@10"][test.queries[0].id] == 0.0
    assert result.systems["leser"]["errors"] == pytest.approx(1 / len(test.queries))


@pytest.mark.parametrize("kind", KINDS)
def test_the_doctor(kind: str) -> None:
    finding = of_failure("weights", [SearchError("no", kind)])
    assert finding is not None
    cell = said("`leser doctor`", kind)
    assert f'"{finding.state}", exit code {exit_code([finding])}' in cell


@pytest.mark.parametrize("kind", KINDS)
def test_serving_while_a_rule_gets_no_index_terms(kind: str) -> None:
    assert said("Serving: a rule asks for index terms", kind).startswith("No expansion leaves")
    words = EngineWords(ShopEngine(), lambda question, queries=1: SearchError("no", kind))
    site = Site(words, ExpansionOptions())
    served = ServingFilter(RuleBook([Repetition(Repetition.Options(), site)], site)).completion("lamp", "desk; oak")
    assert served.expansions == ()
    assert {refused.code for refused in served.refused} == {"unchecked"}
