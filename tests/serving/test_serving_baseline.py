"""A baseline in the place of the policy: what a run kept of it answers, from the documents alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import tomli_w
from inspected_runs import refused, said
from served import entry, serving, write_store

from leser.backend import Term
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.evaluation.rm3 import RM3
from leser.inspect.opening import configured, open_folder
from leser.run.keeping import restored
from leser.serving.answers import Wanted
from leser.serving.live import LiveEngine, LiveProposer
from leser.serving.options import ServingOptions
from leser.session import context_of, open_session
from leser.store.fitted import file_of, names_kept, read_fitted
from leser.task import Query
from leser.testing.shop import ShopEngine, shop_rewards, shop_task

OPTIONS = ServingOptions(hung_s=600, sure_title=False)


@pytest.fixture(scope="module")
def apart(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on another machine, without its policy, and of its task the documents alone."""
    folder = tmp_path_factory.mktemp("apart")
    run = folder / "run"
    shutil.copytree(made, run, ignore=shutil.ignore_patterns("policy", "policies", "checkpoints", "rollouts"))
    config = tomllib.loads((run / "config.toml").read_text())
    task = Path(configured(open_folder(made))[0].task.name)
    (folder / "task").mkdir()
    shutil.copy(task / "corpus.jsonl", folder / "task")
    config["task"]["name"] = str(folder / "task")
    (run / "config.toml").write_text(tomli_w.dumps(config))
    return limited(run, folder / "free", max_expansions=50, max_weight=100.0)


def limited(run: Path, folder: Path, **limits: float) -> Path:
    """A copy of a run with other limits of its expansions."""
    other = shutil.copytree(run, folder / "limited")
    config = tomllib.loads((other / "config.toml").read_text())
    config["expansion"] |= limits
    (other / "config.toml").write_text(tomli_w.dumps(config))
    return other


def texts_of(made: Path) -> list[str]:
    task = Path(configured(open_folder(made))[0].task.name)
    return [json.loads(line)["text"] for line in (task / "queries.jsonl").read_text().splitlines()]


def terms_of(made: Path, name: str, texts: list[str]) -> list[tuple[Term, ...]]:
    """What the baseline adds, as the run's own table has it."""
    with open_session(*configured(open_folder(made))) as session:
        baseline = restored(read_fitted(made, name), session.registry.all("baseline"), context_of(session))
        return baseline.terms([Query(text, text) for text in texts])


def test_a_run_keeps_its_baselines(made: Path) -> None:
    assert {"dictionary", "rm3"} <= set(names_kept(made))
    kept = json.loads(file_of(made, "rm3").read_text())
    assert (kept["format"], kept["name"], kept["class"], kept["reader"]) == (
        1,
        "rm3",
        "leser.evaluation.rm3.RM3",
        "beir",
    )
    assert len(kept["state"]["chosen"]) == 3


@pytest.mark.parametrize("name", ["dictionary", "rm3"])
def test_it_adds_what_its_row_of_the_table_added_and_needs_no_judgments(made: Path, apart: Path, name: str) -> None:
    texts = texts_of(made)[:40]
    live = LiveProposer(apart, OPTIONS, name)
    answers = live([(text, "") for text in texts])
    analyze = live._open().environment.analyze
    added = 0
    for text, row, answer in zip(texts, terms_of(made, name, texts), answers, strict=True):
        (own,) = analyze([text])
        new = [(term.text, pytest.approx(term.weight)) for term in row if not set(analyze([term.text])[0]) <= set(own)]
        assert [(e.text, e.weight) for e in answer.expansions] == new, text
        assert answer.reason == ("" if new else "nothing_to_add")
        added += bool(new)
    assert added > 5
    live._open().client.close()


