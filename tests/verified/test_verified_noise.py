"""The judge's noise: estimated on judgments of train queries alone, and what each term must bring beyond it."""

from __future__ import annotations

import random

import pytest
from leser_memory import MemoryBackend
from verified_shop import COUCH, DESK, RUG, SPLIT, Shiny, changed, environment_of, shelf, words_of

from leser.backend import Hit, Ranking
from leser.expansion import Code
from leser.reward import parse_spec
from leser.verified.journal import probe_row, read_probe
from leser.verified.judging import Reading
from leser.verified.noise import noise_of, people_value
from leser.verified.search import Probe, VerifiedSearch


def ranking(ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, -rank) for rank, id in enumerate(ids)))


def test_people_value_reads_judged_documents_alone() -> None:
    grades = {"a": 2, "b": 1, "c": 0}
    assert people_value(ranking("xya"), grades, 1) == 1.0
    assert people_value(ranking("xcyb"), grades, 2) == pytest.approx(0.5 * 0.63093 / 1.63093, abs=1e-4)
    assert people_value(ranking(""), grades, 2) == 0.0
    assert people_value(ranking("a"), {"c": 0}, 2) is None


def test_noise_is_what_people_do_not_explain() -> None:
    drawn = random.Random(1)
    people = [drawn.choice((-0.1, 0.0, 0.1)) for _ in range(4000)]
    clean = [(0.02 + 0.5 * value, value) for value in people]
    assert noise_of(clean) == pytest.approx(0.0, abs=1e-9)
    noisy = [(judge + drawn.gauss(0, 0.05), value) for judge, value in clean]
    assert noise_of(noisy) == pytest.approx(0.05, abs=0.002)
    assert noise_of(noisy[:10]) == 0.0


def test_a_noisy_judge_must_be_surer() -> None:
    titles = {f"c{i}": "couch old" for i in range(3)} | {f"s{i}": "couch shiny" for i in range(3)}
    options = changed(weights=(0.5,), keep=0.0)

    def found(**values: float) -> int:
        environment = environment_of(MemoryBackend.of(shelf(titles)), [Shiny(parse_spec("shiny@4"))])
        chosen = options.model_copy(update=values)
        search = VerifiedSearch(environment, [COUCH], chosen, words_of(environment, chosen))
        probes = search.probe([0])
        return len(search.choose([0], probes, search.support(probes))[0].expansions)

    assert found() == found(doubt=1.0) == found(doubt=0.0, noise=9.0) == 1, "without judgments there is no estimate"
    assert found(doubt=1.0, noise=0.05) == 1
    assert found(doubt=2.0, noise=0.5) == 0


def read_at(score: float) -> Reading:
    return Reading(score, 1.0, Code.OK, people=0.5)


def test_only_train_judgments_are_read() -> None:
    options = changed(doubt=1.0)

    def read(train: frozenset[str]) -> list[float]:
        environment = environment_of()
        search = VerifiedSearch(environment, [COUCH, RUG, DESK], options, words_of(environment), SPLIT, 0, train)
        probes = [
            Probe(Reading(0.1, 1.0, Code.OK, people=0.5), (), tuple((read_at(0.1 + 0.01 * i),) for i in range(40)))
            for _ in range(3)
        ]
        return [search._noise(probes)]

    assert read(frozenset()) == [0.0]
    assert read(frozenset({"q1"}))[0] == pytest.approx(0.1184, abs=1e-3)  # the deviation of 0 to .39 in steps of .01


def test_what_people_say_is_kept_in_the_file() -> None:
    probe = Probe(Reading(0.5, 1.0, Code.OK, 0.125, 0.25), (), (), 1, 0)
    assert read_probe(probe_row("q", probe)) == probe
    bare = Probe(Reading(0.5, 1.0, Code.OK), (), (), 1, 0)
    assert read_probe(probe_row("q", bare)) == bare
