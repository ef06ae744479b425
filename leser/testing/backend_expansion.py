"""The part of BackendContract about the terms beside the user's text: weights, matching, negation, fields, phrases."""

from __future__ import annotations

import math

import pytest

from leser.backend import Backend, ExpandedQuery, SearchError, Term
from leser.testing.asking import EVERYTHING, OpenBackend, answers_of, ids_of, needs, opened, ranking_of, scores_of
from leser.testing.documents import DOCUMENTS

ALL = {document.id for document in DOCUMENTS}
WEIGHTS = (0.01, 0.25, 1.0, 4.0, 50.0)


class ExpansionCases:
    """Tests of terms."""

    @needs("term_weights")
    def test_more_weight_moves_up(self, engine: Backend) -> None:
        """If this fails, check that the terms and their weights are sent at all, and that hits are sorted by score."""
        assert ids_of(engine, "lamp", Term("desk", 5.0)) == ("d07", "d08")
        assert ids_of(engine, "lamp", Term("clip", 5.0)) == ("d08", "d07")
        places = [ids_of(engine, "lamp sofa", Term("mat", weight)).index("d11") for weight in (0.01, 1.0, 20.0)]
        assert places == sorted(places, reverse=True)
        assert places[0] > places[-1]

    @needs("term_weights")
    def test_score_follows_weight(self, engine: Backend) -> None:
        """If this fails, check that a weight multiplies what its term adds to the score, once, below 1 as above."""
        answers = answers_of(engine, [ExpandedQuery("q", "settee", (Term("couch", weight),)) for weight in WEIGHTS], 10)
        scores = [answer.hits[0].score for answer in answers if not isinstance(answer, SearchError) and answer.hits]
        assert len(scores) == len(WEIGHTS), "a term of any weight above 0 finds what holds its words"
        found = dict(zip(WEIGHTS, [score / scores[2] for score in scores], strict=True))
        assert found == pytest.approx(dict(zip(WEIGHTS, WEIGHTS, strict=True)), rel=1e-3), (
            "score per weight, of that for 1"
        )

    @needs("term_weights")
    def test_weight_one_is_the_originals(self, engine: Backend) -> None:
        """If this fails, check that a term is scored as the original is: same fields, same similarity, same factor."""
        beside, within = ranking_of(engine, "sofa", Term("lamp")), ranking_of(engine, "sofa lamp")
        assert beside.ids == within.ids
        assert scores_of(beside) == pytest.approx(scores_of(within), rel=1e-4)

    @needs("term_weights")
    def test_terms_add_up(self, engine: Backend) -> None:
        """If this fails, check that each term is a clause of its own, and leaves the score of the original as it is."""
        sofa = scores_of(ranking_of(engine, "sofa"))
        added = scores_of(ranking_of(engine, "sofa", Term("lamp", 2.0), Term("yoga", 3.0), Term("reading")))
        assert set(added) == {"d01", "d07", "d08", "d11"}
        assert added["d01"] == pytest.approx(sofa["d01"], rel=1e-4), "the original's score, with terms beside it"
        once = scores_of(ranking_of(engine, "settee", Term("couch")))
        assert set(once) == {"d01", "d02"}
        twice = scores_of(ranking_of(engine, "settee", Term("couch"), Term("couch")))
        assert twice == pytest.approx({id: 2 * score for id, score in once.items()}, rel=1e-3), "a term, given twice"
        both = scores_of(ranking_of(engine, "couch", Term("couch", 2.0)))
        assert both == pytest.approx({id: 3 * score for id, score in once.items()}, rel=1e-3), (
            "the query's own word, as a term"
        )
        one, other = Term("couch", 0.5), Term("mat", 3.0)
        assert ids_of(engine, "lamp", one, other) == ids_of(engine, "lamp", other, one), "the terms' order"

    @needs("term_weights")
    def test_widen_rescues(self, open_backend: OpenBackend) -> None:
        """If this fails, check that with match=widen the terms stand beside the original, not inside what it must match."""
        with opened(open_backend, match="widen") as backend:
            assert ids_of(backend, "settee") == ()
            assert set(ids_of(backend, "settee", Term("couch", 0.5))) == {"d01", "d02"}
            assert set(ids_of(backend, "", Term("couch"))) == {"d01", "d02"}
            assert set(ids_of(backend, "lamp", Term("couch", 0.5))) == {"d01", "d02", "d07", "d08"}

    @needs("term_weights")
    def test_rerank_does_not_rescue(self, open_backend: OpenBackend) -> None:
        """If this fails, check that with match=rerank the original must match and the terms only add to its score."""
        with opened(open_backend, match="rerank") as backend:
            assert ids_of(backend, "settee", Term("couch")) == ()
            assert ids_of(backend, "", Term("couch")) == ()
            assert ids_of(backend, "lamp", Term("desk", 5.0), Term("couch", 5.0)) == ("d07", "d08")
            assert ids_of(backend, "lamp", Term("clip", 5.0), Term("couch", 5.0)) == ("d08", "d07")

    @needs("term_weights")
    def test_weight_zero_does_nothing(self, engine: Backend) -> None:
        """If this fails, check that terms of weight 0 are not sent: a clause of weight 0 still matches."""
        plain = ids_of(engine, "lamp")
        assert ids_of(engine, "lamp", Term("couch", 0.0)) == plain
        assert ids_of(engine, "lamp", Term("clip", 0.0, negate=True)) == plain, "a negated term of weight 0"
        assert ids_of(engine, "settee", Term("couch", 0.0)) == ()

    @needs("term_weights")
    @pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf, -math.inf])
    def test_weights_that_are_none(self, engine: Backend, weight: float) -> None:
        """If this fails, check weights before they are sent: not a number of 0 or more is a SearchError of kind "query"."""
        wrong = ExpandedQuery("q", "sofa", (Term("lamp", weight),))
        before, answer, after = answers_of(engine, [ExpandedQuery("q", "yoga"), wrong, ExpandedQuery("q", "yoga")], 10)
        assert isinstance(answer, SearchError), f"a term of weight {weight} was searched with"
        assert answer.kind == "query", (
            f"SearchError of kind '{answer.kind}': no retry helps, and the index is not wrong"
        )
        assert not isinstance(before, SearchError), f"the query before it failed as well: {before}"
        assert not isinstance(after, SearchError), f"the query after it failed as well: {after}"

    @needs("term_weights")
    def test_any_and_all(self, engine: Backend) -> None:
        """If this fails, check that match="all" requires every word of the term and "any" at least one."""
        assert set(ids_of(engine, "settee", Term("light road", match="any"))) == {"d03", "d07"}
        assert set(ids_of(engine, "settee", Term("light road", match="all"))) == {"d03"}
        assert set(ids_of(engine, "settee", Term("road light", match="all"))) == {"d03"}, "in any order"
        assert set(ids_of(engine, "settee", Term("lamp reading", match="all"))) == {"d07", "d08"}
        assert ids_of(engine, "settee", Term("lamp zzqx", match="all")) == ()
        assert ids_of(engine, "lamp", Term("light road", 9.0, match="all"))[0] == "d03"

    @needs("term_weights")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_negated_terms_exclude(self, open_backend: OpenBackend, match: str) -> None:
        """If this fails, check that negated terms become must_not clauses, of the whole query."""
        with opened(open_backend, match=match) as engine:
            assert ids_of(engine, "lamp", Term("clip", negate=True)) == ("d07",)
            assert ids_of(engine, "lamp", Term("clip", 0.1, negate=True)) == ("d07",), "whatever its weight"
            assert ids_of(engine, "lamp", Term("clip desk", negate=True)) == (), "a document with any of its words"
            assert set(ids_of(engine, "lamp", Term("light zzqx", match="all", negate=True))) == {"d07", "d08"}
            assert ids_of(engine, "lamp", Term("light zzqx", match="any", negate=True)) == ("d08",)
            assert ids_of(engine, "lamp", Term("light reading", match="all", negate=True)) == ("d08",)
            assert ids_of(engine, "settee", Term("clip", negate=True)) == ()
            two = ids_of(engine, EVERYTHING, Term("lamp", negate=True), Term("couch", negate=True))
            assert set(two) == ALL - {"d01", "d02", "d07", "d08"}, "two negated terms"
            rescued = ids_of(engine, "settee", Term("lamp"), Term("clip", negate=True))
            assert rescued == (("d07",) if match == "widen" else ()), "what other terms find"

    @needs("term_weights")
    def test_negated_terms_score_nothing(self, engine: Backend) -> None:
        """If this fails, check that a negated term leaves the scores of what it doesn't exclude as they are."""
        plain = scores_of(ranking_of(engine, "lamp sofa"))
        assert scores_of(ranking_of(engine, "lamp sofa", Term("clip", 9.0, negate=True))) == pytest.approx(
            {id: plain[id] for id in ("d01", "d07")}, rel=1e-4
        )

    @needs("term_weights")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_terms_before_the_cut(self, open_backend: OpenBackend, match: str) -> None:
        """If this fails, check that terms are part of the search, not a second look at its best k hits."""
        with opened(open_backend, match=match) as backend:
            for term in (Term("desk", 5.0), Term("clip", 5.0), Term("battery lumbar", 9.0), Term("clip", negate=True)):
                deep = ids_of(backend, "lamp chair sofa", term)
                for k in (1, 2):
                    assert ids_of(backend, "lamp chair sofa", term, k=k) == deep[:k], f"{term}, k={k}"

    @needs("term_weights")
    def test_many_terms(self, engine: Backend) -> None:
        """If this fails, check the engine's own limit of clauses: search.max_clauses (256) may be sent, and all of them count."""
        for count in (10, 30, 70, 130, 250):
            unknown = [Term(f"zzqx{number}") for number in range(count - 1)]
            assert ids_of(engine, "sofa", *unknown, Term("zzqx")) == ("d01",), f"{count} terms that nothing holds"
            found = ids_of(engine, "sofa", *unknown, Term("yoga", 9.0))
            assert found == ("d11", "d01"), f"{count} terms, of which the last finds d11"
            assert ids_of(engine, "lamp", *unknown, Term("clip", negate=True)) == ("d07",), (
                f"the last of {count} negated"
            )

    @needs("term_weights")
    def test_long_terms_keep_their_end(self, engine: Backend) -> None:
        """If this fails, check that a term of many words, or after a very long word, is searched with to its last one."""
        many = " ".join(f"zzqx{number}" for number in range(200))
        assert ids_of(engine, "settee", Term(f"{many} sofa")) == ("d01",), "200 unknown words, then 'sofa'"
        assert ids_of(engine, "settee", Term(f"{'q' * 3000} sofa")) == ("d01",), "a word of 3,000 letters, then 'sofa'"
        assert ids_of(engine, "settee", Term(f"{many} sofa", match="all")) == (), "all of its words"

    @needs("term_weights")
    @pytest.mark.parametrize("text", ["", " ", "the", "?!"])
    def test_terms_without_a_word_do_nothing(self, engine: Backend, text: str) -> None:
        """If this fails, check terms that the analysis leaves empty: they must neither match all nor exclude all."""
        plain = ids_of(engine, "lamp")
        for match in ("any", "all", "phrase") if "phrases" in engine.capabilities else ("any", "all"):
            assert ids_of(engine, "lamp", Term(text, match=match)) == plain, match
            assert ids_of(engine, "lamp", Term(text, match=match, negate=True)) == plain, f"{match}, negated"
            assert ids_of(engine, "settee", Term(text, match=match)) == (), match