def test_the_limits_of_the_run_cut_and_say_so(
    made: Path, apart: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = limited(apart, tmp_path, max_expansions=1)
    texts = texts_of(made)[:40]
    answers = LiveProposer(run, OPTIONS, "rm3")([(text, "") for text in texts])
    assert max(len(answer.expansions) for answer in answers) == 1
    assert caplog.text.count("expansion.max_expansions=1 takes out what is beyond") == 1


def test_the_engine_searches_without_judgments_too(apart: Path) -> None:
    engine = LiveEngine(apart, OPTIONS, "dictionary")
    (found,) = engine([Wanted("chair", (), 3, both=False)])
    assert found.hits
    assert found.hits[0]["title"]


def test_no_user_waits_for_what_the_first_question_makes(apart: Path) -> None:
    for opened in (LiveProposer(apart, OPTIONS, "rm3"), LiveEngine(apart, OPTIONS, "rm3")):
        client = opened._open().client
        assert client.stats().asked > 0, "the index in memory is made by the first search"
        client.close()


def test_a_baseline_without_a_model_loads_no_torch(apart: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from leser.serving.live import LiveProposer; "
        "from leser.serving.options import ServingOptions; "
        "live = LiveProposer(Path(sys.argv[1]), ServingOptions(sure_title=False), 'rm3'); "
        "print([bool(one.expansions) for one in live([('soft chair', '')])], 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(apart)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[True] False"


def test_it_answers_over_http_says_who_it_is_and_is_stored(apart: Path, tmp_path: Path) -> None:
    store = write_store(tmp_path / "head.db", entry("red sofa", "couch"))
    flags = ("--run", str(apart), "--by", "rm3", "-o", "budget_ms=60000", "-o", "hung_s=60", "-o", "sure_title=false")
    with serving(tmp_path, store, *flags, "-o", "refresh_s=0.1") as served:
        assert served.client.get("/readyz").json()["by"] == "rm3"
        assert served.expand("soft chair")["reason"] in ("baseline_loading", "")
        served.until("/readyz policy", "ready", 300)
        found = served.expand("a chair for the desk")
        assert (found["source"], found["by"], found["reason"]) == ("baseline", "rm3", "")
        while served.expand("a chair for the desk")["source"] != "store":
            time.sleep(0.05)
        again = served.expand("a chair for the desk")
        assert (again["by"], again["state"], again["expansions"]) == ("rm3", "live", found["expansions"])
        row = served.client.get("/v1/entry", params={"q": "a chair for the desk"}).json()["entry"]
        assert row["policy"] == read_fitted(apart, "rm3").fitted
        assert served.expand("red sofa")["source"] == "store"
        assert 'leser_expansions_total{reason="",source="baseline"}' in served.client.get("/metrics").text
        served.search_until_ready()
        kept = read_fitted(apart, "rm3")
        kept.write(apart)  # it was fitted anew
        served.until_metric("leser_run_swaps", 1.0)


def test_what_cannot_be_served_is_refused_before_the_store_is_read(made: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "none.db")
    assert "Name it with --run RUN" in refused("serve", *store, "--by", "rm3")
    assert f"Fit it: leser fit {made} --by encoder-feedback" in refused(
        "serve", *store, "--run", made, "--by", "encoder-feedback"
    )
    assert "is not a run with a policy" in refused("serve", *store, "--policy", tmp_path)


def test_a_file_that_does_not_fit_is_refused_with_what_to_do(made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    kept = file_of(run, "rm3")
    kept.parent.mkdir(parents=True)
    for wrong, why in (
        ("{", "cannot be read"),
        ('{"format": 2}', "is not of the format 1"),
        ('{"format": 1, "name": "rm3"}', "does not hold what"),
    ):
        kept.write_text(wrong)
        with pytest.raises(LeserError, match=f"{why}.*Fit it anew: leser fit"):
            read_fitted(run, "rm3")
    shutil.copy(file_of(made, "rm3"), kept)
    kept.write_text(kept.read_text().replace("leser.evaluation.rm3.RM3", "shop.Own"))
    classes = {"rm3": RM3}
    with SearchClient(ShopEngine()) as client, pytest.raises(LeserError, match=r"was fitted as shop\.Own, and the one"):
        restored(read_fitted(run, "rm3"), classes, BaselineContext(client, shop_task(), shop_rewards()))


def test_fit_keeps_a_baseline_without_a_run_and_in_an_older_one(made: Path, tmp_path: Path) -> None:
    older, new = tmp_path / "older", tmp_path / "new"
    shutil.copytree(made, older, ignore=shutil.ignore_patterns("baselines", "rollouts", "checkpoints"))
    assert "is written. Serve it: leser serve --store STORE --run" in said("fit", older, "--by", "rm3")
    assert file_of(older, "rm3").read_text() == file_of(made, "rm3").read_text(), "as the run's own table has it"
    config = made / "config.toml"
    said("fit", "--config", config, "--by", "rm3", "-o", "expansion.max_expansions=3", "--out", new)
    assert json.loads(file_of(new, "rm3").read_text())["state"] == json.loads(file_of(made, "rm3").read_text())["state"]
    assert configured(open_folder(new))[0].expansion.max_expansions == 3
    assert "For other options name a new folder" in refused("fit", older, "--by", "rm3", "-o", "seed=3")
    assert "already holds a run" in refused("fit", "--config", config, "--by", "rm3", "--out", new)
    assert "Name a run, or a new folder" in refused("fit", "--by", "rm3")
    assert "ranks documents itself" in refused("fit", older, "--by", "encoder-rerank")
    assert "--by names the baselines to fit" in refused("fit", older, "--by", "policy")


def plugin(folder: Path, body: str, fit: str = "") -> Path:
    """A file with a baseline `own`."""
    file = folder / "own_baseline.py"
    fitting = f"    def fit(self, context):\n        {fit}\n\n" if fit else ""
    file.write_text(
        "from leser.backend import Term\nfrom leser.baseline import Baseline\nfrom leser.hooks import hookimpl\n\n\n"
        f'class Own(Baseline):\n    """A team\'s own."""\n\n    name = "own"\n\n{fitting}'
        f"    def terms(self, queries):\n        return {body}\n"
        "\n\n@hookimpl\ndef leser_baselines():\n    return [Own]\n"
    )
    return file


def test_a_baseline_that_cannot_be_kept_is_refused_before_it_is_fitted(made: Path, tmp_path: Path) -> None:
    own = plugin(tmp_path, "[()] * len(queries)", "raise AssertionError")
    why = refused("fit", "--config", made / "config.toml", "--plugin", own, "--by", "own", "--out", tmp_path / "out")
    assert "its class has no state()" in why
    assert "leser precompute --by own" in why
    assert not (tmp_path / "out").exists()


def test_what_a_baseline_fails_on_is_that_querys_answer(made: Path, tmp_path: Path) -> None:
    own = plugin(tmp_path, '[(Term("wardrobe", 1 / (query.text != "a bad one")),) for query in queries]')
    said("fit", "--config", made / "config.toml", "--plugin", own, "--by", "own", "--out", tmp_path / "out")
    live = LiveProposer(tmp_path / "out", OPTIONS, "own")
    session = live._session
    answers = live([(text, "") for text in ("a chair", "a bad one", "a lamp")])
    assert [answer.reason for answer in answers] == ["", "failed", ""]
    assert [e.text for answer in answers for e in answer.expansions] == ["wardrobe"] * 2
    assert live._session is session, "the engine is well"
