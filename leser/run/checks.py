"""Checks of a run's policy that cost next to nothing, made before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.evaluation.evaluate import IDEAL, POLICY
from leser.evaluation.measures import Measurer
from leser.evaluation.pseudo_documents import PseudoDocument, Query2Doc, baselines_of
from leser.evaluation.trec import check_ids, run_files
from leser.expansion import Expansion
from leser.policy.options import PolicyOptions
from leser.run.abstaining import ABSTAINING
from leser.run.primary import measures_shown
from leser.run.search_row import SEARCH
from leser.run.trial import TRIED_QUERIES
from leser.warmup.replayed import stored_for
from leser.warmup.searched import read_target_file
from leser.warmup.shown import say_shown

if TYPE_CHECKING:
    from leser.environment import Environment
    from leser.policy.policy import Policy
    from leser.sampler import Sampler
    from leser.session import Session
    from leser.task import Query, Split
    from leser.warmup.options import WarmupOptions

LEAST_PROMPT = 16
"""Tokens below which a prompt holds not even a query."""


def check_final(session: Session, split: Split) -> None:
    """Try out what only the evaluation of `split` uses, which comes after the training: measures, names, ids.

    Raises LeserError for what could not work there.
    """
    config, registry = session.config, session.registry
    rewards, fetch, measures = registry.all("reward"), session.client.fetch, measures_shown(session)
    if not Measurer(split, measures, rewards, fetch, config.platform.name).try_out():
        raise LeserError(
            f"None of the {split.name} queries has a relevant document, so that {', '.join(measures)} measure "
            "nothing. Name a measure that needs no judgments: -o 'evaluation.measures=[\"encoder@10\"]'."
        )
    baselines = baselines_of(config.evaluation, config.policy)
    best_of = [f"best-of-{config.evaluation.best_of}"] if config.evaluation.best_of else []
    search = [SEARCH] if config.evaluation.search else []
    sure = [ABSTAINING] if config.evaluation.abstain is not None else []
    run_files([*baselines, IDEAL, *search, *sure, "prompted", "warmup", "warmup+", *best_of, POLICY])
    check_ids("query", (query.id for query in (*split.queries, *split.no_result)))
    if any(registry.get("baseline", name).tuned for name in baselines):
        session.environment.rewards.two_rankings_only()


def check_targets(session: Session) -> None:
    """Raise LeserError for a file of targets, or of rollouts, that the warm-up could not learn from, and for too many words."""
    options, config = session.config.warmup, session.config
    if says_shown(config.warmup, config.policy) and config.prompt.terms > config.expansion.max_expansions:
        raise LeserError(
            f"prompt.terms={config.prompt.terms} is not valid: the policy begins by saying all words that it is shown, and an "
            f"answer holds {config.expansion.max_expansions}. Set expansion.max_expansions={config.prompt.terms}, or lower "
            "prompt.terms."
        )
    if options.enabled and options.targets_file is not None:
        read_target_file(options.targets_file, session.task.train, options, session.config.expansion)
    if options.enabled and options.from_rollouts is not None:
        stored_for(session.task.train, options.from_rollouts)
    if options.enabled and options.loss == "dpo" and session.config.policy.name == "tiny":
        raise LeserError(
            "warmup.loss=dpo is not valid for the policy `tiny`: it has not learned to write yet, so none of its own completions "
            "can be preferred. Start from the policy that sampled the rollouts, with --policy RUN/policies/warmup."
        )


def says_shown(warmup: WarmupOptions, policy: PolicyOptions) -> bool:
    """Whether the policy begins, or is taught, to say all words that its prompt shows."""
    sought = warmup.enabled and warmup.targets_file is None and warmup.from_rollouts is None
    return (sought and warmup.targets == "shown" and warmup.shown == "all") or (
        policy.name == "tiny" and policy.tiny.copying
    )


def check_context(options: PolicyOptions, new_tokens: int) -> None:
    """Raise LeserError when the context that the options name leaves no room for a prompt beside a completion."""
    named = {"policy.max_context": options.max_context}
    if options.name == "tiny":
        named["policy.tiny.max_context"] = options.tiny.max_context
    for option, context in named.items():
        if context is not None:
            _hold_prompt(option, context, new_tokens)


def _hold_prompt(what: str, context: int, new_tokens: int) -> None:
    if context < new_tokens + LEAST_PROMPT:
        raise LeserError(
            f"{what} is {context} tokens, {new_tokens} of which a completion may take (training.max_new_tokens): too few are "
            "left for a prompt. Raise the one or lower the other."
        )


def check_writing(session: Session, policy: Policy) -> list[str]:
    """Write real prompts and an answer as training and evaluation will, weights or not; returns what a user should know.

    Raises LeserError when the context leaves no room, when the chat template or the tokenizer cannot write them, or when a
    token is none of the model's.
    """
    from leser.sampler import Sampler

    config = session.config
    new_tokens = config.training.max_new_tokens
    _hold_prompt(f"The context of policy '{policy.name}'", policy.max_context, new_tokens)
    if set(baselines_of(config.evaluation, config.policy)) & {Query2Doc.name, PseudoDocument.name}:
        _hold_passage(policy)
    queries = session.task.train.queries[:TRIED_QUERIES]
    sampler = Sampler(policy, session.environment, config.prompt, new_tokens)
    written = sampler.prompts(queries)
    answer = (Expansion(" ".join(queries[0].text.split())),)
    if config.evaluation.prompted and config.prompt.examples and policy.kind != "tiny":
        shown = [(seen, answer) for seen in sampler.observations(queries[:1])]
        written += Sampler(policy, session.environment, config.prompt, new_tokens, shown).prompts(queries)
    said = session.environment.say(answer)
    target = policy.encode_completion(said)
    if says_shown(config.warmup, config.policy):
        _hold_shown(sampler, queries, new_tokens)
    embeddings: Any = policy.causal_lm.get_input_embeddings()
    highest, held = max(map(max, [*written, target])), int(embeddings.weight.shape[0])
    if highest >= held:
        raise LeserError(
            f"Policy '{policy.name}' holds {held} tokens, but its tokenizer writes number {highest}. Save the model with the "
            "tokenizer it was trained with, or resize its embeddings."
        )
    read = policy.decode(target)
    same = " ".join(read.casefold().split()) == " ".join(said.casefold().split())
    return (
        [] if same else [f"The tokenizer of policy '{policy.name}' changes what is written: '{said}' becomes '{read}'."]
    )


def _hold_shown(sampler: Sampler, queries: Sequence[Query], new_tokens: int) -> None:
    said = [say_shown(sampler.environment, seen, sampler.prompt) for seen in sampler.observations(queries)]
    longest = max(len(sampler.policy.encode_completion(words)) for words in said)
    if longest > new_tokens:
        raise LeserError(
            f"training.max_new_tokens={new_tokens} is too short for the words that prompts show: those of one of the "
            f"first {len(queries)} train queries take {longest} tokens. Set training.max_new_tokens={2 * longest}, or lower "
            "prompt.terms."
        )


def _hold_passage(policy: Policy) -> None:
    tokens = max(Query2Doc.Options().tokens, PseudoDocument.Options().tokens)
    if policy.max_context < tokens + LEAST_PROMPT:
        raise LeserError(
            f"The context of policy '{policy.name}' is {policy.max_context} tokens, too few for the passages of {tokens} that "
            "the evaluation asks of it. Set -o evaluation.passages=false and take them out of evaluation.baselines, or raise "
            "policy.max_context."
        )


def memory_of(session: Session, policy: Policy) -> str:
    """What the run needs in a GPU's memory, for prompts as long as the longest of the first train queries'."""
    from leser.policy.sizes import Batch, memory_table
    from leser.sampler import Sampler

    config = session.config
    sampler = Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens)
    longest = max(map(len, sampler.prompts(session.task.train.queries[:TRIED_QUERIES])))
    batch = Batch(
        min(config.training.queries_per_step, len(session.task.train.queries)),
        config.grpo.group_size,
        longest,
        config.training.max_new_tokens,
        config.grpo.tokens_per_pass,
        config.grpo.kl > 0,
        2.03 if config.training.optimizer == "adamw8bit" else 8.0,  # bytes of both moments, with the blocks' scales
    )
    return memory_table(policy, config.policy, batch)


def policy_notes(policy: Policy) -> list[str]:
    """What a user should know of the policy that was loaded."""
    notes = []
    if policy.kind == "chat" and policy.chat.folds:
        notes.append(
            f"The chat template of policy '{policy.name}' takes no system turn: the instructions stand at the head of the first "
            "user turn."
        )
    if policy.kind == "chat" and policy.chat.always_thinks:
        notes.append(
            f"The chat template of policy '{policy.name}' always opens the model's reasoning. Its completions are cut before "
            "they list expansions, unless expansion.reasoning=true and training.max_new_tokens leaves room for it."
        )
    if policy.kind == "text":
        notes.append(
            f"Policy '{policy.name}' has no chat template: prompts are plain text that ends with 'Answer:'. The warm-up "
            "teaches it the form of an answer."
        )
    if policy.shared.window is not None:
        notes.append(
            f"Policy '{policy.name}' has layers that see {policy.shared.window} tokens at most: longer prompts are computed "
            "for each completion by itself (slower, same results)."
        )
    return notes


def check_asked(environment: Environment, split: Split) -> None:
    """Raise LeserError when the engine refuses every query of a split: nothing would tell one policy from another."""
    refused = [environment.refusal(query) for query in split.queries]
    if refused and refused[0] is not None and None not in refused:
        raise LeserError(
            f"The engine refuses each of the {len(refused)} original {split.name} queries: {refused[0].message}. Check "
            "the backend's options and the task."
        )


def prompt_notes(sampler: Sampler, prompts: Sequence[Sequence[int]]) -> list[str]:
    """Warnings about prompts that the policy's context cuts short."""
    context = sampler.policy.max_context
    if not sampler.hits_dropped:
        return []
    return [
        f"The policy's context of {context} tokens is too short for some prompts: {sampler.hits_dropped} hits were left out "
        f"of the {len(prompts)} prompts of dev. Show fewer (prompt.titles, prompt.terms), or lower training.max_new_tokens."
    ]
