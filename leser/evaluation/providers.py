"""What computes an ir-measures measure: its name read, the provider chosen, its judgments, and the values checked.

ir-measures hands measures on to providers that differ in what they take. Some refuse ids that are no numbers, some need
what no task of LESER holds, and some end the process they run in. Those in IN_PROCESS are called directly, the others
of PROVIDERS in a process of their own (leser/evaluation/outside.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from leser.errors import LeserError

IN_PROCESS = ("pytrec_eval", "judged", "msmarco")
PROVIDERS = ("pytrec_eval", "cwl_eval", "compat", "judged", "msmarco", "gdeval", "accuracy")
"""Providers that are used, in ir-measures' own order. Not ranx and trectools, which compute nothing more."""
REMARKS = {
    "gdeval": "It needs Perl, query ids that are numbers, document ids without white space and grades of at most 4.",
    "cwl_eval": "Install it with: pip install ir-measures[cwl_eval].",
    "pyndeval": "Its measures need judgments for each subtopic of a query, which a task does not hold.",
}
"""What a user must know of a provider that is not used, or that fails."""

Grades = Mapping[str, Mapping[str, int]]


def read_measure(name: str) -> Any | None:
    """The ir-measures measure of this name, None where it has none; raises LeserError saying what is wrong with it."""
    import ir_measures

    try:  # the name alone first: a reward's parameters need not be written as ir-measures reads them
        ir_measures.parse_measure(re.split(r"[(@]", name, maxsplit=1)[0])
    except NameError:
        return None
    except (ValueError, SyntaxError, TypeError):
        pass  # not a name at all: the whole says what is wrong with it
    try:
        measure: Any = ir_measures.parse_measure(name)
    except NameError:
        return None
    except (ValueError, SyntaxError, TypeError) as error:
        raise LeserError(f"ir-measures cannot read the measure '{name}': {error}.") from None
    known = [*measure.SUPPORTED_PARAMS]
    if any(parameter not in known for parameter in measure.params):
        raise LeserError(f"ir-measures refuses the measure '{name}'. Its parameters: {', '.join(known) or 'none'}.")
    try:
        measure.validate_params()
    except AssertionError as error:
        reason = "a parameter that it needs is missing" if "<object object" in str(error) else str(error)
        raise LeserError(
            f"ir-measures refuses the measure '{name}': {reason}. Parameters: {', '.join(known)}."
        ) from None
    if "cutoff" in measure.params and measure.params["cutoff"] < 1:
        raise LeserError(f"The measure '{name}' reads no document. Give it a cutoff of 1 or more, e.g. {name[:-1]}10.")
    return measure


def provider_of(measure: Any, name: str = "") -> str:
    """The name of the provider that computes a measure; raises LeserError where none that is used does.

    `name` is the measure as its user wrote it, for that message.
    """
    import ir_measures

    registry = ir_measures.providers.registry
    found = next((provider for provider in PROVIDERS if registry[provider].supports(measure)), None)
    if found is not None:
        return found
    shown = name or str(measure)
    every = [form for provider in PROVIDERS for form in registry[provider].SUPPORTED_MEASURES]
    forms = [str(form) for form in every if form.NAME == measure.NAME]
    if forms:
        for noise, kept in (("REQUIRED", "..."), ("ANY", "..."), ("@NOT_PROVIDED", "")):
            forms = [form.replace(noise, kept) for form in forms]
        raise LeserError(
            f"ir-measures does not compute '{shown}' with these parameters, but {' and '.join(dict.fromkeys(forms))}. "
            "Write it in such a form."
        )
    other = next((provider for provider, made in registry.items() if made.supports(measure)), "nothing here")
    raise LeserError(
        f"'{shown}' is computed by ir-measures' {other}, which LESER does not use. {REMARKS.get(other, '')}".rstrip()
        + " Choose another measure."
    )


def judgments(measure: Any, grades: Grades) -> dict[str, dict[str, int]]:
    """The judgments a measure is given: Judged alone takes a grade below 0 for a judgment.

    trec_eval takes such grades as unjudged, but may loop without end over a query that has no others: they are left out.
    """
    if measure.NAME == "Judged":
        return {query: dict(given) for query, given in grades.items()}
    kept = {query: {doc: grade for doc, grade in given.items() if grade >= 0} for query, given in grades.items()}
    return {query: given for query, given in kept.items() if given}


def evaluator_of(measure: Any, grades: Grades) -> Any:
    """An evaluator of one measure; raises LeserError where its provider is not installed, and whatever that raises."""
    import ir_measures

    provider = ir_measures.providers.registry[provider_of(measure)]
    if not provider.is_available():
        raise LeserError("it is not installed here")
    return provider.evaluator([measure], judgments(measure, grades))


def values_of(evaluator: Any, scored: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each query's value on one run; raises ValueError for an answer that is no number or about no query of the run."""
    values: dict[str, float] = {}
    for metric in evaluator.iter_calc(scored):
        if metric.query_id not in scored and metric.query_id not in evaluator.qrel_qids:
            raise ValueError(f"it answers about the query '{metric.query_id}', which is not in the run")
        if not math.isfinite(metric.value):
            raise ValueError(f"it answers {metric.value} about the query '{metric.query_id}'")
        values[metric.query_id] = float(metric.value)
    return values
