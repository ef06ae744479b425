"""The trial: everything that a plugin offers is called once, on a few queries, before anything is trained.

A plugin that breaks its contract in the final evaluation has had hours to do so. Each call goes the way that the run's own
calls go, so that it is checked as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.engine.checked import CheckedBackend
from leser.environment import Attempt, Environment
from leser.errors import EngineDown, LeserError, PluginFault
from leser.evaluation.calls import fit_baseline, make_baseline, terms_of
from leser.evaluation.pseudo_documents import baselines_of
from leser.expansion import Code, Expansion
from leser.policy.passages import passage_writer
from leser.printable import printable
from leser.session import context_of
from leser.task import Query, Split, has_relevant
from leser.text import words

if TYPE_CHECKING:
    from leser.prompt import Message
    from leser.reward import Outcome
    from leser.session import Session

TRIED_QUERIES = 8
FEW = 2
"""Queries of each split that baselines are tried on: enough for every method of theirs, and few searches."""


def example_search(session: Session) -> str:
    """A search of the first train queries, in words; raises LeserError when the engine answers none of them."""
    backend, queries = session.client.backend, session.task.train.queries[:TRIED_QUERIES]
    asked = [session.environment.ask(query) for query in queries]
    answers = session.client.search(asked, 3, total="total" in backend.capabilities)
    found = [(q, answer) for q, answer in zip(queries, answers, strict=True) if isinstance(answer, Ranking)]
    if not found:
        first = next(answer for answer in answers if isinstance(answer, SearchError))
        raise LeserError(f"A first search failed: {first.message}")
    query, ranking = found[0]
    _other_methods(session, query)
    return f"'{printable(query.text, 100)}' finds {len(ranking.hits)} of 3 requested"


def _other_methods(session: Session, query: Query) -> None:
    """Ask the backend what its capabilities say it can answer."""
    client, backend = session.client, CheckedBackend(session.client.backend)
    able = session.client.backend.capabilities
    terms = [*words(query.text), query.text][:1]
    if "analyze" in able:
        made = _answered(client.ask(lambda: backend.analyze([query.text])), "analyze a text (capability 'analyze')")
        terms = made[0] or terms
    if "doc_freq" in able:
        _answered(client.ask(lambda: backend.doc_freq(terms)), "count documents of a term (capability 'doc_freq')")
    if "term_weights" in able:
        client.search([ExpandedQuery(query.id, query.text, (Term(terms[0], 0.5),))], 3)


def _answered(answer: list[list[str]] | list[int] | SearchError, what: str) -> list[list[str]]:
    if isinstance(answer, SearchError):
        raise LeserError(f"The engine did not {what}: {answer.message}. Check it, or do not declare the capability.")
    return answer  # type: ignore[return-value]


def try_rewards_and_rules(session: Session) -> None:
    """Ask every rule and every reward about a few train queries: as they stand, with an expansion, and unreadable."""
    environment, train = session.environment, session.task.train
    if environment.expected is not None:
        environment.expected.try_out()
    queries = train.queries[:TRIED_QUERIES]
    said = [_proposed(query, queries) for query in queries]
    for query, expansions in zip(queries, said, strict=True):
        environment.rules.try_out(query.text, expansions)
    attempts = []
    for group, (query, expansions) in enumerate(zip(queries, said, strict=True)):
        attempts.append(Attempt(query, group, environment.say()))
        attempts.append(Attempt(query, group, environment.say(expansions)))
        attempts.append(Attempt(query, group, environment.say(expansions), finished=False))
    outcomes = environment.judge(attempts, train)
    environment.score(outcomes)
    _check_fields(environment, outcomes[0], session.facts)
    for split in (train, session.task.dev):
        _check_unjudged(environment, split)


def _check_unjudged(environment: Environment, split: Split) -> None:
    """Raise LeserError where no reward has a value for the split's queries without a relevant document."""
    unjudged = [q for q in split.queries if not has_relevant(split.qrels, q)]
    attempts = [Attempt(query, group, environment.say()) for group, query in enumerate(unjudged[:TRIED_QUERIES])]
    searched = [outcome for outcome in environment.judge(attempts, split) if outcome.code is not Code.ENGINE_ERROR]
    if searched and environment.score(searched).excluded.all():
        raise LeserError(
            f"{len(unjudged)} {split.name} queries have no relevant document and take part (task.unjudged), but none of the "
            f"rewards {', '.join(environment.rewards.names)} has a value for the first {len(searched)} of them. Add one that "
            "needs no judgments, such as --reward encoder@10, or leave task.unjudged out."
        )


