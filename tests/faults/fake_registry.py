"""A registry on this machine that says what a test wants, and a canary that must not be asked."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

RUN = "0123456789abcdef0123456789abcdef"
API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
MODES = ("500", "slow", "html", "auth", "redirect", "black hole", "refused")
SLOW_SECONDS = 30.0


@dataclass
class FakeRegistry:
    """What the registry answers.

    Attributes
    ----------
    folder : Path or None
        The model that it hands out itself.
    mode : str
        ``ok``, or how it fails: one of `MODES`.
    """

    name: str = "lead-quality"
    version: object = "1"
    run_id: str = RUN
    source: str = f"mlflow-artifacts:/1/{RUN}/artifacts/scorer"
    logged: str = f"mlflow-artifacts:/1/{RUN}/artifacts"
    folder: Path | None = None
    mode: str = "ok"
    elsewhere: str = ""
    extra: bytes = b""
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return the JSON of a question, or None when there is no such thing."""
        version = {
            "name": self.name,
            "version": self.version,
            "run_id": self.run_id,
            "source": self.source,
            "status": "READY",
            "creation_timestamp": 1,
            "last_updated_timestamp": 1,
        }
        info = {
            "run_id": self.run_id,
            "run_uuid": self.run_id,
            "experiment_id": "1",
            "status": "FINISHED",
            "start_time": 1,
            "artifact_uri": self.logged,
            "lifecycle_stage": "active",
        }
        return {
            "registered-models/get": {"registered_model": {"name": self.name}},
            "registered-models/alias": {"model_version": version},
            "model-versions/get": {"model_version": version},
            "model-versions/get-download-uri": {"artifact_uri": self.source},
            "runs/get": {"run": {"info": info, "data": {}}},
        }.get(path)


@contextlib.contextmanager
def running(registry: FakeRegistry) -> Iterator[FakeRegistry]:
    """Answer on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if not self._fails():
                self._answer()

        do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - what the standard library looks for

        def _fails(self) -> bool:
            mode = registry.mode
            if mode == "black hole":
                time.sleep(SLOW_SECONDS * 2)
            elif mode == "slow":
                time.sleep(SLOW_SECONDS)
            elif mode == "500":
                self._send(500, b'{"error_code": "INTERNAL_ERROR", "message": "no"}')
            elif mode == "html":
                self._send(200, b"<html><body>Welcome to the portal</body></html>", "text/html")
            elif mode == "auth":
                self._send(401, b"You are not authenticated.", "text/plain")
            elif mode == "redirect":
                self._redirect()
            else:
                return False
            return mode != "slow"

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path.startswith(FILES):
                self._file(path)
                return
            told = registry.answer(path.removeprefix(API))
            if told is None:
                self._send(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}')
            else:
                self._send(200, json.dumps(told).encode())

        def _file(self, path: str) -> None:
            name = path.rpartition("/")[2]
            if registry.elsewhere:
                self._redirect()
            elif registry.folder is None or not (registry.folder / name).is_file():
                self._send(404, b"{}")
            else:
                body = (registry.folder / name).read_bytes()
                padding = b"" if name == "manifest.json" else registry.extra
                self._send(200, body + padding, "application/octet-stream")

        def _redirect(self) -> None:
            self.send_response(302)
            self.send_header("Location", registry.elsewhere)
            self.end_headers()

        def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
            with contextlib.suppress(OSError):  # who asked may have gone
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    registry.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
