"""Solr servers: the real one, started by a few lines of Java (solr_home/Server.java) on the jars that Maven brings."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import quote

from servers import fetch
from servers.server import Server, free_port

USER, PASSWORD = "solr", "leser-tests"
SALT = b"leser-test-salt-"
HERE = Path(__file__).parent / "solr_home"
CONFIGSET = "leser"


def start_solr(
    folder: Path,
    *,
    secure: bool = False,
    cloud: bool = False,
    querqy: bool = False,
    quick: bool = True,
    owner: int | None = None,
) -> Server:
    """Start a Solr of its own, without cores; `with` stops it and removes its folder.

    `secure`: basic auth by Solr's own security.json. `cloud`: SolrCloud, with ZooKeeper inside. `querqy`: its plugin is on
    the class path, for cores that name it. `quick` halves what starting costs and slows searching; not for measuring.
    `owner`: the process with which it ends, by default this one. Raises fetch.Unavailable where there is no JDK.
    """
    java = fetch.jdk(17)
    if java is None:
        raise fetch.Unavailable("No JDK 17 or newer at JAVA_HOME or on the path; Solr needs one.")
    jars = fetch.solr()
    folder = folder / "solr"
    home = folder / "home"
    configset = home / "configsets" / CONFIGSET / "conf"
    shutil.copytree(HERE / "configset", configset)
    shutil.copy(HERE / "solr.xml", home)
    port = free_port()
    flags = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] if quick else []
    if secure:
        (home / "security.json").write_text(json.dumps(_security()))
    if cloud:
        (home / "zoo.cfg").write_text(f"tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort={free_port()}\n")
        # ZooKeeper's own admin server would take port 8080, and Solr go down where that is taken
        flags += ["-DzkRun", "-Dzookeeper.admin.enableServer=false", f"-Dsolr.default.confdir={configset}"]
    server = Server(
        url=f"http://127.0.0.1:{port}/solr",
        version=fetch.SOLR,
        user=USER if secure else None,
        password=PASSWORD if secure else None,
        folder=folder,
        probe="/admin/info/system",
        command=[
            str(java / "bin" / "java"), "-Xmx512m", "-Dorg.apache.logging.log4j.level=WARN", *flags,
            "-cp", f"{jars}/*{f':{fetch.querqy()}/*' if querqy else ''}", str(HERE / "Server.java"), str(home), str(port),
        ],
    )  # fmt: skip
    server.save()
    return server.start(owner)


def create_core(server: Server, name: str) -> str:
    """An empty core with a managed schema that is its own; returns its URL.

    Cores that share a configset share its schema, so this one gets a copy of it.
    """
    assert server.folder is not None
    sets = server.folder / "home" / "configsets"
    shutil.copytree(HERE / "configset", sets / name / "conf")
    server.get(f"/admin/cores?action=CREATE&name={quote(name)}&configSet={quote(name)}")
    return f"{server.url}/{name}"


def _security() -> dict[str, object]:
    """Solr's own format: base64(sha256(sha256(salt + password))), a space, base64(salt)."""
    digest = hashlib.sha256(hashlib.sha256(SALT + PASSWORD.encode()).digest()).digest()
    stored = f"{base64.b64encode(digest).decode()} {base64.b64encode(SALT).decode()}"
    return {
        "authentication": {"class": "solr.BasicAuthPlugin", "blockUnknown": True, "credentials": {USER: stored}},
    }
