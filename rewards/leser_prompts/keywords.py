"""Prompt methods that ask for keywords: GenQR and Query2E."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import Field

from leser.baseline import BaselineContext
from leser.feedback import FeedbackOptions, feedback_terms
from leser.prompt import Message
from leser.task import Query, drawn
from leser_prompts.base import PromptMethod, line, turns
from leser_prompts.writers import Written

_ONLY_KEYWORDS = "You answer with keywords alone, separated by commas. You write no sentence."
KEYWORDS_FOR_A_QUERY = f"Write a list of keywords for the given query. {_ONLY_KEYWORDS}"


class GenQR(PromptMethod):
    """GenQR: keywords for a query, sampled several times and put beside it (arXiv 2308.00415)."""

    name = "genqr"

    class Options(PromptMethod.Options):
        """As for every prompt method, with the number of samples."""

        samples: int = Field(5, ge=1, description="answers sampled for a query; 1 is taken at temperature 0")

    options: GenQR.Options

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        asked = "Which keywords would help a search engine to find what this query looks for?"
        prompts = [turns(_ONLY_KEYWORDS, f"{asked}\nQuery: {line(query.text)}\nKeywords:") for query in queries]
        return self._ask_often(prompts, self.options.samples)


class Query2E(PromptMethod):
    """Query2E: a list of keywords for a query, after worked examples out of train (Q2E of arXiv 2305.03653)."""

    name = "query2e"

    class Options(PromptMethod.Options):
        """As for every prompt method, with the worked examples."""

        temperature: float = Field(0.0, ge=0, description="sampling temperature; 0: greedy")
        examples: int = Field(4, ge=0, description="train queries shown, each with keywords of its relevant documents")
        example_keywords: int = Field(6, ge=1, description="keywords shown with an example")

    options: Query2E.Options

    def state(self) -> dict[str, Any]:
        """What dev chose, and the examples, which come out of train."""
        return {**super().state(), "examples": self._examples}

    def restore(self, state: Mapping[str, Any], context: BaselineContext) -> None:
        """As for every prompt method, with the examples."""
        super().restore(state, context)
        self._examples = [(str(query), str(keywords)) for query, keywords in state["examples"]]

    def _begin(self, context: BaselineContext, *, lasting: bool = False) -> None:
        super()._begin(context, lasting=lasting)
        self.__dict__.pop("_examples", None)

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        shown = [Message("system", KEYWORDS_FOR_A_QUERY)]
        for query, keywords in self._examples:
            shown += [Message("user", f"Query: {query}\nKeywords:"), Message("assistant", keywords)]
        return self._ask([[*shown, Message("user", f"Query: {line(query.text)}\nKeywords:")] for query in queries])

    @cached_property
    def _examples(self) -> list[tuple[str, str]]:
        """Train queries by chance, each with the words that mark its relevant documents and that it lacks."""
        context, wanted = self._context, self.options.examples
        train = context.task.train
        found: list[tuple[str, str]] = []
        for query in drawn(train.queries, 4 * wanted, context.seed):  # some documents may be gone from the index
            grades = train.qrels.get(query.id, {})
            relevant = sorted((d for d in grades if grades[d] > 0), key=lambda d: (-grades[d], d))[:5]
            texts = list(context.texts(relevant).values())
            terms = feedback_terms(query.text, texts, None, FeedbackOptions(terms=self.options.example_keywords))
            if terms and len(found) < wanted:
                found.append((line(query.text), ", ".join(term.text for term in terms)))
        return found