def _proposed(query: Query, queries: Sequence[Query]) -> tuple[Expansion, ...]:
    """A word of another query, as an expansion."""
    own = set(words(query.text))
    return (Expansion(next((word for q in queries for word in words(q.text) if word not in own), "other")),)


def _check_fields(environment: Environment, outcome: Outcome, facts: Mapping[str, object]) -> None:
    """Raise LeserError for a field that a reward declares and nobody has: neither the engine's facts nor any document."""
    known = facts.get("fields")
    named = {str(name) for name in known} if isinstance(known, list | tuple | set | frozenset | dict) else set()
    documents = list(outcome.documents.values())
    held = {name for document in documents for name in document.fields}
    for reward in environment.rewards.rewards:
        for field in reward.fields:
            if documents and field not in held and field not in named:
                raise LeserError(
                    f"The reward '{reward.spec.text}' reads the field '{field}', which none of the {len(documents)} documents "
                    f"looked up has. Fields there: {', '.join(sorted(held | named)) or 'none'}. Correct the reward's `fields`, "
                    "or store the field in the index."
                )


def try_baselines(session: Session) -> None:
    """Fit every baseline on a corner of the task and search with its clauses; raises PluginFault, and EngineDown.

    What else a baseline says against it may be due to the corner, and is only a warning.
    """
    config, task, environment = session.config, session.task, session.environment
    train, dev = _corner(task.train, environment), _corner(task.dev, environment)
    if not (train.queries and dev.queries):
        return
    if task.ideal is not None:
        for query in dev.queries:
            task.ideal(query.id)
    corner = replace(task, train=train, dev=dev, test=Split("test", (), {}), ideal=None)
    context = replace(context_of(session), task=corner)
    if passage_writer(config.policy) is not None:
        context = replace(context, write=_unwritten)
    for name in baselines_of(config.evaluation, config.policy):
        baseline = make_baseline(
            session.registry.get("baseline", name), config.evaluation.baseline_options.get(name, {})
        )
        try:
            fit_baseline(baseline, context)
            terms = terms_of(baseline, dev.queries)
        except (PluginFault, EngineDown):
            raise
        except LeserError as error:
            session.reporter.warn(f"The baseline '{name}' could not be tried on {len(dev.queries)} queries: {error}")
            continue
        answers = context.search(dev.queries, terms)
        failed = [a for a, said in zip(answers, terms, strict=True) if said and isinstance(a, SearchError)]
        if failed and len(failed) == sum(map(bool, terms)):
            raise LeserError(
                f"Every search with the clauses of the baseline '{name}' fails: {failed[0].message}. Take it out of "
                "evaluation.baselines, or use a backend that can search with them."
            )


def _corner(split: Split, environment: Environment) -> Split:
    """The first few queries of a split that the engine does not refuse."""
    first = split.queries[:TRIED_QUERIES]
    environment.originals(first)
    kept = tuple(query for query in first if environment.refusal(query) is None)[:FEW]
    return Split(split.name, kept, {query.id: split.qrels.get(query.id, {}) for query in kept})


def _unwritten(prompts: Sequence[Sequence[Message]], most_tokens: int, **_: float) -> list[str]:
    """In place of the policy, which is not loaded for a trial: the last words of each prompt."""
    return [" ".join(turns[-1].content.split()[-most_tokens:]) for turns in prompts]
