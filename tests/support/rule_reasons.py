"""What one rule says against expansions, in words, and an engine that does not analyse."""

from __future__ import annotations

from leser_memory import MemoryBackend
from rule_cases import book_of, checked


def reason(tables, query: str, *texts: str, locale: str | None = None, **expansion) -> str | None:
    """The violation in words, of one rule by itself; None where there is none."""
    broken = checked(book_of(tables, locale=locale, **expansion), query, *texts)
    return str(broken) if broken else None


class Mute(MemoryBackend):
    """An engine that tells nothing about its terms."""

    capabilities = MemoryBackend.capabilities - {"analyze", "doc_freq"}
