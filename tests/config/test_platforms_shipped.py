"""The profiles in examples/platforms, and a run's profile: what is let through, stopped, kept and taken to another shop."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli_w
from corners import corner
from leser_catalogue.generator import generate
from leser_memory import MemoryBackend
from platforms import SHIPPED, Write, leser, resolved, said
from settings import small, small_task

from leser.backend import Document, Ranking
from leser.baseline import BaselineContext
from leser.config.check import check_profile
from leser.config.load import load_config
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion, ExpansionOptions
from leser.prompt import Observation, PromptOptions, chat_prompt
from leser.reward import Outcome, Reward
from leser.rules import RuleBook
from leser.scoring import RewardSet
from leser.task import Query, Split, Task


def test_without_a_platform_nothing_changes(write: Write) -> None:
    shop = write(shop='out = "runs/a"\n[platform]\nname = "a"\n')
    plain = resolved(None, None, out="runs/a").resolved()
    assert "[platform]" not in plain
    assert resolved(shop).resolved() == plain.replace("[task]", '[platform]\nname = "a"\n\n[task]', 1)
    assert resolved(None).out == Path("runs/demo-pyserini-tiny-seed1")


@pytest.mark.parametrize(
    ("name", "analysis", "brand"),
    [("us", "english", "Grandmart"), ("de", "german", "Kaufrausch"), ("electronics", "english", "Gadgetopia")],
)
def test_a_shipped_profile_passes_a_dry_run(
    name: str,
    analysis: str,
    brand: str,
    tmp_path: Path,
    shared_data: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # what the profile would write is not asked of the machine that runs the tests
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    task: tuple[str | Path, ...] = ()
    if name == "electronics":
        task = ("--task", corner(shared_data("electronics"), tmp_path / "corner"))
    out = tmp_path / "run"
    chosen = ("--backend", "memory", "-o", f"analysis={analysis}", *task, "--out", out, "--dry-run")
    done = leser("run", "--platform", SHIPPED / f"{name}.toml", *chosen)
    assert done.exception is None, done.exception
    assert "everything was checked" in done.stderr
    config = tomllib.loads(done.stdout)
    assert config["platform"]["name"] == name
    assert config["rules"]["locale"] == config["platform"]["locale"]
    assert brand in config["rules"]["competitor"]["brands"]
    assert set(config["rules"]) > {"script", "contact", "protected", "count", "banned", "restricted"}
    assert "extends" not in config
    assert not out.exists()


@pytest.mark.parametrize(("name", "language"), [("us", "en"), ("de", "de")])
def test_a_shipped_profile_lets_the_catalogues_own_words_through(name: str, language: str) -> None:
    rules = check_profile(SHIPPED / f"{name}.toml").rules
    task = generate(1, language)
    assert task.ideal is not None
    asked = [(q.text, [Expansion(text) for text in task.ideal(q.id)[:5]]) for q in task.train.queries]
    clean = [(text, expansions) for text, expansions in asked if expansions][:1000]
    refused = [(*case, found) for case in clean if (found := rules.check(*case)) and found.code != "repetition"]
    assert len(refused) <= 5, refused


@pytest.mark.parametrize(
    ("name", "query", "expansion", "code"),
    [
        ("us", "sofa", "Grandmart sofa", "competitor"),
        ("us", "sofa", "диван", "script"),
        ("us", "sofa", "größe", "script"),
        ("us", "sofa", "replica", "banned"),
        ("us", "tv", "55 Zoll", "banned"),
        ("us", "toy", "rifle", "restricted"),
        ("us", "kaendrix sofa", "kolgov", "protected"),
        ("us", "phone 64 gb", "128 gb", "protected"),
        ("us", "sofa", "one two three four", "count"),
        ("us", "sofa", "call 555 123 4567", "contact"),
        ("de", "sofa", "möbelwunder", "competitor"),
        ("de", "sofa", "sofá", "script"),
        ("de", "topf", "fälschung", "banned"),
        ("de", "fernseher", "55 inch", "banned"),
        ("de", "glas", "wein", "restricted"),
        ("de", "karaffe 1,5 l", "1500 ml", None),
        ("de", "karaffe 1,5 l", "2 liter", "protected"),
        ("de", "schuhe größe 42", "größe 43", "protected"),
        ("electronics", "laptop", "Gadgetopia", "competitor"),
        ("electronics", "laptop", "notebook", None),
        ("electronics", "windows 10", "activation key", "banned"),
        ("electronics", "laptop", "refurbished notebook", "restricted"),
        ("electronics", "refurbished laptop", "used notebook", None),
        ("electronics", "brother tn-2110 toner", "tn-2120", "protected"),
        ("electronics", "brother toner", "epson", "protected"),
    ],
)
def test_a_shipped_profile_stops_what_its_market_forbids(
    market: Callable[[str], RuleBook], name: str, query: str, expansion: str, code: str | None
) -> None:
    found = market(name).check(query, [Expansion(expansion)])
    assert (found.code if found else None) == code, found


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RuleBook]:
    """The rules of a shipped profile, wherever its data are."""

    @cache
    def rules(name: str) -> RuleBook:
        path = tmp_path_factory.mktemp(name) / "here.toml"
        path.write_text(f'extends = "{SHIPPED / name}.toml"\n[task]\nname = "demo"\n', encoding="utf-8")
        return check_profile(path).rules

    return rules


@pytest.mark.parametrize(
    ("name", "rewards", "code"),
    [("us-browse", {"R@100", "coverage@10"}, None), ("us-exact", {"P(rel=2)@5", "RR(rel=2)@10"}, "competitor")],
)
def test_profiles_that_go_on_from_another_shops_policy(
    name: str, rewards: set[str], code: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "here.toml"
    path.write_text(f'extends = "{SHIPPED / name}.toml"\n[policy]\nname = "tiny"\n', encoding="utf-8")
    checked = check_profile(path)
    assert {spec.partition("=0")[0] for spec in checked.config.rewards.weights} == rewards
    assert not checked.config.warmup.enabled
    found = checked.rules.check("sofa bed", [Expansion("Backhura")])
    assert (found.code if found else None) == code
    assert checked.rules.check("backhura sofa bed", [Expansion("Backhura couch")]) is None


def test_the_platforms_words_begin_the_prompt() -> None:
    def system(words: str) -> str:
        seen = Observation(Query("1", "sofa"), Ranking(()))
        return chat_prompt(seen, PromptOptions(platform=words), ExpansionOptions())[0].content

    assert system("\nWrite for\na German shop. ") == f"Write for a German shop. {system('')}"


def test_rewards_are_told_the_platform() -> None:
    told_of: list[tuple[str, str | None]] = []

    class Spy(Reward):
        """Notes who asks."""

        name = "spy"

        def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
            told_of.extend((outcome.split, outcome.platform) for outcome in outcomes)
            return [1.0] * len(outcomes)

    query = Query("1", "sofa")
    split = Split("train", (query,), {"1": {"a": 1}})
    client = SearchClient(MemoryBackend.of([Document("a", {"title": "sofa", "text": "velvet"})]))
    rewards = RewardSet.from_specs(["spy"], {"spy": Spy})
    for platform in ("us", None):
        told_of.clear()
        environment = Environment(client, rewards, ExpansionOptions(), platform=platform)
        outcomes = environment.judge([Attempt(query, 0, "velvet")], split)
        environment.score(outcomes)
        BaselineContext(client, Task("t", split, split, split), rewards, platform=platform).reward(split, [query], [()])
        runs = [SystemRun("leser", rankings={"1": outcomes[0].original})]
        evaluate(split, runs, ["spy"], rewards={"spy": Spy}, resamples=100, platform=platform)
        assert set(told_of) == {("train", platform)}
        assert len(told_of) == 3


QUICK: dict[str, Any] = {
    "policy": {"tiny": {"d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 32, "pretrain_steps": 1}},
    "warmup": {"max_queries": 20, "max_evaluations": 1, "samples": 0},
    "training": {"steps": 1, "dev_queries": 4},
    "evaluation": {
        "baselines": ["original"], "best_of": 0, "prompted": False, "passages": False, "warmup_plus": False, "resamples": 100,
    },
}  # fmt: skip


def test_a_run_keeps_its_platform_and_its_policy_is_taken_to_another(write: Write, tmp_path: Path) -> None:
    values = small(tmp_path / "run", task={"name": str(small_task(tmp_path / "task"))}, **QUICK)
    write(
        common=tomli_w.dumps(values),
        here='extends = "common.toml"\n[platform]\nname = "here"\n[rules.banned]\nwords = ["zeppelin"]\n',
        there='extends = "common.toml"\nseed = 9\n[platform]\nname = "there"\nlocale = "de"\n[rules.contact]\n'
        '[backend]\nk1 = 1.4\n[policy]\nname = "smollm2"\n[evaluation]\nmeasures = ["nDCG@10"]\n',
    )
    assert "rules: banned, repetition" in leser("run", "--platform", "here.toml").stderr
    kept = tomllib.loads(Path("run/config.toml").read_text(encoding="utf-8"))
    assert (kept["platform"], kept["rules"]["banned"]["words"]) == ({"name": "here"}, ["zeppelin"])
    assert json.loads(Path("run/evaluation.json").read_text(encoding="utf-8"))["platform"] == "here"
    for file in ("common", "here"):
        Path(f"{file}.toml").rename(f"{file}.bak")
    assert "holds a finished run" in leser("run", "--config", "run/config.toml", "--resume").stderr
    Path("common.bak").rename("common.toml")

    before = Path("run/config.toml").read_bytes()
    assert "evaluation-there-memory-test.json" in said("evaluate", "run", "--platform", "there.toml")
    result = json.loads(Path("run/evaluation-there-memory-test.json").read_text(encoding="utf-8"))
    assert (result["platform"], result["backend"]["k1"]) == ("there", 1.4)
    assert set(result["systems"]) == {"original", "leser"}
    assert Path("run/config.toml").read_bytes() == before
    assert "searched" in said("expand", "run", "a blue sofa", "--platform", "there.toml")
    moved = load_config(Path("run/config.toml"), moved_to=Path("there.toml"))
    assert (moved.seed, moved.policy.name, moved.platform.locale) == (values.get("seed", 1), "tiny", "de")
    assert list(moved.rules.options) == ["contact"], "rules of the run's own platform do not come along"
