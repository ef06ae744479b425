"""A server that speaks the routes of a vLLM server which LESER uses, and samples with LESER's own decoding.

It is strict where vLLM is: what a request names must be a field that vLLM 0.33 has (tests/rollouts/vllm-0.33.0.json), and
nothing is sampled while it is paused. New weights are read from the folder that a request names, as vLLM's workers do.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from places import ROOT
from safetensors.torch import load_file

from leser.policy.generate import NoiseKey, generate
from leser.policy.policy import Policy

TABLE = json.loads((ROOT / "tests" / "rollouts" / "vllm-0.33.0.json").read_text())
PROTOCOL = "entrypoints/scale_out/token_in_token_out/protocol.py:GenerateRequest"


@dataclass
class TokenServer:
    """The server's state: its own copy of the policy, the requests it got, and what it shall do wrong."""

    policy: Policy
    log: list[tuple[str, Any]] = field(default_factory=list)
    version: str = "default"
    paused: bool = False
    busy: int = 0  # so many answers will be 503
    forgets: bool = True  # whether the prefix cache can be reset
    deaf: bool = False  # whether new weights are ignored
    logprobs_mode: str = "processed_logprobs"
    key: str | None = None
    finish: str | None = None  # finish_reason in the place of the true one
    lock: Any = field(default_factory=threading.Lock)
    url: str = ""

    def answer(self, verb: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        if self.busy:
            self.busy -= 1
            return 503, {"error": "paused"}
        self.log.append((f"{verb} {path}", body))
        if (verb, path) == ("GET", "/server_info"):
            assert query == {"config_format": ["json"]}
            return 200, {"vllm_config": {"model_config": {"logprobs_mode": self.logprobs_mode}}}
        if (verb, path) == ("POST", "/inference/v1/generate"):
            return self._generate(body)
        if (verb, path) == ("POST", "/pause"):
            assert query == {"mode": ["wait"]}
            self.paused = True
            return 200, {"status": "paused"}
        if (verb, path) == ("POST", "/resume"):
            self.paused = False
            return 200, {"status": "resumed"}
        if (verb, path) == ("POST", "/collective_rpc"):
            assert body["method"] == "reload_weights"
            self._reload(Path(body["kwargs"]["weights_path"]))
            return 200, {"results": [None]}
        if (verb, path) == ("POST", "/reset_prefix_cache"):
            return 200, {"success": self.forgets}
        if (verb, path) == ("POST", "/update_weight_version"):
            self.version = body["new_version"]
            return 200, {"success": True, "new_version": self.version}
        return 404, {"detail": "Not Found"}

    def _reload(self, folder: Path) -> None:
        assert self.paused, "weights change while completions may be sampled"
        assert (folder / "config.json").is_file()
        if not self.deaf:
            held = load_file(folder / "model.safetensors")
            model = self.policy.causal_lm
            missing, unexpected = model.load_state_dict(held, strict=False)
            assert not unexpected
            assert set(missing) <= {"lm_head.weight"}, missing

    def _generate(self, body: dict[str, Any]) -> tuple[int, Any]:
        params = body["sampling_params"]
        if unknown := (set(body) - set(TABLE[PROTOCOL])) | (
            set(params) - set(TABLE["sampling_params.py:SamplingParams"])
        ):
            return 400, {"error": f"unknown fields {sorted(unknown)}"}
        if self.paused:
            return 503, {"error": "paused"}
        if len(body["token_ids"]) + params["max_tokens"] > self.policy.max_context:
            return 400, {"error": "the prompt is longer than the maximum model length"}
        keys = [[NoiseKey(params.get("seed", 0), 0, "", i) for i in range(params["n"])]]
        with self.lock:
            (samples,) = generate(
                self.policy,
                [body["token_ids"]],
                keys,
                max_new_tokens=params["max_tokens"],
                temperature=params["temperature"],
            )
        choices = [
            {
                "index": i,
                "token_ids": s.tokens,
                "finish_reason": self.finish or ("stop" if s.finished else "length"),
                "logprobs": {
                    "content": [
                        {"token_id": t, "logprob": p, "rank": 1, "top_logprobs": []}
                        for t, p in zip(s.tokens, s.logprobs, strict=True)
                    ]
                },
                "weight_versions": [{"version": self.version, "start": 0, "end": len(s.tokens)}],
            }
            for i, s in enumerate(samples)
        ]
        return 200, {"request_id": "1", "output_mode": "tokens", "choices": choices[::-1]}


@contextmanager
def serving(policy: Policy, **state: Any) -> Iterator[TokenServer]:
    """A server on a free port of this machine with a copy of a policy of its own."""
    server = TokenServer(policy, **state)

    class Handler(BaseHTTPRequestHandler):
        def _do(self, verb: str) -> None:
            parts, length = urlsplit(self.path), int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                status, answer = 401, {"error": "Unauthorized"}
            else:
                status, answer = server.answer(verb, parts.path, parse_qs(parts.query), body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
