"""The part of BackendContract about the user's text: case, signs, other alphabets, nothing to find, very long queries."""

from __future__ import annotations

import pytest

from leser.backend import Backend, ExpandedQuery, Filter, Term
from leser.contract.texts import INSIDE, SIGNED
from leser.engine import SearchClient
from leser.testing.asking import OpenBackend, ids_of, needs, ranked, ranking_of, scores_of

SOFA, LAMPS = {"d01"}, {"d07", "d08"}


class WordCases:
    """Tests that a text is its words and nothing else."""

    @pytest.mark.parametrize("text", ["", "   ", "\t\n", "the of", "?!", "settee", "zzqx zzqy", "zofa sof"])
    def test_nothing_to_find(self, engine: Backend, text: str) -> None:
        """If this fails, check that a text without a known word finds nothing: neither an error nor everything."""
        assert ids_of(engine, text, k=10) == ()

    def test_case_and_punctuation_do_not_matter(self, engine: Backend) -> None:
        """If this fails, check that the user's text is analysed as the field it is searched in: LEATHER, finds Leather."""
        assert ids_of(engine, "LEATHER, sofa!", k=1) == ("d01",)
        for text in ("LEATHER", "leather", "Leather.", "(leather)", "  leather  "):
            assert ids_of(engine, text) == ("d01",), text

    def test_text_beyond_ascii(self, engine: Backend) -> None:
        """If this fails, check the encoding between Python and the engine, and that capitals beyond ASCII are letters."""
        for text in ("café zürich", "café", "Zürich", "CAFÉ", "ZÜRICH", "日本語 café", "\U0001f6cb zürich"):
            assert ids_of(engine, text, k=10) == ("d12",), text
        for text in ("日本語", "ไทย", "العربية", "\U0001f6cb\ufe0f", "\ufffd"):
            assert ids_of(engine, text, k=10) == (), text

    def test_half_a_character(self, open_backend: OpenBackend) -> None:
        """If this fails, check U+FFFD, which LESER's client sends in place of half a character (a lone surrogate)."""
        with SearchClient(open_backend()) as client:
            for answer in client.search([ExpandedQuery("1", "sofa \ud83d"), ExpandedQuery("2", "\udc00 sofa")], 10):
                assert ranked(answer).ids == ("d01",)

    def test_signs_are_no_syntax(self, engine: Backend) -> None:
        """If this fails, check that quotes, AND, NOT, -, +, * or : of an everyday query are not read as query syntax."""
        for pattern in SIGNED:
            text = pattern.format("sofa", "lamp")
            assert set(ids_of(engine, text)) == SOFA | LAMPS, f"{text!r} finds what 'sofa lamp' finds"

    def test_signs_inside_words_are_no_syntax(self, engine: Backend) -> None:
        """If this fails, check that ^, ~ or : within a query's word neither weigh it nor name a field."""
        weighed = scores_of(ranking_of(engine, "sofa 9 lamp"))
        for pattern in INSIDE:
            text = pattern.format("sofa", "lamp")
            found = scores_of(ranking_of(engine, text))
            assert LAMPS <= set(found) <= SOFA | LAMPS, f"{text!r} finds {sorted(found)}"
            for id, score in found.items():
                assert score == pytest.approx(weighed[id], rel=1e-3), f"{text!r} scores {id} as 'sofa lamp' does"

    def test_long_queries_keep_their_end(self, engine: Backend) -> None:
        """If this fails, check the engine's own limits: 250 words, or one word of 3,000 letters, may stand before the last."""
        many = " ".join(f"zzqx{number}" for number in range(250))
        assert ids_of(engine, f"{many} sofa") == ("d01",), "250 unknown words, then 'sofa'"
        assert ids_of(engine, f"{'q' * 3000} sofa") == ("d01",), "a word of 3,000 letters, then 'sofa'"
        assert ids_of(engine, "sofa " * 100) == ("d01",), "'sofa', a hundred times"


class SignCases:
    """Tests that the texts of terms, phrases and filters are data as well."""

    @needs("term_weights")
    def test_signs_in_terms_are_no_syntax(self, engine: Backend) -> None:
        """If this fails, check that a term's text is treated as the query's own: its words, whatever signs stand at them."""
        for pattern in SIGNED:
            text = pattern.format("sofa", "lamp")
            assert set(ids_of(engine, "settee", Term(text))) == SOFA | LAMPS, f"the term {text!r}"

    @needs("phrases")
    def test_signs_in_phrases_are_no_syntax(self, engine: Backend) -> None:
        """If this fails, check that a phrase is quoted by the engine's own means: quotes and backslashes in it are signs."""
        for text in ('"reading" lamp', 'reading "lamp', "reading lamp\\", "(reading lamp)", "Reading, lamp!"):
            found = set(ids_of(engine, "settee", Term(text, match="phrase")))
            assert found == {"d08"}, f"the phrase {text!r}"

    @needs("filters")
    def test_signs_in_filters_are_no_syntax(self, engine: Backend) -> None:
        """If this fails, check that a filter's value is compared as it is: every sign in it counts."""
        for value in (
            'Nordhem"',
            "Nordhem*",
            "Nord*",
            "(Nordhem)",
            "Nordhem OR Lumo",
            " Nordhem",
            "nordhem",
            "Nordhem\\",
        ):
            found = ids_of(engine, "sofa", filters=(Filter("brand", "eq", value),))
            assert found == (), f"brand eq {value!r}, which no document has"
