"""The primary measure is settled before training, from dev alone, and a resumed run keeps what it began with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bad_input import DOCUMENTS, shop, write

from leser.config.build import complete
from leser.config.load import config_of
from leser.errors import LeserError
from leser.plugins import load_plugins
from leser.run.primary import forms_shown, measures_shown, primary_of, settle_primary, unfilled
from leser.session import Session, open_session
from leser.store.folder import RunFolder

HEADER = "query-id\tcorpus-id\tscore\n"
DEV = HEADER + "q4\td5\t1\nq4\td4\t0\nq5\td5\t1\nq5\td3\t0\n"
"""green rug and grey chair: of what "green" and "rug" find, d5 is judged; d4 and d3 are judged and never found."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    titles = {**DOCUMENTS, "d6": "green grey thing", "d7": "green or grey thing"}
    corpus = "".join(f'{{"_id": "{id}", "title": "{title}"}}\n' for id, title in titles.items())
    write(tmp_path / "shop", shop({"qrels/dev.tsv": DEV, "corpus.jsonl": corpus}))
    values = {
        "task": {"name": str(tmp_path / "shop")},
        "backend": {"name": "memory"},
        "rewards": {"weights": ["nDCG@10"]},
    }
    registry = load_plugins()
    with open_session(complete(config_of(values), registry), registry) as opened:
        yield opened


def with_(session: Session, **evaluation: object) -> Session:
    table = session.config.evaluation.model_copy(update=evaluation)
    return replace(session, config=session.config.model_copy(update={"evaluation": table}))


def test_holes_in_devs_own_hits_choose_the_condensed_form(session: Session, tmp_path: Path) -> None:
    settled, said = settle_primary(session, RunFolder(tmp_path / "run"))
    assert said.startswith("Primary measure: nDCG(holes=skip)@10 (of the dev queries' top 10 hits 33% are judged")
    assert settled.config.evaluation.primary == primary_of(settled) == "nDCG(holes=skip)@10"
    assert 'primary = "nDCG(holes=skip)@10"' in settled.config.resolved()
    assert measures_shown(settled)[:2] == ("nDCG(holes=skip)@10", "nDCG@10")
    forms = forms_shown(settled)
    assert forms is not None
    assert forms.expected == ""  # no judge is named


def test_what_the_configuration_names_stays(session: Session, tmp_path: Path) -> None:
    named = with_(session, primary="R@100")
    settled, said = settle_primary(named, RunFolder(tmp_path / "run"))
    assert said == "Primary measure: R@100 (evaluation.primary)."
    assert settled.config == named.config
    assert measures_shown(settled)[0] == "R@100"


@pytest.mark.parametrize(("begun", "kept"), [('primary = "RR@10"', "RR@10"), ("", None)])
def test_a_resumed_run_keeps_what_it_began_with(session: Session, tmp_path: Path, begun: str, kept: str | None) -> None:
    """Also nothing, where an earlier version began it: else --resume would find a changed configuration."""
    write(tmp_path / "run", {"config.toml": f"[evaluation]\n{begun}\n"})
    resumed = replace(session, config=session.config.model_copy(update={"resume": True}))
    settled, said = settle_primary(resumed, RunFolder(tmp_path / "run"))
    assert settled.config.evaluation.primary == kept
    assert said == f"Primary measure: {kept or 'nDCG@10'} (as the run began)."


def test_a_filled_measure_without_a_judge_is_an_error_before_training(session: Session) -> None:
    asked = with_(session, measures=("nDCG(holes=expected)@10",))
    with pytest.raises(LeserError, match=r"fills holes, and no judge is named. Set -o evaluation.judge=encoder"):
        measures_shown(asked)


def test_a_judge_that_the_judgments_cannot_teach_is_said_to_fill_nothing(session: Session) -> None:
    """Labels that name relevant documents alone say nothing of what a score is worth."""
    assert unfilled(session) == ""
    judged = {"name": str(session.config.task.name)}
    values = {"task": judged, "backend": {"name": "memory"}, "rewards": {"weights": ["encoder@10"]}}
    with open_session(complete(config_of(values), session.registry), session.registry) as other:
        assert other.environment.expected is None
        assert unfilled(other) == (
            "encoder@10 does not fill holes in the final table: the train judgments hold 0 queries with documents of different "
            "grades and 4 judged documents; 5 and 50 are needed."
        )


def test_where_nothing_is_judged_a_measure_that_needs_no_judgments_is_chosen(tmp_path: Path) -> None:
    unjudged = {"qrels/dev.tsv": f"{HEADER}q4\td5\t0\nq5\td3\t0\n", "qrels/test.tsv": f"{HEADER}q6\td5\t0\nq7\td3\t0\n"}
    write(tmp_path / "shop", shop(unjudged))
    values = {
        "task": {"name": str(tmp_path / "shop"), "unjudged": "all"},
        "backend": {"name": "memory"},
        "rewards": {"weights": ["kept(all=true)@10"]},
    }
    registry = load_plugins()
    with open_session(complete(config_of(values), registry), registry) as opened:
        settled, said = settle_primary(
            with_(opened, measures=("nDCG@10", "kept@10", "kept(all=true)@10")), RunFolder(tmp_path / "run")
        )
        assert primary_of(settled) == "kept(all=true)@10"
        assert said.startswith("Primary measure: kept(all=true)@10 (no dev or test query has a relevant document")
        left, said = settle_primary(with_(opened, measures=("nDCG@10", "RR@10")), RunFolder(tmp_path / "run"))
        assert primary_of(left) == "nDCG@10"
        assert "that needs no judgments" not in said


def test_judgments_of_test_alone_count(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({"qrels/dev.tsv": f"{HEADER}q4\td5\t0\nq5\td3\t0\n"}))
    task = {"name": str(tmp_path / "shop"), "unjudged": "all"}
    values = {"task": task, "backend": {"name": "memory"}, "rewards": {"weights": ["kept(all=true)@10"]}}
    registry = load_plugins()
    with open_session(complete(config_of(values), registry), registry) as opened:
        settled, _ = settle_primary(
            with_(opened, measures=("nDCG@10", "kept(all=true)@10")), RunFolder(tmp_path / "run")
        )
        assert primary_of(settled) == "nDCG@10"
