"""Prompt methods that ask for passages: QA-Expand, MuGI and CSQE."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import Field

from leser.backend import Ranking, SearchError, Term
from leser.task import Query
from leser.text import words
from leser_prompts.base import PromptMethod, joined, line, turns
from leser_prompts.writers import Written

_NUMBERED = re.compile(r"^\s*(?:\(?\d+[.):]|[-*•])\s*")


class QAExpand(PromptMethod):
    """QA-Expand: three questions behind a query, an answer to each, and of these what fits it (arXiv 2502.08557)."""

    name = "qa-expand"

    class Options(PromptMethod.Options):
        """As for every prompt method, with the number of questions."""

        questions: int = Field(3, ge=1, le=10, description="questions asked behind a query")

    options: QAExpand.Options

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        count = self.options.questions
        first = (
            f"Write {count} questions that someone with the given query may want answered, each on a line of its own."
        )
        second = (
            "Answer each question in the way of a document that one would search for. One short paragraph per question."
        )
        third = (
            "You see a query and paragraphs. Keep the paragraphs that fit the query and are right, better worded where needed, "
            "and leave the others out. Write nothing else."
        )
        asked = self._ask([turns(first, f"Query: {line(query.text)}\nQuestions:") for query in queries])
        answered = self._then(queries, asked, lambda _, said: turns(second, _questions(said, count)))
        return self._then(
            queries,
            answered,
            lambda query, said: turns(third, f"Query: {line(query.text)}\nParagraphs:\n{said.strip()}"),
        )


class MuGI(PromptMethod):
    """MuGI: several passages for a query, which counts the more the longer they are (arXiv 2401.06311).

    There the query is written (length of the passages / length of the query) / beta times before them; `repetitions` are
    the values of beta that dev chooses from.
    """

    name = "mugi"

    class Options(PromptMethod.Options):
        """As for every prompt method, with the number of passages."""

        samples: int = Field(5, ge=1, description="passages sampled for a query; 1 is taken at temperature 0")
        temperature: float = Field(1.0, ge=0, description="sampling temperature; 0: greedy")
        repetitions: tuple[int, ...] = Field((1, 2, 4, 8, 16), description="values of beta")

    options: MuGI.Options

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        system = "You write passages on a topic: short, clear and full of facts."
        prompts = [
            turns(system, f"Write one passage that is relevant to this query.\nQuery: {line(query.text)}\nPassage:")
            for query in queries
        ]
        return self._ask_often(prompts, self.options.samples)

    def _terms(self, queries: Sequence[Query], count: int, repetitions: int) -> list[tuple[Term, ...]]:
        rows = []
        for query, row in zip(queries, super()._terms(queries, count, 1), strict=True):
            text = self.text(query)
            length = len(words(text)) if isinstance(text, str) else 0
            times = max(1, length // max(1, len(words(query.text))) // repetitions)
            rows.append(tuple(Term(term.text, term.weight / times) for term in row))
        return rows


class CSQE(PromptMethod):
    """CSQE: key sentences out of what the engine found, and passages of the model's own (arXiv 2402.18031).

    Words that none of the hits shown holds are taken out of the key sentences: they were not found, they were made up.
    """

    name = "csqe"

    class Options(PromptMethod.Options):
        """As for every prompt method, with what is shown and how often it is asked."""

        samples: int = Field(2, ge=1, description="answers of each of the two kinds; 1 is taken at temperature 0")
        temperature: float = Field(1.0, ge=0, description="sampling temperature; 0: greedy")
        documents: int = Field(10, ge=1, description="top hits shown")
        document_chars: int = Field(300, ge=20, description="characters of each hit shown")

    options: CSQE.Options

    def _write(self, queries: Sequence[Query]) -> list[Written]:
        own = "Write a passage that answers the given query."
        passages = self._ask_often(
            [turns(own, f"Query: {line(query.text)}\nPassage:") for query in queries], self.options.samples
        )
        shown = self._shown(queries)
        found = [query for query in queries if shown[query.text]]
        asked = (
            "You see a query and numbered documents that a search engine found for it. Say which documents fit the query, and "
            "copy from each of those the sentences that show it, word by word, each on a line of its own. Write nothing else."
        )
        prompts = [turns(asked, f"Query: {line(q.text)}\nDocuments:\n{_listed(shown[q.text])}") for q in found]
        answers = self._ask_often(prompts, self.options.samples) if prompts else []
        sentences = {q.text: _copied(said, shown[q.text]) for q, said in zip(found, answers, strict=True)}
        return [
            joined([sentences[query.text], passage]) if query.text in sentences else passage
            for query, passage in zip(queries, passages, strict=True)
        ]

    def _shown(self, queries: Sequence[Query]) -> dict[str, list[str]]:
        """The start of each query's top hits; none where its search failed."""
        answers = self._context.originals(queries)
        tops = [a.ids[: self.options.documents] if isinstance(a, Ranking) else () for a in answers]
        texts = self._context.texts([id for top in tops for id in top])
        return {
            query.text: [line(texts[id], self.options.document_chars) for id in top if texts.get(id)]
            for query, top in zip(queries, tops, strict=True)
        }


def _questions(said: str, count: int) -> str:
    """The first `count` lines of an answer, numbered anew."""
    lines = [_NUMBERED.sub("", row).strip() for row in said.splitlines()]
    return "\n".join(f"{number}. {row}" for number, row in enumerate([row for row in lines if row][:count], 1))


def _listed(documents: Sequence[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(documents, 1))


def _copied(said: Written, documents: Sequence[str]) -> Written:
    """The words of an answer that one of the documents holds."""
    if isinstance(said, SearchError):
        return said
    held = {word for text in documents for word in words(text)}
    return " ".join(word for word in words(said) if word in held)
