"""Rules as training meets them: the repetition rule, the book, plugins, the configuration, the prompt."""

from __future__ import annotations

import json
import tomllib

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from rule_cases import SHELF, book_of, checked, every_rule

from leser.config.build import complete
from leser.config.load import load_config
from leser.engine import SearchClient, SearchOptions
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import EngineDown, LeserError
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.plugins import load_plugins
from leser.prompt import PromptOptions, chat_prompt
from leser.reward import parse_spec
from leser.rule import Proposal, Site
from leser.rules import RuleBook, build_book
from leser.rules.repetition import Repetition
from leser.scoring import RewardSet
from leser.session import open_session
from leser.task import Query, Split


class Stemming(MemoryBackend):
    """An engine whose analysis takes a plural's s off, and nothing else."""

    def analyze(self, texts, field=None):
        return [[w.rstrip("s") for w in t.lower().split()] for t in texts]


def broken(query, *texts, mode="boost"):
    site = Site(EngineWords(Stemming.of(())), ExpansionOptions(mode=mode))
    found = Repetition(Repetition.Options(), site).check(Proposal(query, tuple(map(Expansion, texts)), site))
    return found.reason if found else None


def test_a_word_may_stand_once_among_boosted_expansions():
    assert broken("dog", "husky", "puppy") is None
    assert "'husky' stands twice" in broken("dog", "husky", "husky")
    assert "'husky' stands twice" in broken("dog", "husky", "huskys harness")  # after analysis
    assert "'very' stands twice" in broken("dog", "very very big")


def test_a_boosted_expansion_must_add_a_word_to_the_query():
    assert "adds no word" in broken("red shoes", "shoe")
    assert broken("red shoes", "shoe rack") is None


def test_fused_expansions_may_share_words_but_not_be_equal():
    assert broken("dog", "husky harness", "husky lead", mode="fuse") is None
    assert "repeats" in broken("dog", "husky lead", "lead husky", mode="fuse")
    assert "repeats" in broken("red dog", "dogs red", mode="fuse")


def test_no_expansion_breaks_no_rule():
    assert broken("dog") is None


# -- training --------------------------------------------------------------------------------------------------------

LAMP = Query("q1", "lamp")
SPLIT = Split("train", (LAMP,), {"q1": {"lamp1": 1}})


def environment_of(tables=None):
    client = SearchClient(MemoryBackend.of(SHELF))
    rewards = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])
    book = (
        build_book(tables, load_plugins().all("rule"), EngineWords(client.backend, client.ask), ExpansionOptions())
        if tables is not None
        else None
    )
    return Environment(client, rewards, ExpansionOptions(), rules=book)


def test_without_a_configured_rule_repetition_alone_holds():
    for environment in (environment_of(), environment_of({})):
        assert environment.rules.codes == ("repetition",)
        assert environment.read(Attempt(LAMP, 0, "brass; brass"))[1:] == (
            Code.RULE_VIOLATION, "repetition: 'brass' stands twice",
        )  # fmt: skip
        assert environment.read(Attempt(LAMP, 0, "gun"))[1] is Code.OK
        assert environment.observe([LAMP], PromptOptions())[0].rules == ()


def test_a_violation_takes_a_completion_out_and_says_which_rule():
    environment = environment_of(every_rule())
    said = ["brass", "none", "gun", "brass; brass", "zeta", "x\ny", "call 5551234"]
    outcomes = environment.judge([Attempt(LAMP, 0, text) for text in said], SPLIT)
    assert [o.code for o in outcomes] == [
        Code.OK, Code.NONE, Code.RULE_VIOLATION, Code.RULE_VIOLATION, Code.RULE_VIOLATION, Code.PARSE_ERROR,
        Code.RULE_VIOLATION,
    ]  # fmt: skip
    scores = environment.score(outcomes)
    assert scores.gated.tolist() == [False, False, True, True, True, True, True]
    assert max(scores.total[scores.gated]) < min(scores.total[~scores.gated])
    broken = [o.reason.partition(":")[0] for o in outcomes if o.code is Code.RULE_VIOLATION]
    assert broken == ["banned", "repetition", "competitor", "contact"]
    assert "banned: 'gun'" in outcomes[2].reason
    assert outcomes[0].reason == ""
    assert outcomes[5].reason  # why it could not be read
    code, reason = environment.read(Attempt(LAMP, 0, "gun"))[1:]
    assert (code, reason) == (Code.RULE_VIOLATION, "banned: 'gun' names 'gun', which is banned")


