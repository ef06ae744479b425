"""Platform profiles: what extends what, where paths start, every mistake named, what is said of them, and runs with them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result
from corners import corner
from leser_catalogue.generator import generate
from leser_memory import MemoryBackend
from loaded_modules import HEAVY, modules_after
from places import ROOT
from settings import small, small_task

from leser.backend import Document, Ranking
from leser.baseline import BaselineContext
from leser.cli.main import group
from leser.config.build import complete
from leser.config.check import check_profile
from leser.config.load import load_config
from leser.config.profile import read_profile
from leser.config.sentences import told
from leser.config.tables import RunConfig
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion, ExpansionOptions
from leser.plugins import load_plugins
from leser.prompt import Observation, PromptOptions, chat_prompt
from leser.reward import Outcome, Reward
from leser.rules import RuleBook
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

SHIPPED = ROOT / "examples" / "platforms"
Write = Callable[..., Path]

BASE = """
seed = 7
[backend]
name = "memory"
k1 = 1.2
analysis = "english"
[task]
name = "demo"
seed = 3
[rewards]
weights = ["nDCG@10=0.7", "coverage@10=0.3"]
[rules.contact]
[rules.count]
most = 4
"""
SHOP = """
extends = "base.toml"
[platform]
name = "shop"
locale = "de-DE"
[backend]
analysis = "german"
[rules.count]
most_words = 2
[rules.banned]
words = ["gun"]
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files below a folder that is the working directory from then on; gives the last one's relative path."""
    monkeypatch.chdir(tmp_path)

    def written(**files: str) -> Path:
        for name, text in files.items():
            path = Path(f"{name.replace('__', '/')}.toml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return path

    return written


def leser(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, [str(a) for a in arguments], env={"HF_HUB_OFFLINE": "1", "COLUMNS": "120"})


def said(*arguments: str | Path) -> str:
    done = leser(*arguments)
    assert done.exception is None, done.exception
    return done.output


def resolved(platform: Path | None, config: Path | None = None, *assignments: str, **flags: str) -> RunConfig:
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return complete(load_config(config, given, assignments, platform), load_plugins())


def test_tables_merge_key_by_key_and_a_value_replaces(write: Write) -> None:
    config = resolved(write(base=BASE, shop=SHOP + '[rewards]\nweights = ["R@100"]\n'))
    assert (config.seed, config.platform.name, config.platform.locale) == (7, "shop", "de-DE")
    assert (config.backend.options["k1"], config.backend.options["analysis"]) == (1.2, "german")
    assert config.rewards.weights == ("R@100",)
    assert list(config.rules.options) == ["contact", "count", "banned"]
    assert (config.rules.options["count"]["most"], config.rules.options["count"]["most_words"]) == (4, 2)
    assert config.rules.locale == "de-DE", "the platform's locale is its rules'"
    assert config.task.options == {"seed": 3, "language": "en"}


def test_another_engine_leaves_the_old_ones_options_behind(write: Write) -> None:
    shop = write(base=BASE, shop='extends = "base.toml"\n[platform]\nname = "a"\n[backend]\nname = "pyserini"\nb = 0.1')
    options = resolved(shop).backend.options
    assert (options["k1"], options["b"]) == (0.9, 0.1)


def test_a_rule_of_an_extended_file_is_taken_out(write: Write) -> None:
    shop = write(base=BASE, shop=SHOP + "[rules]\ncontact = false\n")
    assert list(resolved(shop).rules.options) == ["count", "banned"]
    wrong = write(shop=SHOP + "[rules]\ncontakt = false\n")
    with pytest.raises(
        LeserError, match=r"shop\.toml, rules\.contakt: there is no such rule below .*: contact, count, b"
    ):
        read_profile(wrong)


def test_each_file_says_its_paths_from_where_it_lies(write: Write) -> None:
    common = """
    plugins = ["more/mine.py"]
    [task]
    name = "../data/shop"
    [backend]
    name = "pyserini"
    index = "../indexes/shop"
    [policy]
    name = "../policies/base"
    [rules.banned]
    files = ["banned.txt", "/lists/banned.txt"]
    [rules.restricted.files]
    wine = "lists/wine.txt"
    [training.monitor]
    engine = "memory"
    engine_options = { documents = "docs", analysis = "german" }
    """
    shop = write(
        lists__common=common,
        markets__de__shop='extends = "../../lists/common.toml"\nout = "run"\n[platform]\nname = "de"\n[rules.banned]\n'
        'pattern_files = ["patterns.txt"]\nwords = ["docs"]\n',
    )
    Path("data/shop/qrels").mkdir(parents=True)
    Path("data/shop/queries.jsonl").touch()
    loaded = load_config(platform=shop)
    assert (loaded.plugins, loaded.out) == ((Path("lists/more/mine.py"),), Path("markets/de/run"))
    config = complete(loaded, load_plugins())
    assert config.task.name == "data/shop"
    assert config.policy.name == "./policies/base", "with one slash and no dot it would be a hub id"
    assert config.backend.options["index"] == "indexes/shop"
    banned = config.rules.options["banned"]
    assert banned["files"] == ["lists/banned.txt", "/lists/banned.txt"]
    assert banned["pattern_files"] == ["markets/de/patterns.txt"]
    assert banned["words"] == ["docs"], "a word is no path, whatever lies there"
    assert config.rules.options["restricted"]["files"] == {"wine": "lists/lists/wine.txt"}
    assert config.training.monitor.engine_options == {"documents": "lists/docs", "analysis": "german"}
    assert complete(load_config(platform=shop.resolve()), load_plugins()).backend.options["index"] == str(
        Path("indexes/shop").resolve()
    )


def test_names_that_are_no_paths_stay_names(write: Write) -> None:
    shop = write(shop='[platform]\nname = "a"\n[task]\nname = "demo"\n[policy]\nname = "owner/model"\n')
    config = load_config(platform=shop)
    assert (config.task.name, config.policy.name) == ("demo", "owner/model")


def test_a_configuration_overrides_the_profile_and_flags_override_both(write: Write) -> None:
    write(base=BASE, shop=SHOP, run="[backend]\nb = 0.2\nk1 = 1.5\n[training]\nsteps = 9\n[rules.count]\nmost = 2\n")
    config = resolved(Path("shop.toml"), Path("run.toml"), "k1=1.7", training__steps="11")
    assert {key: config.backend.options[key] for key in ("analysis", "b", "k1")} == {
        "analysis": "german", "b": 0.2, "k1": 1.7,
    }  # fmt: skip
    assert config.training.steps == 11
    assert (config.rules.options["count"]["most"], config.rules.options["count"]["most_words"]) == (2, 2)
    assert "analysis" not in resolved(Path("shop.toml"), None, backend__name="pyserini").backend.options
    assert config.out == Path("runs/shop-demo-memory-tiny-seed7")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"shop": "seed = = 1"}, r"profile shop\.toml is not valid TOML: .*line 1"),
        (
            {"shop": 'extends = "bse.toml"', "base": ""},
            r"shop\.toml, extends: there is no file bse\.toml\. Did you mean 'b",
        ),
        ({"shop": "extends = 3"}, r"shop\.toml, extends: expected the name of a file, .* found 3"),
        ({"shop": 'extends = "shop.toml"'}, r"in a circle: shop\.toml -> shop\.toml\. Take one `extends` out"),
        (
            {"shop": 'extends = "x/b.toml"', "x__b": 'extends = "c.toml"', "x__c": 'extends = "../x/b.toml"'},
            r"in a circle: b\.toml -> c\.toml -> b\.toml",
        ),
        ({"base": BASE}, r"No platform profile at shop\.toml: there is no such file"),
    ],
)
def test_files_that_cannot_be_read_are_named(write: Write, files: dict[str, str], message: str) -> None:
    write(**files)
    with pytest.raises(LeserError, match=message):
        load_config(platform=Path("shop.toml"))


