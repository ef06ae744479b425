"""Kit: what the kits for rules, baselines and readers share. A test of a kit is dropped with a reason, or not at all."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pydantic import BaseModel

from leser.errors import LeserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What a table of a configuration and a command line can name without quotes."""


class Kit:
    """Base of the kits. A class that inherits a kit may override its fixtures, and a test only with a reason."""

    _kit: ClassVar[bool] = True
    _overridden: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, kit: bool = False, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls._kit = kit
        if kit:
            return
        tests = {
            name for base in cls.__mro__ if vars(base).get("_kit") for name in vars(base) if name.startswith("test_")
        }
        dropped = tuple(name for name in vars(cls) if name in tests and not _has_reason(vars(cls)[name]))
        cls._overridden = (*cls._overridden, *dropped)

    def test_no_overrides(self) -> None:
        """If this fails, check that your class overrides no test of the kit, or gives `pytest.mark.xfail(reason=...)`."""
        assert self._overridden == (), f"overridden or deleted without a reason: {', '.join(self._overridden)}"


def check_declared(plugin: type[Any], options: type[BaseModel]) -> None:
    """Assert what every class of a plugin declares: a name, the api version, a docstring, and a model of its options."""
    name = getattr(plugin, "name", None)
    assert isinstance(name, str), f"{plugin.__qualname__} has no class attribute `name`"
    assert NAME.fullmatch(name), f"the name '{name}' needs quotes in a configuration: use letters, digits, - and _"
    assert plugin.api == 1, "the version of the plugin API this LESER speaks is 1"
    # an abstract base's docstring would be inherited by inspect.getdoc
    assert (plugin.__doc__ or "").strip(), (
        f"{plugin.__qualname__} has no docstring; `leser plugins` shows its first line"
    )
    assert isinstance(plugin.Options, type), f"{plugin.__qualname__}.Options must be a class"
    assert issubclass(plugin.Options, options), f"{plugin.__qualname__}.Options must inherit {options.__qualname__}"


def check_message(error: LeserError, *names: str) -> None:
    """Assert that an error says something to its reader, and names one of `names` where there are any."""
    said = str(error)
    assert len(said) > 20, f"say what is wrong and what to do: {said!r}"
    assert not names or any(name in said for name in names), f"the message names none of {', '.join(names)}: {said}"


def _has_reason(test: object) -> bool:
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in getattr(test, "pytestmark", []))
