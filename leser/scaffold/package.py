"""Package: what `leser new` writes for one plugin. Names are checked, files rendered, and nothing is overwritten.

The templates are packages that install and pass their kit as they are, so that an author changes what works.
"""

from __future__ import annotations

import keyword
import os
import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leser.errors import LeserError, unknown_name

if TYPE_CHECKING:
    from jinja2 import Environment

    from leser.plugins import Registry

KINDS = ("backend", "reward", "rule", "baseline", "reader", "store", "rollout")
LONGEST_NAME = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_REWARD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Package:
    """The names that a plugin's package has, all made from the plugin's own."""

    kind: str
    name: str
    distribution: str
    module: str
    cls: str

    @classmethod
    def of(cls, kind: str, name: str) -> Package:
        """The package of a plugin; raises LeserError for a kind that does not exist and a name that is not valid."""
        if kind not in KINDS:
            raise unknown_name("kind of plugin", kind, KINDS)
        _check_name(kind, name)
        parts = re.split(r"[-_]", name)
        return cls(
            kind,
            name,
            distribution=f"leser-{'-'.join(parts)}",
            module=f"leser_{'_'.join(parts)}",
            # the kind at its end keeps the class apart from what the module imports: Rule, Backend, None
            cls="".join(part.capitalize() for part in parts) + kind.capitalize(),
        )

    def files(self) -> dict[str, str]:
        """The text of every file of the package, by its path in the folder."""
        templates = {
            "pyproject.toml": "pyproject.toml.j2",
            "README.md": f"{self.kind}/README.md.j2",
            f"{self.module}.py": f"{self.kind}/module.py.j2",
            f"tests/test_{self.module}.py": f"{self.kind}/test.py.j2",
        }
        names = asdict(self)
        return {path: _environment().get_template(template).render(names) for path, template in templates.items()}


def write_package(kind: str, name: str, registry: Registry, out: Path | None = None) -> Path:
    """Write a plugin's package into `out` (default: a folder named after it, here) and return the folder.

    `registry` knows which names are taken. Raises LeserError for a kind or a name that cannot be used, for a folder that
    holds something, and where nothing can be written.
    """
    package = Package.of(kind, name)
    _check_free(package, registry)
    folder = out if out is not None else Path(package.distribution)
    files = package.files()
    try:
        if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
            raise LeserError(f"{folder} is there already and is left alone. Name another folder with --out.")
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise LeserError(
            f"The package cannot be written to {folder}: {error.strerror}. Name another folder with --out."
        ) from error
    return folder


def _check_name(kind: str, name: str) -> None:
    reward = kind == "reward"
    if not (_REWARD if reward else _NAME).fullmatch(name) or len(name) > LONGEST_NAME:
        signs = "_ (rewards have no hyphen: '@' and '(' follow their name)" if reward else "- or _"
        example = "in_stock" if reward else "my-shop"
        raise LeserError(
            f"The name '{name[:60]}' is not valid: a {kind} is named with at most {LONGEST_NAME} small letters a to z and "
            f"digits, the first a letter, and single {signs} between words. For example: {example}."
        )
    if reward and keyword.iskeyword(name):
        raise LeserError(
            f"The name '{name}' is not valid: it is a word of Python, which no reward is named by. Add a word."
        )


def _check_free(package: Package, registry: Registry) -> None:
    taken = next((o for o in registry.offers() if (o.kind, o.name) == (package.kind, package.name)), None)
    if taken is not None:
        raise LeserError(
            f"The {package.kind} '{package.name}' is offered by {taken.origin} already. Choose another name, or uninstall it."
        )
    if find_spec(package.module) is not None:
        raise LeserError(
            f"The Python module {package.module} is installed already, and the package would have the same. Choose another name."
        )


@cache
def _environment() -> Environment:

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python and TOML, not HTML; the names in them are checked
    )
