"""One large JSON document with the line of each of its parts, so that an error in it names where it is."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leser.characters import well_formed
from leser.errors import LeserError
from leser.formats.files import bad_line, numbered_lines

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


class JsonPlaces:
    """A JSON file's text; `start` is a place in it where a value begins. Raises LeserError where it is not valid JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines: list[str] = []
        for number, line in numbered_lines(path):
            lines += [""] * (number - 1 - len(lines)) + [line]
        self.text = "\n".join(lines)
        self._ends = [found.start() for found in re.finditer("\n", self.text)]
        try:
            _DECODER.decode(self.text)
        except json.JSONDecodeError as error:
            raise bad_line(path, error.lineno, f"not valid JSON: {error.msg} at column {error.colno}") from None
        except (ValueError, RecursionError) as error:
            raise LeserError(f"{path} is not readable as JSON: {error}.") from None
        self.start = self._blank(0)

    def line(self, start: int) -> int:
        """The number of the line that holds this place, from 1."""
        return bisect_right(self._ends, start - 1) + 1

    def value(self, start: int) -> Any:
        """The value that begins here."""
        return well_formed(_DECODER.raw_decode(self.text, start)[0])

    def items(self, start: int) -> Iterator[int]:
        """Where each item of the list that begins here begins; nothing for what is not a list."""
        if self.text[start : start + 1] != "[":
            return
        at = self._blank(start + 1)
        while self.text[at] != "]":
            yield at
            at = self._after(at)

    def fields(self, start: int) -> dict[str, int]:
        """Where the value of each key of the object that begins here begins; empty for what is not an object."""
        found: dict[str, int] = {}
        if self.text[start : start + 1] != "{":
            return found
        at = self._blank(start + 1)
        while self.text[at] != "}":
            key, end = _DECODER.raw_decode(self.text, at)
            at = self._blank(self._blank(end) + 1)  # after the colon
            found[key] = at
            at = self._after(at)
        return found

    def _after(self, at: int) -> int:
        """Where the next item, or the bracket at the end, begins after the value that begins here."""
        at = self._blank(_DECODER.raw_decode(self.text, at)[1])
        return self._blank(at + 1) if self.text[at] == "," else at

    def _blank(self, at: int) -> int:
        match = _BLANK.match(self.text, at)
        return match.end() if match else at
