"""The prompt: what the policy reads of a query and of the results that the engine found for it.

Two styles. A pretrained chat model reads instructions, the query, how many documents were found and the top titles. The
small from-scratch policy (`tiny`) has no English to be instructed in: it reads the query and the hits' strongest feedback
terms between markers, because copying out of whole titles is not learned in minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from leser.backend import Document, Ranking
from leser.expansion import MARKER, Expansion, ExpansionOptions, render
from leser.options import Options
from leser.task import Query


class PromptOptions(Options):
    """What the prompt holds beside the query."""

    context: bool = Field(True, description="show what the engine found; false leaves only the query")
    titles: int = Field(5, ge=0, description="titles of top hits shown to a chat model")
    title_chars: int = Field(90, ge=10, description="longest title shown, in characters")
    terms: int = Field(
        8,
        ge=0,
        description="feedback terms of the top hits shown to the small policy, and to a chat model where they are read from "
        "more than titles",
    )
    feedback_docs: int = Field(10, ge=1, description="top hits that feedback terms are taken from")
    fields: tuple[str, ...] = Field(
        (),
        description="document fields that feedback terms are read from beside the title, where the engine can say how many "
        "documents hold a word; the most distinctive come first then; none: terms of titles alone",
    )
    nearest: int = Field(
        0,
        ge=0,
        description="an encoder's nearest documents, which feedback terms are read from in place of the top hits; needs a "
        "reward with an encoder, when the policy is served, too; 0: the hits",
    )
    lift: float = Field(
        3.0,
        ge=0,
        description="with `fields` or `nearest`: how many times more of these documents than of the whole index must hold a "
        "feedback term",
    )
    min_documents: int = Field(
        3, ge=1, description="with `fields` or `nearest`: least number of these documents that hold a feedback term"
    )
    digits: bool = Field(False, description="with `fields` or `nearest`: a feedback term may hold a digit")
    found: bool = Field(True, description="show how many documents the engine found")
    examples: int = Field(
        3, ge=0, description="worked examples shown to an untrained chat model (the system `prompted`)"
    )
    platform: str = Field("", description="the platform's own words, put before the instructions")


@dataclass(frozen=True, slots=True)
class Observation:
    """A query and what its own search brought: the ranking, the top hits' titles and their feedback terms.

    `rules` are the sentences of the rules that its expansions must keep.
    """

    query: Query
    original: Ranking
    titles: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def found(self) -> str:
        """How many documents matched, in words: exact when the engine counted, else what the ranking shows."""
        if self.original.total is None:
            return f"{len(self.original.hits)}"
        return f"{self.original.total}" if self.original.total_exact else f"more than {self.original.total}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt."""

    role: str
    content: str


def chat_prompt(
    seen: Observation,
    options: PromptOptions,
    expansion: ExpansionOptions,
    examples: Sequence[tuple[Observation, tuple[Expansion, ...]]] = (),
) -> list[Message]:
    """The chat turns for one query; `examples` are worked queries shown first (few-shot)."""
    turns = [Message("system", _instructions(options, expansion, seen.rules))]
    for example, answer in examples:
        turns.append(Message("user", _describe(example, options)))
        turns.append(Message("assistant", render(answer, reasoning=expansion.reasoning)))
    turns.append(Message("user", _describe(seen, options)))
    return turns


def _instructions(options: PromptOptions, expansion: ExpansionOptions, rules: Sequence[str]) -> str:
    reasoning = (
        f"Think briefly about the results first, then write a line that starts with '{MARKER}'. "
        if expansion.reasoning
        else ""
    )
    return (
        f"{' '.join(options.platform.split())} "
        f"You help a search engine find what a shopper means. {reasoning}"
        f"Write up to {expansion.max_expansions} short search terms that fitting documents use and the query lacks, "
        "on one line, separated by '; '. Write 'none' if the query should stay as it is."
        f"{''.join(f' {sentence}' for sentence in rules)}"
    ).strip()


def _describe(seen: Observation, options: PromptOptions) -> str:
    lines = [f"Query: {_clean(seen.query.text, 200)}"]
    if options.context:
        if options.found:
            lines.append(f"Found: {seen.found}")
        if seen.titles and options.titles:
            lines.append("Top results:")
            lines += [f"- {_clean(title, options.title_chars)}" for title in seen.titles[: options.titles]]
        if (options.fields or options.nearest) and (terms := seen.terms[: options.terms]):
            lines.append(f"Words that stand out in documents like these: {', '.join(terms)}")
    return "\n".join(lines)


def marked_prompt(seen: Observation, options: PromptOptions) -> dict[str, str]:
    """The small policy's prompt as parts in their order, by the marker that introduces each; the answer follows the last."""
    parts = {"query": _clean(seen.query.text, 200).lower()}
    if options.context:
        if options.found:
            parts["found"] = found_bucket(seen.original)
        if options.terms:
            parts["terms"] = " ".join(seen.terms[: options.terms])
    return parts


def found_bucket(ranking: Ranking) -> str:
    """How many documents matched, as one of five words: a count's digits would be noise to a small model."""
    count = ranking.total if ranking.total is not None else len(ranking.hits)
    for limit, word in ((0, "nothing"), (10, "few"), (100, "some"), (1000, "many")):
        if count <= limit:
            return word
    return "plenty"


def titles_of(ranking: Ranking, documents: Mapping[str, Document], field: str, count: int) -> tuple[str, ...]:
    """Titles of the top `count` hits, in order; a hit without that field is passed over."""
    found = (documents[hit.id].fields.get(field, "") for hit in ranking.hits[:count] if hit.id in documents)
    return tuple(title for title in found if title)


def _clean(text: str, limit: int) -> str:
    """One line of at most `limit` characters: a title's line breaks must not look like turns of the prompt."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
