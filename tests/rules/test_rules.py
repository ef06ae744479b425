"""Rules as training meets them: the repetition rule, the book, plugins, the configuration, the prompt."""

from __future__ import annotations

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from rule_cases import SHELF, every_rule

from leser.engine import SearchClient, SearchOptions
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import EngineDown
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.plugins import load_plugins
from leser.prompt import PromptOptions, chat_prompt
from leser.reward import parse_spec
from leser.rule import Proposal, Site
from leser.rules import RuleBook, build_book
from leser.rules.repetition import Repetition
from leser.scoring import RewardSet
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
