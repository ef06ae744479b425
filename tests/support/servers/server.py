"""Server: one running search server of the tests, wherever it came from."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, fields
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError

from servers import keeper

START = 400.0
"""Seconds a server may take to answer; about 20 on an idle machine, two minutes on a crowded one."""


class ServerFailed(RuntimeError):
    """A server did not start; the message ends with the tail of its log."""


@dataclass
class Server:
    """A search server and how to reach it.

    One that somebody else runs (LESER_TEST_..._URL) has no folder: it can't be started or stopped, and its pid is None.
    `probe` is the path that answers 200 as soon as the server serves.
    """

    url: str
    version: str
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    folder: Path | None = None
    probe: str = "/"
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    _keeper: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False, compare=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def port(self) -> int:
        """The port it answers on."""
        return int(self.url.split("//")[1].partition("/")[0].rpartition(":")[2])

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        path = self._own() / "pid" if self.folder else None
        pid = int(path.read_text()) if path and path.exists() else None
        return pid if pid and keeper.group(pid) else None

    def start(self, owner: int | None = None) -> Self:
        """Start it (again: same port, same data); it ends with the process `owner`, by default this one.

        Returns when it answers. Raises ServerFailed with the tail of its log when it does not.
        """
        folder = self._own()
        if self.pid is not None:
            return self
        (folder / "pid").unlink(missing_ok=True)
        with (folder / "output.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, str(owner or os.getpid()), str(folder), *self.command],
                env={**os.environ, **self.environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.wait_ready()

    def stop(self) -> None:
        """End it as an administrator would; its data stay."""
        self._end(at_once=False)

    def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        self._end(at_once=True)

    def _end(self, *, at_once: bool) -> None:
        pid = self.pid
        if pid is not None:
            keeper.end(pid, at_once=at_once)
        if self._keeper is not None:
            self._keeper.wait()

    def wait_ready(self, timeout: float = START) -> Self:
        """Return when the server answers its probe. Raises ServerFailed when it ended, or has not answered in time."""
        last = time.monotonic() + timeout
        answer = "nothing"
        while time.monotonic() < last:
            try:
                self.get(self.probe, timeout=10)
                return self
            except (
                OSError,
                ValueError,
                HTTPException,
            ) as error:  # refused, 503 while cores load, 401 before the licence is there
                answer = str(error)
                if isinstance(error, HTTPError):
                    error.close()
            if self.folder is not None and self._ended():
                raise ServerFailed(f"{self.command[0]} ended before it answered at {self.url}.\n{self.log_tail()}")
            time.sleep(0.2)
        raise ServerFailed(f"{self.url} did not answer within {timeout:g} s, at last: {answer}.\n{self.log_tail()}")

    def _ended(self) -> bool:
        return self.pid is None and (self._keeper is None or self._keeper.poll() is not None)

    def log_tail(self, characters: int = 4000) -> str:
        """The end of what it printed."""
        path = self.folder / "output.log" if self.folder else None
        return path.read_text(errors="replace")[-characters:] if path and path.exists() else ""

    def get(self, path: str, timeout: float = 30) -> Any:
        """GET a path below the URL with the server's own credentials; the parsed JSON."""
        return self.request("GET", path, timeout=timeout)

    def request(self, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
        """Send JSON (text as it is, for bulk) with the server's own credentials; the parsed JSON of the answer.

        Raises urllib.error.HTTPError, whose `read()` is the server's own words, for a status of 400 or more.
        """
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind}, method=method)
        if self.user is not None:
            request.add_header("Authorization", f"Basic {base64.b64encode(self._credentials()).decode()}")
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _credentials(self) -> bytes:
        return f"{self.user}:{self.password}".encode()

    def _own(self) -> Path:
        if self.folder is None:
            raise ServerFailed(f"{self.url} is not the tests' own server: it can't be started or stopped.")
        return self.folder

    def save(self) -> None:
        """Write what another process needs to use this server to its folder."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        facts = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        (self._own() / "server.json").write_text(json.dumps(facts))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The server that another process started in this folder."""
        facts = json.loads((folder / "server.json").read_text())
        paths = {name: Path(facts[name]) for name in ("ca_file", "folder") if facts[name] is not None}
        return cls(**{**facts, **paths})


def free_port() -> int:
    """A port that nobody has, below those that the system gives to outgoing connections: it is ours after a restart too."""
    chance = random.Random()  # not the tests' seeded one: two workers must not draw the same
    for _ in range(1000):
        port = chance.randrange(20_000, 30_000)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("No free port between 20000 and 30000.")
