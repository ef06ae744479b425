"""The final evaluation: every system once on test, beside its baselines, with intervals; then the report.

Everything that is chosen (RM3's settings, the dictionary's weight, the best checkpoint) was chosen on train and dev before
this is called. What a policy must not serve (unparsable, rule broken) counts as the original query, for all policies alike.
"""

from __future__ import annotations

import json
import resource
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import Any

from leser.backend import Ranking, SearchError, Term
from leser.baseline import Baseline, BaselineContext
from leser.errors import EngineDown, LeserError, PluginFault
from leser.evaluation.calls import fit_baseline, make_baseline
from leser.evaluation.evaluate import IDEAL, Evaluation, evaluate
from leser.evaluation.grid import best_setting
from leser.evaluation.measures import Measurer
from leser.evaluation.pseudo_documents import baselines_of
from leser.evaluation.systems import SystemRun, run_of_baseline, run_of_terms
from leser.evaluation.trec import write_runs
from leser.files import write_atomically
from leser.holes.next import FILE as NEXT_FILE
from leser.policy.generate import Sample
from leser.policy.loading import load_policy
from leser.report import write_report
from leser.report.answers import FILE, Titles, answers_of, write_answers
from leser.report.provenance import provenance
from leser.report.systems import measures_of
from leser.run.abstaining import ABSTAINING, answers_where_sure
from leser.run.harm_files import FILE as HARM_FILE
from leser.run.harm_files import harm_content
from leser.run.holes import holes_content
from leser.run.keeping import keep_fitted
from leser.run.primary import measures_shown
from leser.run.search_row import SEARCH, search_run
from leser.run.systems_table import table
from leser.sampler import Answers, Sampler
from leser.session import Session, context_of
from leser.store.disk import DiskFull
from leser.store.weights import SERVED
from leser.task import Query, Split, Task
from leser.training.state import TrainingState
from leser.training.weight import tune_on_dev
from leser.warmup.targets import read_targets, worked_examples

DEPTH = 100
"""How deep rankings are; a measure that looks further has them as deep as it looks."""
REFERENCE_WEIGHTS = (0.25, 0.5, 1.0, 2.0)


def evaluate_on_test(state: TrainingState) -> dict[str, Any]:
    """Evaluate on test, write evaluation.json, trec/ and report.html; returns evaluation.json's content."""
    session, folder = state.session, state.folder
    config, test, reporter = session.config, session.task.test, session.reporter
    reporter.say("Evaluating on test ...")
    left_out: list[str] = []

    def leave_out(said: str) -> None:
        left_out.append(said)
        reporter.warn(said)

    def keep(baseline: Baseline) -> None:
        try:
            keep_fitted(baseline, session, folder.path)
        except PluginFault as error:  # its row is well
            reporter.warn(f"The baseline '{baseline.name}' is not kept for `leser serve`. {error}")

    runs = [
        *baseline_runs(session, test, leave_out, keep),
        *_search_runs(session, test, leave_out),
        *_policy_runs(state),
    ]
    sure, abstained = _abstaining_run(state)
    runs += sure
    result = evaluate(
        test,
        runs,
        measures_shown(session),
        rewards=session.registry.all("reward"),
        fetch=session.client.fetch,
        resamples=config.evaluation.resamples,
        seed=config.seed,
        platform=config.platform.name,
        warn=leave_out,
        expected=session.environment.expected,
    )
    content = (
        _content(result, state) | holes_content(session, test, runs, folder.path / NEXT_FILE, leave_out) | abstained
    )
    content |= {"left_out": left_out} if left_out else {}
    write_runs(folder.path / "trec", runs, test)
    primary = next(iter(measures_of(content)), "")
    content |= harm_content(
        test.queries, runs, result.per_query, primary, titles_from(session), folder.path / HARM_FILE
    )
    answers = answers_of(test, runs, result.per_query, primary, titles_from(session))
    write_answers(folder.path / FILE, answers)
    write_report(folder.path, content, folder.metrics(), tomllib.loads(config.resolved()), answers, " ".join(left_out))
    # last: it marks the run as complete
    write_atomically(folder.path / "evaluation.json", json.dumps(content, indent=1, ensure_ascii=False))
    reporter.say(f"Test, {result.queries} queries, mean prompt length {content['mean_prompt_tokens']:.0f} tokens.")
    for text in table(result):
        reporter.say(text)
    reporter.say(f"Report: {folder.path / 'report.html'}")
    return content