def test_only_profiles_extend(write: Write) -> None:
    with pytest.raises(LeserError, match=r"run\.toml extends another file, .* Give it with --platform"):
        load_config(write(base=BASE, run='extends = "base.toml"'))


def test_all_mistakes_in_leser_tables_are_named_with_file_and_key(write: Write) -> None:
    shop = write(
        base=BASE + "[training]\nstep = 3\nmonitor = { stopp = true }\n[promt]\n"
        "[constraints.kinds.price]\nfield = 'price'\nunits = 'USD'\n",
        shop='extends = "base.toml"\nresume = true\ngrpo = 3\n[platform]\nlocale = "?"\n[training]\nsteps = -1\n',
    )
    for refuse in (load_config, lambda platform: check_profile(platform)):
        with pytest.raises(LeserError) as caught:
            refuse(platform=shop)
        first, *lines = str(caught.value).splitlines()
        assert first == "The platform profile shop.toml cannot be used:"
        found = {line.partition(": ")[0].strip(): line.partition(": ")[2] for line in lines}
        assert set(found) == {
            "base.toml, training.step", "base.toml, training.monitor.stopp", "base.toml, promt",
            "base.toml, constraints.kinds.price.units", "shop.toml, resume",
            "shop.toml, grpo", "shop.toml, platform.locale", "shop.toml, platform.name", "shop.toml, training.steps",
        }  # fmt: skip
        assert "Did you mean 'steps'?" in found["base.toml, training.step"]
        assert "Did you mean 'stop'?" in found["base.toml, training.monitor.stopp"]
        assert "Did you mean 'prompt'?" in found["base.toml, promt"]
        assert found["shop.toml, training.steps"] == "Input should be greater than or equal to 0 (got -1)."


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("[backend]\nname = 'memry'", "backend.name", "Did you mean 'memory'?"),
        ("[backend]\nkk = 1", "backend.kk", "Unknown option 'kk' of [backend]"),
        ("[backend]\nk1 = 'many'", "backend.k1", "got 'many'"),
        ("[task]\nsead = 1", "task.sead", "Did you mean 'seed'?"),
        ("[task]\nname = './none'", "task.name", "there is no such file or folder"),
        ("[rules.bannd]", "rules.bannd", "Did you mean 'banned'?"),
        ("[rules.banned]", "rules.banned", "has no words or patterns"),
        ("[rules.banned]\nfiles = ['none.txt']", "rules.banned", "cannot be read"),
        ("[rules.banned]\npatterns = ['(']", "rules.banned", "Cannot read the pattern '('"),
        ("[rules.count]\nmost = 0", "rules.count.most", "greater than or equal to 1"),
        ("[rules.count]\nmots = 1", "rules.count.mots", "Did you mean 'most'?"),
        ("[rewards]\nweights = ['nDGC@10']", "rewards.weights", "Did you mean 'nDCG'?"),
        ("[rewards]\ngated_reward = 9.0", "rewards.weights", "gated_reward 9 is above"),
        ("[evaluation]\nmeasures = ['nDCG@10', 'nope']", "evaluation.measures", "nope"),
        ("[evaluation]\nbaselines = ['rm4']", "evaluation.baselines", "Did you mean 'rm3'?"),
        ("[training.monitor]\nengine = 'lucene'", "training.monitor.engine", "Unknown backend 'lucene'"),
        ("[policy]\nname = './none'", "policy.name", "nor a folder"),
    ],
)
def test_mistakes_in_plugins_tables_are_named_with_file_and_key(write: Write, text: str, where: str, why: str) -> None:
    shop = write(base=text, shop='extends = "base.toml"\n[platform]\nname = "a"\n[backend]\nname = "memory"\n')
    if where.startswith("backend"):
        shop = write(
            base="", shop=f'[platform]\nname = "a"\n{text}\n' + ("" if "name" in text else 'name = "memory"\n')
        )
    file = "shop.toml" if where.startswith("backend") else "base.toml"
    done = leser("platforms", "check", shop)
    assert isinstance(done.exception, LeserError)
    assert f"  {file}, {where}: " in str(done.exception)
    assert why in str(done.exception)


