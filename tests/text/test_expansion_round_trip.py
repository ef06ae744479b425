"""What is rendered reads as what it was, whatever signs an expansion holds."""

from __future__ import annotations

import pytest

from leser.expansion import Expansion, ExpansionOptions, Parsed, parse, render

OPTIONS = ExpansionOptions()


@pytest.mark.parametrize(
    ("expansion", "written"),
    [
        (Expansion("a^b"), "a^b ^1"),
        (Expansion("a^2"), "a^2 ^1"),
        (Expansion("10^", 0.5), "10^ ^0.5"),
        (Expansion("x ^ y", 2.0), "x ^ y ^2"),
        (Expansion("sofa"), "sofa"),
        (Expansion("sofa", 0.5), "sofa ^0.5"),
        (Expansion("sofa", 0.1234567891234), "sofa ^0.1234567891234"),
        (Expansion("sofa", 1.0000001), "sofa ^1.0000001"),
        (Expansion("sofa", 1 / 3), "sofa ^0.3333333333333333"),
        (Expansion("sofa", 1e-9), "sofa ^1e-09"),
    ],
)
def test_an_expansion_can_be_said_again(expansion: Expansion, written: str) -> None:
    assert render([expansion]) == written
    read = parse(f"couch; {written}", OPTIONS)
    assert isinstance(read, Parsed)
    assert read.expansions == (Expansion("couch"), expansion)


def test_what_was_read_with_a_circumflex_reads_the_same_again() -> None:
    read = parse("a^b ^1; 10^ ^0.25", OPTIONS)
    assert isinstance(read, Parsed)
    assert parse(render(read.expansions), OPTIONS) == read == Parsed((Expansion("a^b"), Expansion("10^", 0.25)))