def test_the_prompt_says_what_the_rules_ask():
    environment = environment_of(
        {"competitor": {"brands": ["Zeta"]}, "contact": {"sentence": ""}, "script": {"sentence": "A-Z."}}
    )
    seen = environment.observe([LAMP], PromptOptions())[0]
    system = chat_prompt(seen, PromptOptions(), ExpansionOptions())[0].content
    assert system.endswith("Name no other shop's brand, unless the query names it. A-Z.")
    assert "mail" not in system
    plain = chat_prompt(environment_of().observe([LAMP], PromptOptions())[0], PromptOptions(), ExpansionOptions())[
        0
    ].content
    assert system.startswith(plain)


class Shaky(MemoryBackend):
    """The memory engine, which fails so many times whenever it is asked something new about its terms."""

    failures = 0

    def _fail(self):
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no route to engine")

    def doc_freq(self, terms, field=None):
        self._fail()
        return super().doc_freq(terms, field)

    def analyze(self, texts, field=None):
        if any("washable" in text or "gun" in text for text in texts):
            self._fail()
        return super().analyze(texts, field)


def shaky(tables, failures, retries=1):
    backend = Shaky.of(SHELF)
    client = SearchClient(backend, SearchOptions(retries=retries, backoff=0.001, breaker_window=20))
    book = build_book(tables, load_plugins().all("rule"), EngineWords(backend, client.ask), ExpansionOptions())
    environment = Environment(client, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), ExpansionOptions(), rules=book)
    backend.failures = failures
    return environment, backend


@pytest.mark.parametrize(
    ("tables", "text"), [({"vocabulary": {}}, "velvet"), ({"banned": {"words": ["fur"]}}, "washable")]
)
def test_an_engine_that_fails_a_rule_is_asked_again_and_then_is_the_completions_engine_error(tables, text):
    environment, _ = shaky(tables, failures=1)
    assert [o.code for o in environment.judge([Attempt(LAMP, 0, text)], SPLIT)] == [Code.OK]
    environment, _ = shaky(tables, failures=2)
    outcome = environment.judge([Attempt(LAMP, 0, text)], SPLIT)[0]
    assert outcome.code is Code.ENGINE_ERROR
    assert "no route to engine" in outcome.reason
    environment, _ = shaky(tables, failures=1000, retries=0)
    attempts = [Attempt(LAMP, 0, f"{text} {number}") for number in range(100)]
    with pytest.raises(EngineDown, match="no route to engine") as stopped:
        [environment.judge([attempt], SPLIT) for attempt in attempts]
    assert stopped.value.exit_code == 75


def test_a_list_that_the_engine_does_not_analyse_is_no_rules_fault():
    backend = Shaky.of(SHELF)
    client = SearchClient(backend, SearchOptions(retries=1, backoff=0.001))

    def built() -> RuleBook:
        rules, words = load_plugins().all("rule"), EngineWords(backend, client.ask)
        return build_book({"banned": {"words": ["gun"]}}, rules, words, ExpansionOptions())

    backend.failures = 1
    assert built().codes == ("banned", "repetition")
    backend.failures = 2
    with pytest.raises(EngineDown, match="no route to engine"):
        built()


# -- plugins ---------------------------------------------------------------------------------------------------------

PLUGIN = '''
from leser.hooks import hookimpl
from leser.rule import Rule, RuleOptions, Violation

class NoPrices(Rule):
    """No expansion names a price."""
    name = "no-prices"

    class Options(RuleOptions):
        currency: str = "$"

    def sentence(self):
        return "Never write a price."

    def check(self, proposal):
        for at, expansion in enumerate(proposal.expansions):
            if self.options.currency in expansion.text:
                return Violation(self.name, f"'{expansion.text}' names a price", at)
        return None

class Careless(Rule):
    """Fails."""
    name = "careless"
    def check(self, proposal):
        return {}["nothing"] if "sofa" in proposal.query else "wrong"

class Unbuildable(Rule):
    """Cannot be set up."""
    name = "unbuildable"
    def __init__(self, options, site):
        raise RuntimeError("no licence")
    def check(self, proposal): ...

@hookimpl
def leser_rules():
    return [NoPrices, Careless, Unbuildable]
'''


