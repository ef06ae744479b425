"""Runs the application under uvicorn: logs of JSON lines, and a stop that lets requests end."""

from __future__ import annotations

import gc
import json
import logging
import sys
import time

import uvicorn

from leser.serving.app import build_app
from leser.serving.limits import Keys
from leser.serving.origin import is_loopback
from leser.serving.service import Service

STOP_S = 10


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record; that of a request is JSON already."""
        said = record.getMessage()
        time_ = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        row = {"time": time_, "level": record.levelname.lower(), "logger": record.name}
        if record.name == "leser.serving.requests":
            return json.dumps({**row, **json.loads(said)})
        if record.exc_info:
            said = f"{said}\n{self.formatException(record.exc_info)}"
        return json.dumps({**row, "message": said})


def serve(service: Service, host: str, port: int) -> None:
    """Answer until SIGTERM or SIGINT; then let requests end, and close the service."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if not is_loopback(host) and not Keys(service.options.keys_env).wanted:
        logging.getLogger("leser.serving").warning(
            "No API keys are set: whoever reaches %s may ask, and decisions are refused. Set %s.",
            host,
            service.options.keys_env,
        )
    sys.setswitchinterval(0.001)  # a copy of a new generation is made beside the requests
    gc.collect()
    gc.freeze()  # what is there now stays: a full collection need not look at it while requests wait
    config = uvicorn.Config(
        build_app(service, host), host=host, port=port, access_log=False, log_config=None, server_header=False,
        timeout_graceful_shutdown=STOP_S, timeout_keep_alive=30, backlog=2048,
    )  # fmt: skip
    uvicorn.Server(config).run()
