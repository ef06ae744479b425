"""How the doctor asks the backend itself, nothing mended or tried again, and what it can't go on after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.contract.shapes import fault_in_answers
from leser.doctor.finding import Finding, State
from leser.errors import LeserError

DEEP = 100
HEAVY = 8.0
"""The weight of a term that must move a document."""
EngineAnswer = Ranking | SearchError
Value = TypeVar("Value")
CORRECT = "Correct the backend's {method}(): leser.backend says what it is given and returns, leser.testing tests it."


class Broken(LeserError):
    """What a check can't go on after: the finding that it amounts to, without its topic."""

    def __init__(self, seen: str, advice: str, state: State = "problem") -> None:
        super().__init__(seen)
        self.seen, self.advice, self.state = seen, advice, state

    def finding(self, topic: str) -> Finding:
        """The finding under a topic."""
        return Finding(topic, self.seen, self.state, self.advice)


def called(method: str, call: Callable[[], Value]) -> Value:
    """What a method of the backend returns; raises Broken for what it raises, LeserError apart."""
    try:
        return call()
    except LeserError:
        raise
    except Exception as error:
        raise Broken(f"{method}() raised {type(error).__name__}: {error}", CORRECT.format(method=method)) from error


def answers_of(
    backend: Backend, queries: Sequence[ExpandedQuery], k: int = DEEP, *, total: bool = False
) -> list[EngineAnswer]:
    """What the backend itself answers, nothing mended or tried again; raises Broken for a wrong shape."""
    answers = called("search", lambda: backend.search(queries, k, total=total))
    if fault := fault_in_answers(answers, len(queries), k):
        raise Broken(fault, CORRECT.format(method="search"))
    return answers


def scores_of(ranking: Ranking) -> dict[str, float]:
    """The score of each hit."""
    return {hit.id: hit.score for hit in ranking.hits}
