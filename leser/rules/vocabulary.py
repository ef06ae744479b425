"""Only words that can find something: those the index holds, or those of a vocabulary file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from leser.errors import LeserError
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.lexicon import read_list

_NEEDED = frozenset({"analyze", "doc_freq"})


class Vocabulary(Rule):
    """Every word of an expansion stands in the index, or in a vocabulary file; words of the query always may stand."""

    name = "vocabulary"

    class Options(RuleOptions):
        """Where the words are known from."""

        file: Path | None = Field(
            None,
            description="file of the words that are allowed, one or more per line; default: the words of the index",
        )
        least: int = Field(1, ge=1, description="fewest documents of the index that must hold a word")
        field: str | None = Field(None, description="field of the index; default: those the backend searches")

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        self._words: dict[bool, frozenset[str]] | None = None
        if options.file is not None:
            both = [site.folder.both(line) for line in read_list(options.file, self.name)]
            self._words = {
                strict: frozenset(w for pair in both for w in pair[strict].words) for strict in (False, True)
            }
            if not self._words[False]:
                raise LeserError(f"The vocabulary {options.file} of [rules.vocabulary] holds no word.")
        elif missing := _NEEDED - site.words.capabilities:
            raise LeserError(
                f"[rules.vocabulary] asks the index, but the backend '{site.words.backend.name}' does not offer "
                f"{' and '.join(sorted(missing))}. Give the rule a `file` of words."
            )

    def sentence(self) -> str | None:
        """Says why."""
        return "Use only words that stand in the catalogue."

    def check(self, proposal: Proposal) -> Violation | None:
        """By the file's words, folded; or by the engine's index terms."""
        return self._by_index(proposal) if self._words is None else self._by_file(proposal, self._words)

    def _by_file(self, proposal: Proposal, known: dict[bool, frozenset[str]]) -> Violation | None:
        asked = {*proposal.asked.words, *self.site.folder.both(proposal.query)[1].words}
        for at, folded in enumerate(proposal.folded):
            unknown = next((w for w in folded.words if w not in known[folded.strict] and w not in asked), None)
            if unknown is not None:
                return Violation(self.name, f"'{unknown}' is not in the vocabulary", at)
            if not folded.words:
                return Violation(self.name, f"'{proposal.expansions[at].text}' holds no word", at)
        return None

    def _by_index(self, proposal: Proposal) -> Violation | None:
        asked, *said = proposal.terms
        known = set(asked)
        new = [term for term in dict.fromkeys(term for terms in said for term in terms) if term not in known]
        counts = dict(zip(new, self.site.words.doc_freq(new, self.options.field), strict=True))  # all in one request
        for at, terms in enumerate(said):
            if not terms:
                return Violation(self.name, f"'{proposal.expansions[at].text}' holds no word that is indexed", at)
            rare = next((term for term in terms if counts.get(term, self.options.least) < self.options.least), None)
            if rare is not None:
                return Violation(self.name, f"'{rare}' stands in {counts[rare]} documents of the index", at)
        return None
