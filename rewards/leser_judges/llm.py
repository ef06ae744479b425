"""llm_judge@k: a language model behind an OpenAI-compatible endpoint grades documents, within a budget."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import islice

from pydantic import Field

from leser.backend import Document
from leser.options import secret
from leser.reward import RewardSpec
from leser_judges.blocks import MOST_FAILURES_IN_A_ROW
from leser_judges.endpoint import Endpoint, EndpointOptions
from leser_judges.grading import INSTRUCTION, prompt_of, read_grades, shuffled
from leser_judges.pairs import Pair, PairJudge, PairOptions, PairScores

log = logging.getLogger(__name__)


class LlmJudgeOptions(PairOptions, EndpointOptions):
    """Which model grades, how it is asked, and what it may cost."""

    instruction: str = Field(
        INSTRUCTION, min_length=1, description="what the model is told; {top} is the highest grade"
    )
    top_grade: int = Field(3, ge=1, le=100, description="highest grade; grades are whole numbers from 0")
    documents_per_request: int = Field(10, ge=1, description="documents of one query that are graded in one request")
    most_characters: int = Field(500, ge=1, description="characters of a document that are sent, at most")
    seed: int = Field(1, ge=0, description="seed of the order in which a request's documents are shown")


class LlmJudge(PairJudge):
    """Discounted mean of a language model's grades of the top k (llm_judge(url='http://localhost:8000/v1', model='NAME')@k).

    Grades 0 to `top_grade`, divided by it, under DCG's discount and divided by the sum of all k discounts; a rank without a
    document, or whose document has no text in `fields`, counts 0. Documents of a query are graded several in a request, in an
    order shuffled by `seed`, since models prefer what stands first. Grades are kept on disk; a request that fails, an answer
    that cannot be read, and what the budget no longer allows have none: all of the query's completions get None, and the log
    counts why.

    Use when: nobody judges, titles alone do not say what is good, and the queries are few enough to pay for.
    Beware of: price and time (each new pair is asked for once, and a training meets thousands); a judge that is generous to
    whatever repeats the query; and grading with the model that also writes the expansions. Check it on judged pairs first.
    """

    name = "llm_judge"
    Options = LlmJudgeOptions
    options: LlmJudgeOptions

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.fields = self.options.fields
        secret(self.options.api_key_env, "api_key_env")

    @cached_property
    def scores(self) -> PairScores:
        """The grades of this model under this instruction."""
        options = self.options
        settings = (options.model, options.instruction, options.top_grade, options.temperature, options.seed)
        digest = blake2b(repr(settings).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return PairScores.of(options, options.model.rpartition("/")[2] or "model", digest)

    def text(self, document: Document) -> str:
        """The first `most_characters` of the document's fields."""
        return super().text(document)[: self.options.most_characters]

    def judge(self, pairs: Sequence[Pair]) -> Iterator[dict[Pair, float]]:
        """Grades of these pairs, request by request; raises LeserError for an endpoint that refuses the first request."""
        endpoint, requests = open_endpoint(self.options), self._requests(pairs)
        system = self.options.instruction.replace("{top}", str(self.options.top_grade))
        counted: Counter[str] = Counter()
        failures_in_a_row = 0
        pool = ThreadPoolExecutor(self.options.concurrency)
        try:
            asked = {pool.submit(endpoint.ask, system, prompt_of(*request)): request for request in requests}
            for done in as_completed(asked):
                query, documents = asked[done]
                answer = done.result()
                failures_in_a_row = failures_in_a_row + 1 if answer.text is None else 0
                if answer.text is not None:
                    yield self._read(answer.text, query, documents, counted)
                else:
                    counted["over budget" if answer.over_budget else "failed"] += 1
                if failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
                    counted["not sent after these"] = sum(future.cancel() for future in asked)
                    break
        finally:
            pool.shutdown(cancel_futures=True)
        self._report(endpoint, len(requests), counted)

    def _report(self, endpoint: Endpoint, requests: int, counted: Mapping[str, int]) -> None:
        why = ", ".join(f"{number} {reason}" for reason, number in counted.items() if number)
        if why:
            cause = f" Last failure: {endpoint.last_failure}." if endpoint.last_failure else ""
            log.warning("llm_judge: of %d requests %s. %s%s", requests, why, endpoint.spent, cause)

    def _read(self, text: str, query: str, documents: Sequence[str], counted: Counter[str]) -> dict[Pair, float]:
        grades = read_grades(text, len(documents), self.options.top_grade)
        if len(grades) < len(documents):
            counted["answered in part" if grades else "unreadable"] += 1
        return {(query, documents[place]): grade / self.options.top_grade for place, grade in grades.items()}

    def _requests(self, pairs: Sequence[Pair]) -> list[tuple[str, list[str]]]:
        """Each query with the documents of one request, in the order in which they are shown."""
        by_query: dict[str, list[str]] = {}
        for query, text in pairs:
            by_query.setdefault(query, []).append(text)
        requests = []
        for query, texts in by_query.items():
            order = iter(shuffled(texts, query, self.options.seed))
            while part := list(islice(order, self.options.documents_per_request)):
                requests.append((query, part))
        return requests


@lru_cache(maxsize=8)
def open_endpoint(options: LlmJudgeOptions) -> Endpoint:
    """The endpoint under these options, and with it what was spent: one budget for all who use it in this process."""
    return Endpoint(options)
