"""Plugin files: Python files given with --plugin, loaded as modules, each with the modules beside it in reach."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from leser.errors import LeserError

_FOLDERS: dict[Path, None] = {}
"""Folders that plugin files were loaded from in this process."""


def named_files(files: Iterable[str | Path]) -> dict[Path, str]:
    """The files, each once, and the module name of each: of two with one base name the second gets a number."""
    names: dict[Path, str] = {}
    for path in dict.fromkeys(Path(file).resolve() for file in files):
        wanted = name = f"leser_plugin_{path.stem}"
        number = 1
        while name in names.values():
            number += 1
            name = f"{wanted}_{number}"
        names[path] = name
    return names


def load_file(path: Path, name: str) -> ModuleType:
    """The file as a module of this name; raises LeserError where it is missing or fails, whatever it raises."""
    spec = spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise LeserError(f"No plugin at {path}. --plugin takes a Python file (.py) that defines LESER hooks.")
    module = module_from_spec(spec)
    sys.modules[name] = module  # pydantic and dataclasses look annotations up there
    try:
        with _beside(path.parent):
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may end the process, too
        raise LeserError(f"The plugin {path} cannot be loaded: {cause_of(error)}") from error
    return module


def cause_of(error: BaseException) -> str:
    """What a plugin raised, in words."""
    if isinstance(error, LeserError):
        return str(error)
    if isinstance(error, SystemExit):
        said = f" with {error.code!r}" if error.code is not None else ""
        return f"it ends the process{said} (sys.exit). A plugin must not do that when it is imported"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Modules in this folder can be imported: before all others while its plugin is loaded, after all others from then on.

    A module of another plugin's folder that has the same name as one here is set aside meanwhile, so that both plugins get
    their own, if they import it at the top of their file.
    """
    others = {str(other) for other in _FOLDERS if other != folder}
    held = {path.stem if path.suffix == ".py" else path.name for path in folder.iterdir()}
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in held}
    aside = {name: module for name, module in own.items() if _lies_in(module, others)}
    for name in aside:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if folder not in _FOLDERS or str(folder) not in sys.path:
            sys.path.append(str(folder))
        _FOLDERS[folder] = None
        sys.modules.update(aside)


def _lies_in(module: ModuleType, folders: Set[str]) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and not folders.isdisjoint(map(str, Path(file).parents))
