"""DocumentJudge: a reward that needs no label, asked about one document at a time.

What a judge thinks of a document is what its reward gives, at cutoff 1, to a ranking that holds this document alone. So every
reward that reads documents can fill holes: an encoder, a cross-encoder, a language model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from leser.backend import Document, Hit, Ranking
from leser.declared import Documents
from leser.errors import LeserError, unknown_name
from leser.expansion import Code
from leser.lesson import LearnsFromTrain
from leser.reward import Outcome, Reward, parse_spec
from leser.reward_calls import ask_reward, make_reward
from leser.similarity import ComparesDocuments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.task import Query

Fetch = Callable[[Sequence[str], Sequence[str]], Mapping[str, Document]]
"""Documents by id with the fields named, as SearchClient.fetch gives them."""
Pair = tuple["Query", str]


class DocumentJudge:
    """Scores pairs of a query and a document. Raises LeserError for a reward that reads no document."""

    def __init__(self, reward: Reward, fetch: Fetch) -> None:
        self.name = reward.spec.text.partition("@")[0]
        if not reward.fields or reward.requires or reward.gate:
            raise LeserError(
                f"'{self.name}' cannot judge single documents: it does not read their text. "
                "Name a reward that does, such as evaluation.judge=encoder."
            )
        if isinstance(reward, LearnsFromTrain):
            raise LeserError(
                f"'{self.name}' cannot fill holes: it learned from the judgments that would say what its scores are worth. "
                f"Reward {self.name}@10 itself, or name another judge, such as evaluation.judge=encoder."
            )
        self._reward, self._fetch = reward, fetch

    @classmethod
    def of(cls, text: str, classes: Mapping[str, type[Reward]], fetch: Fetch) -> DocumentJudge:
        """The judge of a reward's string; its cutoff does not matter. Raises LeserError for an unknown reward."""
        spec = parse_spec(text)
        if spec.family not in classes:
            raise unknown_name("reward", spec.family, classes)
        reward = make_reward(classes[spec.family], replace(spec, cutoff=1, text=f"{text.partition('@')[0]}@1"))
        return cls(reward, fetch)

    def scores(self, pairs: Sequence[Pair]) -> NDArray[np.float64]:
        """The judge's score of each pair, shape (pairs,); NaN where it failed."""
        if not pairs:
            return np.zeros(0)
        ids = sorted({id for _, id in pairs})
        documents = Documents(self._fetch(ids, self._reward.fields))
        outcomes = [
            Outcome(
                query=query,
                group=number,
                completion="",
                expansions=(),
                original=Ranking(()),
                expanded=Ranking((Hit(id, 1.0),)),
                grades={},
                code=Code.OK,
                documents=documents,
            )
            for number, (query, id) in enumerate(pairs)
        ]
        return np.array(ask_reward(self._reward, outcomes), dtype=np.float64)


def usual_judge(rewards: Sequence[Reward]) -> str | None:
    """The judge among a run's own rewards: the first that compares documents with queries by itself."""
    return next((reward.spec.text for reward in rewards if isinstance(reward, ComparesDocuments)), None)