def _content(result: Evaluation, state: TrainingState) -> dict[str, Any]:
    """What evaluation.json holds: the figures, and what else there is to say of the run."""
    config, counters = state.session.config, state.counters
    platform = {"platform": config.platform.name} if config.platform.name else {}
    return {
        **result.to_json(),
        **platform,
        "reward": state.session.environment.rewards.formula,
        **prompt_facts(state.sampler, asked_of(state.session.task.test)),
        "dev_best": counters.best,
        "grpo_seconds": counters.grpo_seconds,
        "warmup_plus_share": config.evaluation.warmup_plus_share,
        # of the process that finished it
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "made": provenance(),
    }


def prompt_facts(sampler: Sampler, queries: Sequence[Query]) -> dict[str, Any]:
    """How long these queries' prompts are, and how many hits were left out of them because a prompt was too long.

    Of these queries alone, whatever else this process asked about: a resumed run says the same.
    """
    alone = Sampler(sampler.policy, sampler.environment, sampler.prompt, sampler.max_new_tokens, sampler.examples)
    lengths = [len(prompt) for prompt in alone.prompts(queries)]
    return {"mean_prompt_tokens": fmean(lengths), "hits_dropped": alone.hits_dropped}


def depth_of(session: Session, split: Split) -> int:
    """How deep rankings must be for the configured measures."""
    measures = measures_shown(session)
    return max(DEPTH, Measurer(split, measures, session.registry.all("reward")).depth)


def baseline_runs(
    session: Session,
    split: Split,
    leave_out: Callable[[str], None],
    keep: Callable[[Baseline], None] = lambda _: None,
) -> list[SystemRun]:
    """The configured baselines, fitted on train and dev, and the task's ideal expansions, on a split.

    `keep` is called with each baseline once it was fitted and asked.

    One that fails is left out, and `leave_out` told why: it must not cost what was trained. An engine that is down and a
    full disk are raised, for --resume continues from there.
    """
    config, task, asked, depth = session.config, session.task, asked_of(split), depth_of(session, split)
    context = replace(context_of(session), k=depth)

    def found(terms: Sequence[Sequence[Term]]) -> Sequence[Ranking | SearchError]:
        return _found(session, asked, terms, depth)

    def ran(name: str) -> SystemRun:
        if name == IDEAL:
            ideal = _ideal(task, context, asked)
            return run_of_terms(IDEAL, asked, ideal, found(ideal))
        given = config.evaluation.baseline_options.get(name, {})
        baseline = make_baseline(session.registry.get("baseline", name), given)
        fit_baseline(baseline, context)
        answered = run_of_baseline(baseline, asked, depth, found)
        keep(baseline)
        return answered

    names = (*baselines_of(config.evaluation, config.policy), *((IDEAL,) if task.ideal is not None else ()))
    return [run for name in names for run in _unless_failed(name, partial(ran, name), leave_out)]


def _unless_failed(name: str, run: Callable[[], SystemRun], leave_out: Callable[[str], None]) -> list[SystemRun]:
    """The system's run, or none where it failed and `leave_out` was told why."""
    try:
        return [run()]
    except (EngineDown, DiskFull):
        raise
    except Exception as error:  # whatever a baseline or a reward, which may be a plugin's, raises
        why = str(error) if isinstance(error, LeserError) else f"{type(error).__name__}: {error}"
        leave_out(f"The system '{name}' failed and is left out of the evaluation. {why}")
        return []


def _search_runs(session: Session, split: Split, leave_out: Callable[[str], None]) -> list[SystemRun]:
    """Verified search's own answers, where they are wanted."""
    if not session.config.evaluation.search:
        return []
    environment, asked, depth = session.environment, asked_of(split), depth_of(session, split)
    tuned = environment.expansion.weight
    environment.weigh(session.config.expansion.weight)  # what the options of [verified] were checked against
    try:
        return _unless_failed(SEARCH, lambda: search_run(session, split, asked, depth), leave_out)
    finally:
        environment.weigh(tuned)


def asked_of(split: Split) -> tuple[Query, ...]:
    """All of a split's queries: those without a relevant document are in no mean, but their empty answers are counted."""
    return (*split.queries, *split.no_result)


