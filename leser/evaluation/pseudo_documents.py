"""Pseudo-documents: the policy, before any training, writes a passage for each query; its words become clauses.

Two baselines, because a training-free pseudo-document is often as good as a rewriter trained by reinforcement (arXiv
2510.17139), and a learned policy has to show that it is better:

- `query2doc` (arXiv 2303.07678): four worked examples out of train, the engine not asked. There the query is written n
  times before the passage; as weighted clauses that is tf / n for each word of the passage beside the query's own words.
- `pseudo-document`: no example, but the titles that the engine found, so that it reads what the learned policy reads; the
  passage is taken as RM3 takes a document, with an interpolation weight.

Number of words and weight are tuned on dev, as RM3's are. How good the passages are depends on the policy: one of 135
million weights writes fluent ones that often miss the point. `tiny` reads markers and titles' words and has never seen a
sentence of instruction: it cannot be asked, and the baselines refuse it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from leser.backend import Ranking, Term
from leser.baseline import Baseline, BaselineContext
from leser.errors import LeserError
from leser.evaluation.grid import best_setting
from leser.feedback import FeedbackOptions, rm3_terms
from leser.originals import keep_last
from leser.policy.passages import _END, writes_sentences
from leser.prompt import Message
from leser.task import Query, drawn
from leser.text import STOP_WORDS, words

if TYPE_CHECKING:
    from leser.evaluation.options import EvaluationOptions
    from leser.policy.options import PolicyOptions

NEEDS_SENTENCES = (
    "A policy 'tiny' reads marked words, no sentences, and cannot write a passage: take the baseline {name} out "
    "of evaluation.baselines, or train another policy (--policy smollm2, a hub id or a folder)."
)
MOST_PASSAGES = 10_000
"""Passages that are remembered at least: a run asks for fewer, a service without end."""


class _Passages(Baseline):
    """A passage for each query, and the grid of settings that dev chooses from; `chosen` holds what it preferred."""

    tuned = True

    class Options(Baseline.Options):
        """How long passages are, and the grid that is searched."""

        tokens: int = Field(64, ge=8, description="longest passage, in the policy's tokens")
        terms: tuple[int, ...] = Field((5, 10, 20, 40), description="numbers of words added, the most frequent first")
        dev_queries: int = Field(
            300, ge=1, description="dev queries that judge a setting, at most; of more, a seeded sample"
        )

    options: _Passages.Options
    chosen: tuple[int, float]

    def fit(self, context: BaselineContext) -> None:
        """Write a passage for dev's queries, search with every setting, keep the one of the highest mean reward."""
        if context.write is None:
            raise LeserError(NEEDS_SENTENCES.format(name=self.name))
        dev = context.task.dev
        queries = drawn(dev.queries, self.options.dev_queries, context.seed)
        if not queries:
            raise LeserError(
                f"{self.name} is tuned on dev, and the task {context.task.name} has no dev queries. Drop it, or add some."
            )
        self._begin(context)
        self._write(queries)
        grid = list(product(self.options.terms, self._weights()))
        self.chosen, self.dev_reward = best_setting(
            self.name, context, dev, queries, grid, lambda point: self._terms(queries, *point)
        )

    def state(self) -> dict[str, Any]:
        """Words added and their weight, as dev chose them."""
        return {"chosen": list(self.chosen)}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """Take what dev chose; the policy is loaded when it is first asked. Raises LeserError where it cannot write."""
        if context.write is None:
            raise LeserError(NEEDS_SENTENCES.format(name=self.name))
        self._begin(context)
        count, weight = state["chosen"]
        self.chosen = (int(count), float(weight))

    def _begin(self, context: BaselineContext) -> None:
        self._context, self._passages = context, dict[str, str]()

    def terms(self, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
        """The passages' clauses at the setting chosen on dev."""
        self._write(queries)
        keep_last(self._passages, max(MOST_PASSAGES, len(queries)), [query.text for query in queries])
        return self._terms(queries, *self.chosen)

    def passage(self, query: Query) -> str:
        """What the policy wrote for a query that was asked about."""
        return self._passages[query.text]

    def _write(self, queries: Sequence[Query]) -> None:
        assert self._context.write is not None
        missing = list({query.text: query for query in queries if query.text not in self._passages}.values())
        written = self._context.write(self._prompts(missing), self.options.tokens) if missing else []
        for query, text in zip(missing, written, strict=True):
            self._passages[query.text] = _END.split(text.strip())[0]

    def _terms(self, queries: Sequence[Query], count: int, weight: float) -> list[tuple[Term, ...]]:
        return [self._clauses(query.text, self._passages[query.text], count, weight) for query in queries]

    @abstractmethod
    def _prompts(self, queries: Sequence[Query]) -> list[list[Message]]:
        """What the policy is asked, for each query."""

    @abstractmethod
    def _weights(self) -> tuple[float, ...]:
        """The weights that dev chooses from."""

    @abstractmethod
    def _clauses(self, query: str, passage: str, count: int, weight: float) -> tuple[Term, ...]:
        """A passage as clauses beside the query."""


class Query2Doc(_Passages):
    """Query2doc: the untrained policy writes a passage after worked examples; weights tuned on dev."""

    name = "query2doc"

    class Options(_Passages.Options):
        """As for every passage, with the number of examples and of the query's repetitions."""

        examples: int = Field(4, ge=0, description="train queries shown, each with a relevant document")
        example_words: int = Field(50, ge=5, description="words of a document shown as an example")
        repetitions: tuple[int, ...] = Field(
            (1, 2, 5, 10, 20), description="how often the query counts beside the passage once (n; 5 in the paper)"
        )

    options: Query2Doc.Options

    def state(self) -> dict[str, Any]:
        """What dev chose, and the examples, which come out of train."""
        return {**super().state(), "examples": self._examples}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """As for every passage, with the examples."""
        super().restore(state, context)
        self._examples = [(str(query), str(text)) for query, text in state["examples"]]

    def _begin(self, context: BaselineContext) -> None:
        super()._begin(context)
        self.__dict__.pop("_examples", None)

    def _prompts(self, queries: Sequence[Query]) -> list[list[Message]]:
        shown = [Message("system", "Write a passage that answers the given query.")]
        for query, text in self._examples:
            shown += [Message("user", f"Query: {query}\nPassage:"), Message("assistant", text)]
        return [[*shown, Message("user", f"Query: {_line(query.text)}\nPassage:")] for query in queries]

    @cached_property
    def _examples(self) -> list[tuple[str, str]]:
        """Train queries spread over the split, each with the start of a relevant document."""
        train, wanted = self._context.task.train, self.options.examples
        draw = np.random.Generator(np.random.Philox(key=[self._context.seed, 0]))
        order = draw.permutation(len(train.queries))[: 4 * wanted]  # some documents may be gone from the index
        pairs = []
        for query in (train.queries[i] for i in order):
            grades = train.qrels.get(query.id, {})
            relevant = sorted((doc for doc in grades if grades[doc] > 0), key=lambda doc: (-grades[doc], doc))
            text = self._context.texts(relevant[:1]).get(relevant[0], "") if relevant else ""
            if text:
                pairs.append((_line(query.text), " ".join(text.split()[: self.options.example_words])))
        return pairs[:wanted]

    def _weights(self) -> tuple[float, ...]:
        return tuple(1 / n for n in self.options.repetitions)

    def _clauses(self, query: str, passage: str, count: int, weight: float) -> tuple[Term, ...]:  # noqa: ARG002
        found = Counter(word for word in words(passage) if word not in STOP_WORDS and len(word) > 1)
        return tuple(Term(word, weight * times) for word, times in found.most_common(count))


class PseudoDocument(_Passages):
    """Pseudo-document: the untrained policy, shown the titles found, writes a passage; weights tuned on dev."""

    name = "pseudo-document"

    class Options(_Passages.Options):
        """As for every passage, with the titles shown and the interpolation weights."""

        titles: int = Field(5, ge=0, description="titles of top hits shown")
        original_weight: tuple[float, ...] = Field(
            (0.2, 0.3, 0.5, 0.7, 0.9), description="weights of the original, lambda of RM3"
        )

    options: PseudoDocument.Options

    def _prompts(self, queries: Sequence[Query]) -> list[list[Message]]:
        context, field = self._context, self._context.task.title_field
        originals = [a if isinstance(a, Ranking) else Ranking(()) for a in context.originals(queries)]
        tops = [ranking.ids[: self.options.titles] for ranking in originals]
        documents = context.client.fetch(sorted({id_ for top in tops for id_ in top}), (field,))
        asked = "Write a short passage of the kind of document that this search should find. No introduction."
        prompts = []
        for query, top in zip(queries, tops, strict=True):
            titles = [documents[id_].fields.get(field, "") for id_ in top if id_ in documents]
            found = "".join(f"\n- {_line(title)}" for title in titles if title)
            shown = f"\nFound so far:{found}" if found else ""
            prompts.append([Message("system", asked), Message("user", f"Search: {_line(query.text)}{shown}\nPassage:")])
        return prompts

    def _weights(self) -> tuple[float, ...]:
        return self.options.original_weight

    def _clauses(self, query: str, passage: str, count: int, weight: float) -> tuple[Term, ...]:
        options = FeedbackOptions(docs=1, terms=count, keep_query_words=True)
        return rm3_terms(query, [passage], None, options, original_weight=weight)


PASSAGES = (Query2Doc.name, PseudoDocument.name)
"""The baselines that `evaluation.passages` adds."""


def baselines_of(evaluation: EvaluationOptions, policy: PolicyOptions) -> tuple[str, ...]:
    """The baselines of a run: those configured, and with `evaluation.passages` the two here, where the policy can write.

    Raises LeserError where one of the two was named and the policy cannot.
    """
    if writes_sentences(policy):
        return tuple(dict.fromkeys((*evaluation.baselines, *(PASSAGES if evaluation.passages else ()))))
    refused = next((name for name in evaluation.baselines if name in PASSAGES), None)
    if refused is not None:
        raise LeserError(NEEDS_SENTENCES.format(name=refused))
    return tuple(dict.fromkeys(evaluation.baselines))


def _line(text: str) -> str:
    """One line of at most 200 characters: a text from outside must not look like a turn of the prompt."""
    return " ".join(text.split())[:200]