def test_a_profile_is_said_in_words(write: Write) -> None:
    shop = write(
        base=BASE,
        shop=SHOP
        + """patterns = ['\\bxx+']
sentence = "No weapons."
[prompt]
platform = '''Write for
a German shop.\x1b'''
[rewards]
weights = ["nDCG@10=0.5", "kept(min=0.5)@10"]
[constraints]
enabled = true
[constraints.kinds]
price = { field = "price", unit = "EUR" }
colour = { field = "colour", values = ["rot"] }
""".replace("\x1b", ""),
    )
    assert (
        said("platforms", "check", shop)
        == """\
Platform shop, locale de-DE
  shop.toml, which extends base.toml

Queries: demo, seed 3
Engine: memory, k1 1.2, analysis german
Policy: tiny, made from the task's own text; it reads no instructions, so none of the prompt's words
Expansions: at most 5, one search, weighted clauses (mode boost)
Prompt: begins "Write for a German shop."
Typed in a query and respected by every search (read as de-DE)
  price: limits in EUR; field price
  colour: 1 value, wanted or not wanted; field colour

Rewarded
  0.5 x nDCG@10: Discounted gain of the top k relative to the best order the judgments allow (nDCG@k).
  Each expansion costs 0.005.
Required: a completion that fails earns -0.1
  kept(min=0.5)@10: Share of the original's relevant top k that is still in the expanded top k (kept@k, kept(min=0.8)@10).

Forbidden: earns -0.1 in training, and is never served
  contact: No expansion holds a mail address, a phone number or a web address.
    The prompt says: "Write no mail addresses, phone numbers or web addresses."
  count: No more and no longer expansions than these limits say.
    most: 4
    most_words: 2
    The prompt says: "Write at most 4 terms, at most 2 words in each."
  banned: No expansion holds a banned word, phrase or pattern.
    words: gun
    patterns: \\bxx+
    The prompt says: "No weapons."
  repetition: No expansion repeats the query or another one, after the engine's analysis. Always active.
    The prompt says nothing of it.

ok
"""
    )