def _ideal(task: Task, context: BaselineContext, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
    """The task's ideal expansions, at the weight that dev likes best."""
    assert task.ideal is not None
    ideal = task.ideal

    def at(weight: float, asked: Sequence[Query]) -> list[tuple[Term, ...]]:
        return [tuple(Term(text, weight) for text in ideal(q.id)) for q in asked]

    dev = task.dev.queries
    best, _ = best_setting(IDEAL, context, task.dev, dev, REFERENCE_WEIGHTS, lambda weight: at(weight, dev))
    return at(best, queries)


def _found(
    session: Session, queries: Sequence[Query], terms: Sequence[Sequence[Term]], depth: int
) -> Sequence[Ranking | SearchError]:
    """What the engine finds for queries with their clauses."""
    asked = [session.environment.ask(q, t) for q, t in zip(queries, terms, strict=True)]
    return session.client.search_terms(asked, depth)


def _policy_runs(state: TrainingState) -> list[SystemRun]:
    """The policy as it was, after the warm-up, after more of it, and after GRPO."""
    config, test = state.session.config, state.session.task.test
    asked, depth = asked_of(test), depth_of(state.session, test)

    def run_of(name: str, sampler: Sampler) -> SystemRun:
        tune_on_dev(state, name, sampler)
        return policy_run(name, sampler.answer(test, asked, depth))

    runs = []
    if config.evaluation.prompted:
        runs.append(run_of("prompted", _prompted(state)))
    if config.warmup.enabled:
        state.load(state.policies / "warmup")
        runs.append(run_of("warmup", state.sampler))
        if config.evaluation.best_of:
            runs.append(_best_of(state))
        if config.evaluation.warmup_plus:
            state.load(state.policies / "warmup-plus")
            runs.append(run_of("warmup+", state.sampler))
    state.load(state.folder.path / "policy")
    runs.append(run_of(SERVED, state.sampler))
    return runs


def _abstaining_run(state: TrainingState) -> tuple[list[SystemRun], dict[str, Any]]:
    """The policy that was kept, leaving alone what it is not sure of, where that is wanted; and its threshold."""
    config, (_, dev, test) = state.session.config, state.session.task.splits
    if config.evaluation.abstain is None:
        return [], {}
    asked, depth, tuned_on = asked_of(test), depth_of(state.session, test), state.dev_queries()
    answers, said = answers_where_sure(state.sampler, dev, tuned_on, test, asked, depth, config.evaluation.abstain)
    return [policy_run(ABSTAINING, answers)], {"abstain": said}


def _prompted(state: TrainingState) -> Sampler:
    """The policy as it was before any training, shown worked examples where it reads prose."""
    session, config, base = state.session, state.session.config, state.policies / "base"
    if base.exists():
        state.load(base)
        return state.sampler
    path = state.folder.path / "targets.jsonl"
    found = read_targets(path, session.task.train) if path.exists() else []
    best = list({t.query.id: t for t in sorted(found, key=lambda t: t.gain) if t.gain > 0}.values())
    chosen = best[:: max(1, len(best) // max(1, config.prompt.examples))][: config.prompt.examples]
    shown = worked_examples(state.sampler, chosen)
    policy = load_policy(config.policy, seed=config.seed)
    return Sampler(policy, session.environment, config.prompt, config.training.max_new_tokens, shown)


def _best_of(state: TrainingState) -> SystemRun:
    """Of N sampled completions the one the policy itself finds likeliest per token: no label is looked at."""
    config, test = state.session.config, state.session.task.test
    count, asked = config.evaluation.best_of, asked_of(test)
    rows = state.sampler.sample(asked, count, seed=config.seed, step=-1, temperature=config.grpo.temperature)

    def likelihood(sample: Sample) -> float:
        return fmean(sample.logprobs) if sample.finished else float("-inf")

    chosen = [max(row, key=likelihood) for row in rows]
    return policy_run(f"best-of-{count}", state.sampler.served(test, asked, chosen, depth_of(state.session, test)))


def policy_run(name: str, answers: Answers) -> SystemRun:
    """A policy's answers as a system: the rankings it would serve, and what it wrote to get them."""
    pairs = list(zip(answers.outcomes, answers.served, strict=True))
    return SystemRun(
        name,
        rankings={s.query.id: s.expanded or SearchError("the search failed") for _, s in pairs},
        expansions={s.query.id: s.expansions for _, s in pairs},
        completions={o.query.id: o.completion for o, _ in pairs},
        codes={o.query.id: o.code for o, _ in pairs},
        tokens={o.query.id: n for (o, _), n in zip(pairs, answers.tokens, strict=True)},
    )


def titles_from(session: Session) -> Titles:
    """Titles of documents, as the engine gives them."""
    field = session.task.title_field

    def titles(ids: Sequence[str]) -> dict[str, str]:
        return {id_: d.fields.get(field, "") for id_, d in session.client.fetch(ids, (field,)).items()}

    return titles
