"""The words of documents that a prompt shows: titles' feedback terms, or what stands out in whole documents."""

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document, Hit, Ranking
from leser.config.build import complete
from leser.config.load import config_of
from leser.distinctive import Distinctive, size_of
from leser.engine import SearchClient
from leser.engine.words import EngineWords
from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import ExpansionOptions
from leser.feedback import FeedbackOptions, feedback_terms
from leser.plugins import load_plugins
from leser.prompt import PromptOptions, chat_prompt, marked_prompt
from leser.reward import Reward, parse_spec
from leser.scoring import RewardSet
from leser.session import open_session
from leser.task import Query

BATTERIES = [
    Document(f"b{i}", {"title": f"battery power {i}x", "text": "colour black | chemistry nickel metal | warranty"})
    for i in range(4)
]
SHELVES = [
    Document(f"o{i}", {"title": f"shelf board {i}x", "text": "colour black | material oak | warranty"})
    for i in range(12)
]
BATTERY, SHELF = Query("q1", "battery"), Query("q2", "shelf")
WHOLE = PromptOptions(fields=("text",))


class Silent(MemoryBackend):
    """An engine that cannot say document frequencies."""

    name = "silent"
    capabilities = MemoryBackend.capabilities - {"doc_freq"}


class Compares(Reward):
    """A reward whose model finds the first shelves near to anything; it notes how often it was opened and asked."""

    name, family, range = "compares", "compares", (0.0, 1.0)

    def __init__(self, spec):
        super().__init__(spec)
        self.asked = []

    def nearest_documents(self, documents):
        ids = [document.id for document in documents if document.id.startswith("o")]
        self.asked.append("opened")
        compares = self

        class Near:
            def rank(self, queries, n):
                compares.asked.append((tuple(queries), n))
                return [Ranking(tuple(Hit(id, 0.9) for id in ids[:n])) for _ in queries]

            nearest = similarity = likeness = None

        return Near()

    def score(self, outcomes):
        return [0.0 for _ in outcomes]


def environment_of(engine=MemoryBackend, rewards=None):
    documents = (*BATTERIES, *SHELVES)
    judged = RewardSet(rewards or [NDCG(parse_spec("nDCG@10"))], [1.0])
    client = SearchClient(engine.of(documents))
    return Environment(client, judged, ExpansionOptions(), documents=lambda: documents)


def terms(environment, options, *queries):
    return [seen.terms for seen in environment.observe(queries, options)]


def test_without_fields_the_terms_are_those_of_the_titles():
    environment = environment_of()
    hits = environment.originals([BATTERY])[BATTERY.id].hits[:10]
    titles = {d.id: d.fields["title"] for d in BATTERIES}
    expected = feedback_terms(
        "battery", [titles[h.id] for h in hits], [h.score for h in hits], FeedbackOptions(terms=8)
    )
    assert terms(environment, PromptOptions(), BATTERY) == [tuple(t.text for t in expected)]


def test_words_of_the_named_fields_are_shown_unless_every_document_holds_them():
    (found,) = terms(environment_of(), WHOLE, BATTERY)
    assert found == ("chemistry", "metal", "nickel", "power"), "not: battery, colour, black, warranty"
    (more,) = terms(environment_of(), PromptOptions(fields=("text",), lift=0.0), BATTERY)
    assert set(more) - set(found) == {"black", "colour", "warranty"}
    (few,) = terms(environment_of(), PromptOptions(fields=("text",), terms=2), BATTERY)
    assert few == ("chemistry", "metal")
    (none,) = terms(environment_of(), PromptOptions(fields=("text",), min_documents=5), BATTERY)
    assert none == ()


def test_words_do_not_depend_on_which_queries_are_asked_together():
    environment = environment_of()
    together = terms(environment, PromptOptions(fields=("text",), lift=1.0), BATTERY, SHELF)
    alone = [terms(environment_of(), PromptOptions(fields=("text",), lift=1.0), q)[0] for q in (BATTERY, SHELF)]
    assert together == alone
    assert set(together[1]) == {"board", "material", "oak", "black", "colour", "warranty"}
    assert together[1][:3] == ("board", "material", "oak"), "the most distinctive first"


def test_an_engine_without_document_frequencies_shows_terms_of_titles():
    assert terms(environment_of(Silent), WHOLE, BATTERY) == terms(environment_of(), PromptOptions(), BATTERY)
    near = PromptOptions(fields=("text",), nearest=2, terms=4)
    (found,) = terms(environment_of(Silent, [Compares(parse_spec("compares@10"))]), near, BATTERY)
    assert set(found) == {"shelf", "board", "0x", "1x"}


def test_words_of_nearest_documents_stand_in_the_place_of_the_hits():
    judge = Compares(parse_spec("compares@10"))
    environment = environment_of(rewards=[judge])
    assert terms(environment, WHOLE, BATTERY) == terms(environment_of(), WHOLE, BATTERY)
    assert judge.asked == [], "documents are encoded only where prompts need it"
    options = PromptOptions(fields=("text",), nearest=3, lift=1.1)
    environment.prepare(WHOLE)
    assert judge.asked == []
    environment.prepare(options)
    assert judge.asked == ["opened"], "a service opens them before it answers"
    assert terms(environment, options, BATTERY, SHELF) == [
        ("board", "material", "oak", "shelf"), ("board", "material", "oak"),
    ]  # fmt: skip
    assert judge.asked == ["opened", (("battery", "shelf"), 3)]
    assert environment.observe([BATTERY], options)[0].titles[0].startswith("battery power")


def test_words_of_earlier_documents_come_first():
    texts = ["lead zinc", "lead zinc", "zinc copper", "copper lead", "copper"]
    held = [Document(f"d{i}", {"title": "thing", "text": text}) for i, text in enumerate(texts)]
    others = [Document(f"e{i}", {"title": "other"}) for i in range(30)]
    engine = EngineWords(MemoryBackend.of([*held, *others]))
    distinctive = Distinctive(engine, PromptOptions(min_documents=1), size_of(engine))
    assert distinctive([texts]) == [["copper", "lead", "zinc"]], "three each"
    assert distinctive([texts], ranked=True) == [["zinc", "lead", "copper"]], (
        "by the discounts of ranks 1, 2, 3; 1, 2, 4; ..."
    )


def test_both_styles_of_prompt_show_them():
    (seen,) = environment_of().observe([BATTERY], WHOLE)
    assert marked_prompt(seen, WHOLE)["terms"] == "chemistry metal nickel power"
    asked = chat_prompt(seen, WHOLE, ExpansionOptions())[-1].content
    assert asked.endswith("\nWords that stand out in documents like these: chemistry, metal, nickel, power")
    (plain,) = environment_of().observe([BATTERY], PromptOptions())
    assert "Words" not in chat_prompt(plain, PromptOptions(), ExpansionOptions())[-1].content
    few = WHOLE.model_copy(update={"terms": 0})
    assert "Words" not in chat_prompt(seen, few, ExpansionOptions())[-1].content


def test_nearest_documents_without_an_encoder_are_refused_before_training():
    registry = load_plugins()
    values = {
        "task": {"name": "demo", "world": "plain"}, "backend": {"name": "memory"}, "rewards": {"weights": ["nDCG@10"]},
        "prompt": {"nearest": 5},
    }  # fmt: skip
    with pytest.raises(LeserError, match=r"prompt\.nearest needs a reward with an encoder.*encoder@10"):
        open_session(complete(config_of(values), registry), registry)
