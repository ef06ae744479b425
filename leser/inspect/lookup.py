"""One query through a run's policy: what it was shown, what it wrote, and what that does to the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leser.backend import Ranking
from leser.environment import Attempt
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.prompt import Observation
from leser.report.answers import ShownHit
from leser.session import Session
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.sampler import Sampler


@dataclass(frozen=True, slots=True)
class Looked:
    """A query, the prompt's facts, the completion as it was read, and the hits before and after.

    `shown` is what the prompt says of the hits: titles, or the feedback terms that a small policy reads; `dropped` of them
    did not fit into the model's context. `expansions` and `code` are what the environment made of the completion, `reason` why
    it was not searched with (else empty): a completion that breaks a rule is dropped whole, as evaluation drops it;
    `weight` is what an expansion of weight 1 weighs in the search.
    `constraints` say what was typed that every search is held to.
    """

    query: Query
    judged: bool
    found: str
    shown: tuple[str, ...]
    dropped: int
    prompt_tokens: int
    completion: str
    expansions: tuple[Expansion, ...]
    code: Code
    reason: str
    weight: float
    before: tuple[ShownHit, ...]
    after: tuple[ShownHit, ...]
    constraints: tuple[str, ...] = ()


def typed(text: str) -> Query:
    """A query that the task does not hold; its text is in its id, by which environment and sampler keep what they found."""
    return Query(f"typed: {text}", text)


def look_up(sampler: Sampler, session: Session, text: str, hits: int) -> Looked:
    """Ask the policy about a query and search with and without its answer, `hits` deep; raises LeserError.

    A query that the task holds is shown with its judgments.
    """
    if not text.strip():
        raise LeserError('The query is empty. Give one in quotes: leser expand RUN "red sofa".')
    query, grades = _known(session, text)
    seen = sampler.observations([query])[0]
    if refused := session.environment.refusal(query):
        raise LeserError(f"The engine refuses the original query: {refused.message}. Word it differently.")
    sample = sampler.sample([query], 1, seed=0, step=0, temperature=0.0)[0][0]
    attempt = Attempt(query, 0, sampler.policy.decode(sample.tokens), sample.finished)
    _, code, reason = session.environment.read(attempt)
    # deep, so that a document's place in the other list is known where it is below what is shown
    split = Split("typed", (query,), {query.id: grades})
    answers = sampler.served(split, [query], [sample], depth=max(hits, 100))
    before, after = seen.original, answers.served[0].expanded
    if answers.outcomes[0].code in (Code.ENGINE_ERROR, Code.NOTHING_FOUND):
        code = answers.outcomes[0].code
    titles = _titles(session, [r for r in (before, after) if r is not None], hits)
    return Looked(
        query=query,
        judged=bool(grades),
        found=seen.found,
        shown=_prompted(sampler, seen),
        dropped=sampler.hits_dropped,
        prompt_tokens=len(sampler.prompts([query])[0]),
        completion=attempt.completion,
        expansions=answers.outcomes[0].expansions,
        code=code,
        reason=reason,
        weight=session.environment.expansion.weight,
        before=_shown(before, after, grades, titles, hits),
        after=_shown(after, before, grades, titles, hits),
        constraints=tuple(map(str, session.environment.ask.constraints(query.text).found)),
    )


def _prompted(sampler: Sampler, seen: Observation) -> tuple[str, ...]:
    if sampler.policy.kind == "tiny":
        return (" ".join(seen.terms[: sampler.prompt.terms]),) if seen.terms else ()
    return seen.titles[: sampler.prompt.titles]


def _known(session: Session, text: str) -> tuple[Query, Mapping[str, int]]:
    """The task's query of this text with its judgments, or a query of its own."""
    for split in reversed(session.task.splits):  # test first
        for query in (*split.queries, *split.no_result):
            if query.text == text:
                return query, split.qrels.get(query.id, {})
    return typed(text), {}


def _titles(session: Session, rankings: Sequence[Ranking], hits: int) -> Mapping[str, str]:
    ids = list(dict.fromkeys(doc for ranking in rankings for doc in ranking.ids[:hits]))
    field = session.task.title_field
    return (
        {id_: d.fields.get(field, "") for id_, d in session.client.fetch(ids, (field,), resumable=False).items()}
        if ids
        else {}
    )


def _shown(
    ranking: Ranking | None, other: Ranking | None, grades: Mapping[str, int], titles: Mapping[str, str], hits: int
) -> tuple[ShownHit, ...]:
    ranks = {doc: rank for rank, doc in enumerate(other.ids if other else (), start=1)}
    ids = ranking.ids[:hits] if ranking else ()
    return tuple(ShownHit(doc, titles.get(doc, ""), grades.get(doc), ranks.get(doc)) for doc in ids)
