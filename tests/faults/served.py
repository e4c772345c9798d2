"""A real ``lead-serve serve`` on a free port of this machine, and clients that behave or do not."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BODY = json.dumps({"lead_id": "L-1", "fields": {"source": "ウェビナー"}}).encode()
HEAD = (
    b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n" % len(BODY)
)
WHOLE = HEAD + b"\r\n" + BODY


@dataclass
class Served:
    """A running service."""

    running: subprocess.Popen[bytes]
    address: str
    log: Path

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        seconds: float = 30,
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask once, on a connection of its own."""
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            given = {"Content-Type": "application/json"} if body is not None else {}
            given |= {name.replace("_", "-"): told for name, told in headers.items()}
            asking.request(method, path, body, given)
            answer = asking.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()
        finally:
            asking.close()

    def metric(self, line: str) -> float:
        """Return the number of a line of /metrics that begins so; 0 where there is none."""
        found = re.search(
            rf"^{re.escape(line)} (\S+)$", self.ask("GET", "/metrics")[2].decode(), re.M
        )
        return float(found[1]) if found else 0.0

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """Open a connection."""
        opened = socket.socket()
        if receive_buffer:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        opened.settimeout(20)
        opened.connect(("127.0.0.1", self.port))
        return opened

    def end(self, sig: signal.Signals = signal.SIGTERM, seconds: float = 30) -> float:
        """End it, and return how many seconds that took."""
        begun = time.monotonic()
        self.running.send_signal(sig)
        self.running.wait(seconds)
        return time.monotonic() - begun


@contextlib.contextmanager
def serve(home: Path, log: Path, *, has_model: bool = True, **settings: object) -> Iterator[Served]:
    """Run the service over a home with a model, or without one, until the block ends."""
    given = {f"LEAD_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "LEAD_HOME": str(home), "LEAD_ACCESS": "open", **given}
    with log.open("wb") as lines:
        running = subprocess.Popen(
            [sys.executable, "-m", "serving.cli", "serve", "--port", "0"],
            stdin=subprocess.DEVNULL,
            stderr=lines,
            stdout=lines,
            env=environment,
            start_new_session=True,
        )
    try:
        address = wait_for(lambda: _address(log, running), 60)
        served = Served(running, address, log)
        wait_for(lambda: _is_ready(served, "/readyz" if has_model else "/livez"), 60)
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def wait_for(found: Callable[[], Any], seconds: float) -> Any:
    """Return what is found at last; fail when it never is."""
    until = time.monotonic() + seconds
    while not (it := found()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    return it


def _address(log: Path, running: subprocess.Popen[bytes]) -> str | None:
    assert running.poll() is None, log.read_text("utf-8")
    found = re.search(r"listens on (\S+)", log.read_text("utf-8"))
    return found[1] if found else None


def _is_ready(served: Served, path: str) -> bool:
    assert served.running.poll() is None, served.log.read_text("utf-8")
    try:
        return served.ask("GET", path)[0] == 200
    except OSError:
        return False


@dataclass
class GoodTraffic:
    """Clients that score leads at a steady rate over connections that they keep."""

    served: Served
    n_clients: int = 4
    a_second: float = 5.0
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _ends: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> GoodTraffic:
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.n_clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        asking = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        while not self._ends.wait(1 / self.a_second):
            begun = time.monotonic()
            try:
                asking.request("POST", "/v1/score", BODY, headers)
                answer = asking.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(type(error).__name__)
                asking.close()
            self.seconds.append(time.monotonic() - begun)
        asking.close()


def stall(served: Served, kind: str, n: int) -> list[socket.socket]:
    """Open connections that stall in one of the ways there are."""
    opened = []
    for _ in range(n):
        one = served.connect(receive_buffer=4096 if kind == "never reads" else 0)
        if kind == "half a header":
            one.sendall(b"POST /v1/score HTTP/1.1\r\nHost: 127")
        elif kind == "half a body":
            one.sendall(HEAD + b"\r\n" + BODY[:10])
        elif kind == "one byte a second":
            one.sendall(HEAD)
        elif kind == "never reads":
            one.setblocking(False)
            # So many that the answers fill every buffer on the way.
            with contextlib.suppress(BlockingIOError):
                one.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        opened.append(one)
    return opened


def seconds_until_closed(opened: list[socket.socket], longest: float, drip: bool = False) -> float:
    """Return after how many seconds the last of the connections was closed from the other side."""
    begun, last_drip = time.monotonic(), 0.0
    waiting = dict.fromkeys(opened)
    looking = select.poll()
    by_number = {one.fileno(): one for one in opened}
    for one in opened:
        looking.register(one, select.POLLIN)
    while waiting:
        assert time.monotonic() - begun < longest, f"{len(waiting)} of {len(opened)} still open"
        for number, _ in looking.poll(100):
            one = by_number[number]
            try:
                is_open = bool(one.recv(65_536))
            except ConnectionError:
                is_open = False
            if not is_open:
                looking.unregister(one)
                del waiting[one]
        if drip and time.monotonic() - last_drip >= 1.0:
            last_drip = time.monotonic()
            for one in waiting:
                with contextlib.suppress(OSError):
                    one.send(b"x")
    return time.monotonic() - begun