def test_a_third_partys_rule_holds_like_any_other(install):
    install("acme-rules", "1.0", "acme_rules", PLUGIN)
    book = book_of({"no-prices": {"currency": "€"}})
    assert str(checked(book, "lamp", "oak", "20 €")) == "no-prices: '20 €' names a price"
    assert checked(book, "lamp", "20 $") is None
    assert book.sentences() == ("Never write a price.",)
    assert book.codes == ("no-prices", "repetition")


def test_a_rule_that_fails_is_named(install):
    install("acme-rules", "1.0", "acme_rules", PLUGIN)
    book = book_of({"careless": {}})
    assert checked(book, "sofa") is None, "it is not asked about no expansion"
    with pytest.raises(LeserError, match=r"The rule 'careless' \(acme_rules\.Careless\) failed: KeyError: 'nothing'"):
        checked(book, "sofa", "oak")
    with pytest.raises(LeserError, match=r"'careless' .*must answer a Violation or None, it answered 'wrong'"):
        checked(book, "lamp", "oak")
    with pytest.raises(
        LeserError, match=r"The rule 'unbuildable' \(acme_rules\.Unbuildable\) cannot be set up.*no licence"
    ):
        book_of({"unbuildable": {}})


# -- configuration ---------------------------------------------------------------------------------------------------

FILE = """
[task]
name = "demo"
[backend]
name = "memory"
[rules]
locale = "de"
[rules.banned]
words = ["gun"]
[rules.restricted.categories]
alcohol = ["wine"]
[rules.contact]
"""


def test_rules_are_tables_of_the_configuration(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(FILE)
    config = complete(load_config(path, {}, ['rules.banned.words=["gun", "knife"]', "rules.count={}"]), load_plugins())
    assert config.rules.locale == "de"
    assert list(config.rules.options) == ["banned", "restricted", "contact", "count"]
    assert config.rules.options["banned"]["words"] == ["gun", "knife"]
    text = config.resolved()
    assert tomllib.loads(text)["rules"]["restricted"]["categories"] == {"alcohol": ["wine"]}
    (tmp_path / "again.toml").write_text(text)
    assert complete(load_config(tmp_path / "again.toml"), load_plugins()).resolved() == text


def test_a_configuration_without_rules_says_nothing_of_them(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('[task]\nname = "demo"\n[backend]\nname = "memory"\n')
    assert "rules" not in tomllib.loads(complete(load_config(path), load_plugins()).resolved())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rules.baned]\n", "Unknown rule 'baned'. Did you mean 'banned'"),
        ("[rules.banned]\nwrods = ['x']\n", r"Unknown option 'wrods' of \[rules.banned\]. Did you mean 'words'"),
        ("[rules]\nbanned = 3\n", "banned"),
        ("[rules.count]\nmost = 'many'\n", r"(?s)Bad options of \[rules.count\].*most"),
    ],
)
def test_a_mistake_in_the_file_is_found_before_anything_is_opened(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text('[task]\nname = "demo"\n[backend]\nname = "memory"\n' + text)
    with pytest.raises(LeserError, match=message):
        complete(load_config(path), load_plugins())


def test_a_run_compiles_its_rules_before_it_trains(tmp_path):
    folder = tmp_path / "shop"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": d.id, "title": d.fields["title"], "text": d.fields["text"]} for d in SHELF]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = {"train": "sofa", "dev": "lamp", "test": "rug"}
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": split, "text": text}) + "\n" for split, text in queries.items())
    )
    for split, document in zip(queries, ("sofa1", "lamp1", "rug1"), strict=True):
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{split}\t{document}\t1\n")
    registry = load_plugins()
    flags = {"task.name": str(folder), "backend.name": "memory"}
    config = complete(load_config(None, flags, ["rules.contact={}", 'rules.banned.words=["gun"]']), registry)
    session = open_session(config, registry)
    try:
        assert session.environment.rules.codes == ("contact", "banned", "repetition")
        assert session.facts["rules"] == "contact, banned, repetition"
        assert session.environment.read(Attempt(LAMP, 0, "gun"))[1] is Code.RULE_VIOLATION
    finally:
        session.client.close()