class FieldCases:
    """Tests of terms in a field, and of phrases."""

    @needs("term_weights", "fields")
    def test_term_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that a term's field limits where it is searched."""
        assert ids_of(engine, "settee", Term("couch", field="title")) == ("d02",)
        assert ids_of(engine, "settee", Term("couch", field="text")) == ("d01",)
        assert ids_of(engine, "settee", Term("sofa leather", field="text")) == ()
        assert ids_of(engine, "settee", Term("leather sofa", field="title", match="all")) == ("d01",)
        assert ids_of(engine, "settee", Term("leather couch", field="title", match="all")) == ()
        both = ids_of(engine, "settee", Term("lamp", field="title"), Term("couch", 9.0, field="text"))
        assert both[0] == "d01"
        assert set(both) == {"d01", "d07", "d08"}, "each term keeps to its own field"

    @needs("term_weights", "fields")
    def test_negated_term_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that a negated term excludes only documents that hold it in its field."""
        assert ids_of(engine, "couch", Term("couch", field="title", negate=True)) == ("d01",)
        assert ids_of(engine, "couch", Term("couch", field="text", negate=True)) == ("d02",)

    @needs("term_weights", "fields")
    def test_weights_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that a weight multiplies a term's score in one field as in all."""
        one, four = (ranking_of(engine, "settee", Term("couch", w, field="title")).hits[0].score for w in (1.0, 4.0))
        assert four == pytest.approx(4 * one, rel=1e-3)

    @needs("term_weights", "fields")
    def test_unknown_field_is_no_exception(self, engine: Backend) -> None:
        """If this fails, check that a term in a field the index lacks ends as a SearchError or finds nothing."""
        for term in (Term("couch", field="no_such_field"), Term("couch", field="no_such_field", negate=True)):
            (answer,) = answers_of(engine, [ExpandedQuery("q", "settee", (term,))], 10)
            if isinstance(answer, SearchError):
                assert answer.kind != "transient", "no retry makes the field known: kind 'query'"
            else:
                assert answer.ids == (), "a term is not searched in other fields than its own"

    @needs("term_weights", "phrases")
    def test_phrase(self, engine: Backend) -> None:
        """If this fails, check that match="phrase" requires the words next to each other and in order."""
        assert ids_of(engine, "settee", Term("reading lamp", match="phrase")) == ("d08",)
        assert ids_of(engine, "settee", Term("lamp reading", match="phrase")) == (), "in this order"
        assert ids_of(engine, "settee", Term("reading clip", match="phrase")) == (), "next to each other"
        assert ids_of(engine, "settee", Term("reading zzqx", match="phrase")) == (), "all of them"
        assert set(ids_of(engine, "settee", Term("lamp", match="phrase"))) == {"d07", "d08"}
        assert ids_of(engine, "lamp", Term("reading lamp", 2.0, match="phrase"))[0] == "d08"
        assert ids_of(engine, "lamp", Term("reading lamp", match="phrase", negate=True)) == ("d07",)
        one, four = (
            ranking_of(engine, "settee", Term("reading lamp", w, match="phrase")).hits[0].score for w in (1.0, 4.0)
        )
        assert four == pytest.approx(4 * one, rel=1e-3), "its weight"

    @needs("term_weights", "phrases", "fields")
    def test_phrase_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that a phrase keeps to its field as well."""
        assert ids_of(engine, "settee", Term("reading lamp", field="title", match="phrase")) == ("d08",)
        assert ids_of(engine, "settee", Term("reading lamp", field="text", match="phrase")) == ()
        assert ids_of(engine, "settee", Term("warm light", field="text", match="phrase")) == ("d07",)