def test_one_bad_profile_does_not_keep_the_others_from_being_checked(write: Write) -> None:
    write(good='[platform]\nname = "good"\n[backend]\nname = "memory"\n', bad='[platform]\nname = "\\u001b[31mbad"\n')
    done = leser("platforms", "check", "bad.toml", "good.toml")
    assert isinstance(done.exception, LeserError)
    assert str(done.exception) == "1 of 2 profiles cannot be used; see the errors above."
    assert "The platform profile bad.toml cannot be used" in done.stderr
    assert "\x1b" not in done.output
    assert done.stdout.endswith("ok\n")
    assert isinstance(leser("platforms", "check", "bad.toml").exception, LeserError)


def test_a_check_contacts_and_loads_no_engine() -> None:
    assert not modules_after("platforms", "check", str(SHIPPED / "us.toml")) & {*HEAVY, "leser_memory.store"}


def test_long_lists_are_told_in_part(write: Write) -> None:
    shop = write(
        shop='[platform]\nname = "a"\n[backend]\nname = "solr"\nurl = "http://host:1/solr"\n[rules.banned]\n'
        f"words = {[f'word{n}' for n in range(9)]}\n[rules.restricted.categories]\nwine = ['red', 'white']\ntoys = ['ball']\n"
    )
    lines = told(check_profile(shop))
    assert "    words: word0, word1, word2, word3, word4, word5 and 3 more" in lines
    assert "    categories: wine = red, white; toys = ball" in lines


def test_a_password_in_an_address_is_never_said(write: Write) -> None:
    secret = "https://me:hunter2@host:9200"
    shop = write(shop=f'[platform]\nname = "a"\n[prompt]\nplatform = "See {secret}"\n')
    assert 'Prompt: begins "See https://***@host:9200"' in told(check_profile(shop))
    for backend in ("elasticsearch", "solr", "memory"):
        done = leser(
            "platforms", "check", write(shop=f'[platform]\nname = "a"\n[backend]\nname = "{backend}"\nurl = "{secret}"')
        )
        assert isinstance(done.exception, LeserError)
        assert "hunter2" not in f"{done.exception}{done.output}"


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
    name: str, analysis: str, brand: str, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
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
