"""Elasticsearch servers: the distribution that Elastic publishes for integration tests, one node each.

It lacks the modules rest-root (`GET /` answers 405) and analysis-common (no `english`, no stemmers).
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from servers import fetch
from servers.server import Server, ServerFailed, free_port

USER, PASSWORD = "elastic", "leser-tests"
GUEST, GUEST_PASSWORD = "guest", "guest-tests"
GUEST_HASH = "$2a$10$abcdefghijklmnopqrstuuGxBUpmo0EhD5/dSW.n1PbSs9tmK.brm"
"""bcrypt of GUEST_PASSWORD: a second user, in a file, whom `guest_revoked` removes while the server runs."""
QUICK = "-XX:TieredStopAtLevel=1"
"""One compiler, the fast one: half the processor time of a start, slower searches later."""


def start_elasticsearch(
    folder: Path,
    version: str = "8",
    *,
    secure: bool = False,
    synonyms: bool = False,
    quick: bool = True,
    owner: int | None = None,
) -> Server:
    """Start an Elasticsearch of its own; `with` stops it and removes its folder.

    `version` is the major one, 8 or 9. `secure`: basic auth (`elastic`, and `guest`) and TLS with a CA of its own.
    `synonyms`: with the filter `synonym_graph`. `quick` halves what starting costs and slows searching; not for measuring.
    `owner`: the process with which it ends, by default this one. Elasticsearch refuses to run as root, so root starts it as
    nobody; where nobody can't enter `folder`, one in the system's temporary folder takes its place.
    """
    release = fetch.ELASTICSEARCH[version]
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0 and not fetch.open_to_all(folder):
        folder = Path(tempfile.mkdtemp(prefix="leser-elasticsearch-"))
        folder.chmod(0o755)
    else:
        folder /= "elasticsearch"
        folder.mkdir()
    distribution = fetch.elasticsearch_with_synonyms(release) if synonyms else fetch.elasticsearch(release)
    home, java = _reachable(distribution, folder / "home"), _java(version, folder)
    config = folder / "config"
    shutil.copytree(home / "config", config)
    _trim_jvm_options(config / "jvm.options", whole_jdk=(java / "jmods").exists())
    server = Server(
        url=f"{'https' if secure else 'http'}://127.0.0.1:{free_port()}",
        version=release,
        user=USER if secure else None,
        password=PASSWORD if secure else None,
        ca_file=folder / "ca.pem" if secure else None,
        folder=folder,
        probe="/_cluster/health?wait_for_status=yellow&timeout=1s",
        command=[*_as_nobody(), str(home / "bin" / "elasticsearch")],
        environment=_environment(folder, java, quick),
    )
    (config / "elasticsearch.yml").write_text(_settings(folder, server.port, secure, merges_held=version == "8"))
    for name in ("data", "logs", "tmp"):
        (folder / name).mkdir()
    if secure:
        _make_certificates(config, folder / "ca.pem")
        (config / "users").write_text(f"{GUEST}:{GUEST_HASH}\n")
        (config / "users_roles").write_text(f"superuser:{GUEST}\n")
    _give_to_nobody(folder)
    if secure:
        _set_password(server, home)
    server.save()
    return server.start(owner)


@contextmanager
def guest_revoked(server: Server) -> Iterator[None]:
    """Take the credentials of `guest` away from a running server, which notices within seconds, and give them back."""
    assert server.folder is not None
    users = server.folder / "config" / "users"
    users.write_text("")
    try:
        yield
    finally:
        users.write_text(f"{GUEST}:{GUEST_HASH}\n")


def _trim_jvm_options(options: Path, *, whole_jdk: bool) -> None:
    """Drop the log of garbage collections, whose folder is not nobody's to write, and a module that the wheel lacks."""
    dropped = ("-Xlog:gc", *(() if whole_jdk else ("--add-modules=jdk.incubator.vector",)))
    lines = options.read_text().splitlines(keepends=True)
    options.write_text("".join(line for line in lines if not any(option in line for option in dropped)))


def _settings(folder: Path, port: int, secure: bool, *, merges_held: bool) -> str:
    """`merges_held`: this version holds merges back while the disk is nearly full, which is not what tests are about."""
    lines = [
        "discovery.type: single-node",
        f"http.port: {port}",
        f"path.data: {folder / 'data'}",
        f"path.logs: {folder / 'logs'}",
        "cluster.routing.allocation.disk.threshold_enabled: false",
        f"xpack.security.enabled: {str(secure).lower()}",
        *(["indices.merge.disk.check_interval: 0"] if merges_held else []),
    ]
    if secure:
        lines += [
            "xpack.security.http.ssl.enabled: true",
            "xpack.security.http.ssl.key: server.key",
            "xpack.security.http.ssl.certificate: server.pem",
            "resource.reload.interval.high: 1s",
            "resource.reload.interval.medium: 1s",
            "resource.reload.interval.low: 1s",
        ]
    return "\n".join(lines) + "\n"


def _environment(folder: Path, java: Path, quick: bool) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "ES_JAVA_HOME": str(java),
        "ES_PATH_CONF": str(folder / "config"),
        "ES_TMPDIR": str(folder / "tmp"),
        "ES_JAVA_OPTS": f"-Xms512m -Xmx512m {QUICK if quick else ''}",
        "CLI_JAVA_OPTS": QUICK,
    }


def _java(version: str, folder: Path) -> Path:
    system = fetch.jdk(21 if version == "9" else 17)
    if system and version == "8" and (os.geteuid() != 0 or fetch.open_to_all(system)):
        return system
    return _reachable(fetch.runtime(), folder / "java")


def _reachable(source: Path, copy: Path) -> Path:
    """The folder itself, or a copy of it where nobody, as whom root starts the server, could not enter it."""
    return source if os.geteuid() != 0 or fetch.open_to_all(source) else fetch.copied(source, copy)


def _as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


def _give_to_nobody(folder: Path) -> None:
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    for name in ("config", "data", "logs", "tmp"):
        for path in (folder / name, *(folder / name).rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _make_certificates(config: Path, ca_file: Path) -> None:
    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    ca.cert_pem.write_to_path(str(ca_file))
    server.private_key_pem.write_to_path(str(config / "server.key"))
    for number, pem in enumerate(server.cert_chain_pems):
        pem.write_to_path(str(config / "server.pem"), append=number > 0)


def _set_password(server: Server, home: Path) -> None:
    """The first password of `elastic`, in the server's keystore."""
    command = [*_as_nobody(), str(home / "bin" / "elasticsearch-keystore"), "add", "-x", "-f", "bootstrap.password"]
    environment = {**os.environ, **server.environment}
    done = subprocess.run(command, input=PASSWORD, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"elasticsearch-keystore failed:\n{done.stdout}{done.stderr}")
