"""Patterns: regular expressions that cannot hang the process.

They run in RE2, whose time grows linearly with the text whatever the pattern says. A time limit on a backtracking engine
would do for safety, but then a busy machine would judge a completion otherwise than an idle one, and no training could be
repeated. What RE2 does not have (backreferences, look-around) is refused when the pattern is read. Each pattern is compiled
alone: RE2's set of patterns stops looking when it runs out of memory, a single pattern never does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import re2  # type: ignore[import-untyped]

from leser.errors import LeserError
from leser.folding import Folded, FoldTable

MOST_CHARACTERS = 1000
_MEANS_MARKS = re.compile(r"[^\x00-\x7f]|\\[pPx]")
"""What only a pattern holds that asks for letters beyond ASCII."""
_ABSOLUTE = re.compile(r"\\[AzQ]|\(\?[a-zA-Z]*-|\\n")
"""What a pattern holds that may mean another thing in a text of several lines than in each: its very ends, flags off."""


class Patterns:
    """Compiled patterns, looked for anywhere in a folded text: lower case, look-alikes resolved.

    A pattern that holds letters beyond ASCII is also looked for in the text as it is written, and with look-alikes resolved
    but these letters and those of the locale (`letters`) kept. "ß" is "ss" on both sides.
    """

    def __init__(self, patterns: Sequence[str], rule: str, letters: Collection[str] = ()) -> None:
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        self._compiled: list[tuple[str, Any]] = []
        for pattern in patterns:
            if len(pattern) > MOST_CHARACTERS:
                raise LeserError(
                    f"The pattern '{pattern[:40]}…' of the rule '{rule}' has {len(pattern)} characters, "
                    f"at most {MOST_CHARACTERS} are read. Write several."
                )
            try:
                self._compiled.append((pattern, re2.compile(_folded(pattern), options)))
            except re2.error as error:
                reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
                raise LeserError(
                    f"Cannot read the pattern '{pattern}' of the rule '{rule}': {reason}. Patterns are RE2's: "
                    "no backreferences and no look-around."
                ) from None
        self._marked = frozenset(pattern for pattern in patterns if _MEANS_MARKS.search(pattern))
        own = {ch.casefold() for pattern in self._marked for ch in _folded(pattern) if not ch.isascii()}
        self._table = FoldTable(frozenset(own | set(letters)))
        self._any = self._joined(options)
        self._of_lines = None if any(_ABSOLUTE.search(pattern) for pattern in patterns) else self._any

    def _joined(self, options: Any) -> Any | None:
        """All patterns as one, which nearly every text is free of; None where they are too many for one."""
        if not self._compiled or any(r"\Q" in pattern for pattern, _ in self._compiled):  # \Q would quote the next too
            return None
        try:
            return re2.compile("(?m)" + "|".join(f"(?:{_folded(pattern)})" for pattern, _ in self._compiled), options)
        except re2.error:
            return None

    def suspects(self, texts: Iterable[Folded]) -> bool:
        """False only when `find` finds nothing in any of these texts; one look at all of them, each a line of its own."""
        if self._of_lines is None:
            return bool(self._compiled)
        lines = {line for folded in texts for line in self._lines(folded, marked=bool(self._marked))}
        return self._of_lines.search("\n".join(lines)) is not None

    def _lines(self, folded: Folded, *, marked: bool) -> set[str]:
        """The text as it is compared: without its marks, or as it was written as well."""
        lines = {folded.text, *(reading.strip() for reading in folded.readings)}
        return lines | {folded.written, folded.written.translate(self._table)} if marked else lines

    def find(self, folded: Folded) -> str | None:
        """The first pattern found in the text as it was written or in one of its readings."""
        texts = self._lines(folded, marked=False)
        marked = self._lines(folded, marked=True) if self._marked else set()
        if self._any is not None and not any(self._any.search(text) for text in texts | marked):
            return None
        for pattern, compiled in self._compiled:
            if any(map(compiled.search, marked if pattern in self._marked else texts)):
                return pattern
        return None


def _folded(pattern: str) -> str:
    """The pattern composed, with "ss" for "ß", which every folded text has; not in a class, where it is one character."""
    out: list[str] = []
    in_class = False
    sharp = "ss" if r"\Q" in pattern else "(?:ss)"
    for part in re.findall(r"\\.|.", unicodedata.normalize("NFC", pattern), re.DOTALL):
        if part == "[" or part == "]":
            in_class = part == "["
        out.append(sharp if part in "ßẞ" and not in_class else part)
    return "".join(out)
