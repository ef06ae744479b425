"""Templates into pages: everything printed is escaped, and text from outside is first made fit to be shown."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from leser.printable import printable
from leser.report import numbers

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """A template of this folder as a page; a name it lacks is an error."""
    return _environment().get_template(template).render(**values)


def quoted(text: str) -> Markup:
    """Text from outside, set apart so that its direction of writing cannot disturb what stands around it."""
    return Markup("<bdi>{}</bdi>").format(printable(text))


@cache
def _environment() -> Environment:

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_cleaned,
    )
    writers = (
        numbers.fixed,
        numbers.signed,
        numbers.percent,
        numbers.probability,
        numbers.duration,
        numbers.moment,
        quoted,
    )
    environment.filters.update({write.__name__: write for write in writers})
    return environment


def _cleaned(value: Any) -> Any:
    return printable(value) if type(value) is str else value
