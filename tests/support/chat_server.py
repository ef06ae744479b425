"""A server of the chat-completions form on this machine, which answers and fails as it is asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Answer = Callable[[dict[str, Any], int], tuple[int, str]]
"""From a request's body, and how often this very body was sent before, to a status and a text (or a whole body)."""


@dataclass
class ChatServer:
    """Its address, and what it was sent: bodies and headers, in the order of their coming."""

    address: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def last_turns(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.bodies]


@contextmanager
def chat_server(answer: Answer) -> Iterator[ChatServer]:
    """Runs while the block does. A text that starts with "{" is sent as the whole body."""
    lock, times = Lock(), dict[str, int]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(sent)
            with lock:
                server.bodies.append(body)
                server.headers.append({key.lower(): value for key, value in self.headers.items()})
                before = times.get(sent.decode(), 0)
                times[sent.decode()] = before + 1
            status, text = answer(body, before) if self.path == "/v1/chat/completions" else (404, "no such path")
            whole = text if text.startswith("{") else json.dumps({"choices": [{"message": {"content": text}}]})
            self.send_response(status)
            self.send_header("Content-Length", str(len(whole.encode())))
            self.end_headers()
            self.wfile.write(whole.encode())

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = ChatServer(f"http://127.0.0.1:{http.server_address[1]}/v1")
        thread = Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
