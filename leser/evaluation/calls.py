"""How baselines are called: made with their options, fitted, asked for clauses, and held to their contract each time.

A baseline is asked after the training, when an error costs most: a run also tries each of them before (leser/run/trial.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from leser.backend import Ranking, SearchError, Term
from leser.baseline import Baseline
from leser.engine.answers import WrongAnswer, shown
from leser.engine.checked import raised
from leser.errors import LeserError
from leser.options import validate_options

if TYPE_CHECKING:
    from leser.baseline import BaselineContext
    from leser.task import Query

Called = TypeVar("Called")
_MATCHES = ("any", "all", "phrase")


def table_of(name: str) -> str:
    """The table of a configuration that holds a baseline's options, as messages name it."""
    return f"[evaluation.baseline_options.{name}]"


def make_baseline(cls: type[Baseline], given: Mapping[str, Any]) -> Baseline:
    """A baseline with these options; raises LeserError for an option, and where it cannot be made."""
    options = validate_options(cls.Options, given, table_of(cls.name))
    return _guarded(cls, "__init__", lambda: cls(options))


def fit_baseline(baseline: Baseline, context: BaselineContext) -> None:
    """Fit a baseline; raises PluginFault for what it raises, LeserError apart."""
    _guarded(type(baseline), "fit", lambda: baseline.fit(context))


def state_of(baseline: Baseline) -> dict[str, Any] | None:
    """What a fitted baseline keeps, as it will be read back; None where it keeps nothing. Raises PluginFault."""
    state: object = _guarded(type(baseline), "state", baseline.state)
    if state is None:
        return None
    who = _who(type(baseline), "state")
    wanted = (
        "None, or a dictionary of plain JSON values: texts, numbers, lists, dictionaries by text, True, False, None"
    )
    if not isinstance(state, Mapping):
        raise WrongAnswer(who, shown(state), wanted)
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(state), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise WrongAnswer(who, f"a dictionary that JSON does not hold ({error})", wanted) from error
    return kept


def restore_baseline(baseline: Baseline, state: Mapping[str, Any], context: BaselineContext) -> None:
    """Make a baseline what it was when it was fitted; raises PluginFault for what it raises, LeserError apart."""
    _guarded(type(baseline), "restore", lambda: baseline.restore(state, context))


def ranks_itself(cls: type[Baseline]) -> bool:
    """Whether baselines of a class rank documents themselves, and so have no clauses to store or to serve."""
    return cls.rankings is not Baseline.rankings


def rankings_of(baseline: Baseline, queries: Sequence[Query], k: int) -> list[Ranking | SearchError] | None:
    """A baseline's own rankings of `k` documents per query, in order; None where it adds clauses. Raises PluginFault."""
    who = _who(type(baseline), "rankings")
    rows: object = _guarded(type(baseline), "rankings", lambda: baseline.rankings(queries, k))
    if rows is None:
        return None
    wanted = f"None, or a list of {len(queries)} Ranking or SearchError, one per query"
    if not isinstance(rows, list | tuple) or len(rows) != len(queries):
        raise WrongAnswer(who, shown(rows), wanted)
    if wrong := next((row for row in rows if not isinstance(row, Ranking | SearchError)), None):
        raise WrongAnswer(who, shown(wrong), wanted)
    return list(rows)


def terms_of(baseline: Baseline, queries: Sequence[Query]) -> list[tuple[Term, ...]]:
    """The clauses for each query, in order; raises PluginFault where they are no such thing."""
    who = _who(type(baseline), "terms")
    rows: object = _guarded(type(baseline), "terms", lambda: baseline.terms(queries))
    if not isinstance(rows, list | tuple):
        raise WrongAnswer(who, shown(rows), f"a list of {len(queries)} tuples of Term, one per query")
    if len(rows) != len(queries):
        raise WrongAnswer(
            who, f"{len(rows)} rows of terms for {len(queries)} queries", "one tuple of Term per query, in order"
        )
    for row, query in zip(rows, queries, strict=True):
        if not isinstance(row, list | tuple):
            raise WrongAnswer(who, f"{shown(row)} for the query '{query.text[:80]}'", "a tuple of Term, () without any")
        for term in row:
            _check(who, term, query)
    return [tuple(row) for row in rows]


def failures_of(baseline: Baseline, queries: Sequence[Query]) -> list[SearchError | None]:
    """Why queries that `terms_of` was asked about got no clauses, in order; None where they did. Raises PluginFault."""
    who = _who(type(baseline), "failures")
    rows: object = _guarded(type(baseline), "failures", lambda: baseline.failures(queries))
    if rows is None:
        return [None] * len(queries)
    wanted = f"None, or a list of {len(queries)} SearchError or None, one per query"
    if not isinstance(rows, list | tuple) or len(rows) != len(queries):
        raise WrongAnswer(who, shown(rows), wanted)
    if wrong := next((row for row in rows if not isinstance(row, SearchError | None)), None):
        raise WrongAnswer(who, shown(wrong), wanted)
    return list(rows)


def _check(who: str, term: object, query: Query) -> None:
    wanted = "Term(text, weight, field, match, negate)"
    if not isinstance(term, Term):
        raise WrongAnswer(who, f"{shown(term)} for the query '{query.text[:80]}'", wanted)
    number = isinstance(term.weight, Real) and not isinstance(term.weight, bool)
    if not isinstance(term.text, str) or not number or not (isfinite(term.weight) and term.weight >= 0):
        raise WrongAnswer(who, shown(term), f"{wanted} with a text, and a weight of 0 or more")
    if term.match not in _MATCHES or not isinstance(term.field, str | None):
        raise WrongAnswer(
            who, shown(term), f"{wanted} with a field's name or None, and match one of {', '.join(_MATCHES)}"
        )


def _guarded(cls: type[Baseline], method: str, call: Callable[[], Called]) -> Called:
    try:
        return call()
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(_who(cls, method), error, cls) from error


def _who(cls: type[Baseline], method: str) -> str:
    return f"Baseline '{cls.name}' ({cls.__module__}.{cls.__qualname__}): {method}()"
