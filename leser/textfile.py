"""Text files that people write: configurations, profiles, templates, lists, tables, saved by whatever editor they have.

Windows' editors begin UTF-8 with a byte order mark, and its shells and spreadsheets write UTF-16. Both say so in their first
bytes; anything else is UTF-8. Nothing is guessed from the letters: a file in Latin-1 is an error.
"""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(start: bytes) -> str:
    """The encoding that a file's first four bytes tell: by a mark, or of UTF-16 without one by the zeros of ASCII letters."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in start[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else "utf-8"


def decoded(data: bytes, *, whole: bool = True) -> str:
    """A file's bytes as text, without a mark, line ends as they are; of a part (not `whole`) the last may be half a letter.

    Raises UnicodeDecodeError.
    """
    return codecs.getincrementaldecoder(encoding_of(data[:4]))().decode(data, final=whole)


def read_text(path: Path) -> str:
    """A file's text with "\\n" at every line's end. Raises OSError and UnicodeDecodeError."""
    text = decoded(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n\ufeff", "\n")  # the mark of a second file that was joined to the first
