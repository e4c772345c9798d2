"""A load generator in one process: keep-alive connections, prepared bytes, little else.

``python -m tests.bench.load --address 127.0.0.1:8000 --requests FILE --connections 8 --seconds 3``
prints one JSON object. The file holds one request a line, whole and in base64; they go out in turn,
one at a time on each connection. Bounded by time and by number. It measures what a caller sees:
from the first byte sent to the last byte read.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import selectors
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Loaded", "main", "percentile", "post", "request_bytes", "run", "write_requests"]

MOST_SECONDS = 3_600.0
LONGEST_ANSWER_SECONDS = 60.0
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Loaded:
    """What the callers saw.

    Attributes
    ----------
    n : int
        Whole answers, of any status.
    seconds : float
        From the first request to the last answer.
    own_cpu_seconds : float
        Processor time of the load generator itself.
    statuses : dict of str to int
        Answers by status.
    broken : int
        Connections that ended, or stayed silent, in the middle of an answer.
    p50_ms, p95_ms, p99_ms, most_ms : float
        Time to the whole answer.
    """

    n: int
    seconds: float
    own_cpu_seconds: float
    statuses: dict[str, int]
    broken: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.n / self.seconds if self.seconds > 0 else 0.0

    @property
    def not_200(self) -> int:
        """Requests that did not end in 200."""
        return self.n - self.statuses.get("200", 0) + self.broken


def request_bytes(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request as it goes over the wire."""
    head = {"Host": "localhost"}
    if body or method == "POST":
        head |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (head | dict(headers or {})).items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def post(path: str, content: object, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a POST of `content` as compact UTF-8 JSON."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return request_bytes("POST", path, body, headers)


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """Write requests for the command line."""
    path.write_bytes(b"\n".join(base64.b64encode(request) for request in requests) + b"\n")
    return path


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of them do not exceed; 0 of none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    if not ordered:
        return 0.0
    place = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[min(len(ordered), max(1, place)) - 1]


class _Connection:
    """One caller: it asks, waits for the whole answer, and asks again."""

    __slots__ = ("answer", "asked_at", "socket", "unsent")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.answer = b""
        self.asked_at = 0.0
        self.unsent = b""

    def ask(self, request: bytes) -> bool:
        """Send a request; True when all of it has gone."""
        self.answer = b""
        self.unsent = request
        self.asked_at = time.perf_counter()
        return self.go_on()

    def go_on(self) -> bool:
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            sent = 0
        self.unsent = self.unsent[sent:]
        return not self.unsent


def _status_if_whole(answer: bytes, ended: bool) -> tuple[str, bool] | None:
    """Return the status of an answer and whether the server closes, or None while bytes lack."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[: end + 2].lower()
    closes = ended or b"\r\nconnection: close\r\n" in head
    status = answer[9:12].decode("ascii", "replace")
    place = head.find(b"\r\ncontent-length:")
    if place >= 0:
        length = int(head[place + 17 : head.index(b"\r\n", place + 17)])
        whole = len(answer) - end - 4 >= length
    elif b"\r\ntransfer-encoding: chunked" in head:
        whole = answer.endswith(b"0\r\n\r\n")
    else:
        whole = ended or status in ("204", "304")
    return (status, closes) if whole else None


class _Run:
    """The state of one run."""

    def __init__(
        self, address: tuple[str, int], requests: Sequence[bytes], most: int, skip: int
    ) -> None:
        self.address = address
        self.requests = requests
        self.skip = skip
        self.most = most
        self.asked = 0
        self.broken = 0
        self.statuses: Counter[str] = Counter()
        self.seconds = array("d")
        self.waiting = selectors.DefaultSelector()
        self.idle: deque[_Connection] = deque()
        self.n_busy = 0

    def open(self) -> _Connection:
        connection = _Connection(self.address)
        self.waiting.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def ask(self, connection: _Connection) -> None:
        request = self.requests[(self.skip + self.asked) % len(self.requests)]
        self.asked += 1
        self.n_busy += 1
        try:
            if not connection.ask(request):
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self.waiting.modify(connection.socket, both, connection)
        except OSError:
            self.break_off(connection)

    def read(self, connection: _Connection, events: int) -> None:
        """Take what came in; puts the connection among the idle ones when its answer is whole."""
        try:
            if events & selectors.EVENT_WRITE and connection.go_on():
                self.waiting.modify(connection.socket, selectors.EVENT_READ, connection)
            if not events & selectors.EVENT_READ:
                return
            came = connection.socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        if not connection.asked_at:  # the server closed an idle connection
            self.idle.remove(connection)
            self.close(connection)
            self.idle.append(self.open())
            return
        connection.answer = connection.answer + came if connection.answer else came
        told = _status_if_whole(connection.answer, ended=not came)
        if told is None:
            if not came:
                self.break_off(connection)
            return
        status, closes = told
        self.seconds.append(time.perf_counter() - connection.asked_at)
        self.statuses[status] += 1
        self.n_busy -= 1
        connection.asked_at = 0.0
        if closes:
            self.close(connection)
            connection = self.open()
        self.idle.append(connection)

    def break_off(self, connection: _Connection) -> None:
        self.broken += 1
        self.n_busy -= 1
        self.close(connection)
        self.idle.append(self.open())

    def close(self, connection: _Connection) -> None:
        self.waiting.unregister(connection.socket)
        connection.socket.close()


def run(
    address: tuple[str, int],
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    most: int = 1_000_000_000,
    rate: float = 0.0,
    skip: int = 0,
) -> Loaded:
    """Ask a server until the time or the number is up, and wait for what is still to come.

    Parameters
    ----------
    address : (str, int)
        Host and port.
    requests : sequence of bytes
        Whole requests; they go out in turn and from the beginning again.
    connections : int
        Callers at the same time.
    seconds : float
        No request goes out later; at most an hour.
    most : int
        No more requests go out.
    rate : float
        Requests a second, at even distances; 0 is as fast as answers come.
    skip : int
        Requests to pass over at first, so that one run after the other does not ask the same.
    """
    going = _Run(address, requests, most, skip)
    going.idle.extend(going.open() for _ in range(connections))
    gc.collect()
    gc.disable()
    cpu, began = time.process_time(), time.perf_counter()
    until = began + min(seconds, MOST_SECONDS)
    try:
        _drive(going, began, until, rate)
    finally:
        gc.enable()
        ended, spent = time.perf_counter(), time.process_time() - cpu
        for key in list(going.waiting.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        going.waiting.close()
    ordered = sorted(second * 1000 for second in going.seconds)
    return Loaded(
        n=len(ordered),
        seconds=ended - began,
        own_cpu_seconds=spent,
        statuses=dict(sorted(going.statuses.items())),
        broken=going.broken,
        p50_ms=percentile(ordered, 0.5),
        p95_ms=percentile(ordered, 0.95),
        p99_ms=percentile(ordered, 0.99),
        most_ms=ordered[-1] if ordered else 0.0,
    )


def _drive(going: _Run, began: float, until: float, rate: float) -> None:
    idle, waiting = going.idle, going.waiting
    last_answer = began
    while True:
        now = time.perf_counter()
        may_ask = now < until and going.asked < going.most
        if not may_ask and not going.n_busy:
            return
        patience = 0.5
        if may_ask:
            due = going.most if rate <= 0 else int((now - began) * rate) + 1
            while idle and going.asked < min(due, going.most):
                going.ask(idle.popleft())
            if rate > 0:
                patience = max(0.0, min(0.5, began + going.asked / rate - time.perf_counter()))
        ready = waiting.select(patience)
        for key, events in ready:
            going.read(key.data, events)
        if ready:
            last_answer = now
        elif going.n_busy and now - last_answer > LONGEST_ANSWER_SECONDS:
            going.broken += going.n_busy
            return


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True, help="host:port")
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--most", type=int, default=1_000_000_000)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--skip", type=int, default=0)
    chosen = parser.parse_args(given)
    host, _, port = chosen.address.rpartition(":")
    loaded = run(
        (host, int(port)),
        [base64.b64decode(line) for line in chosen.requests.read_bytes().splitlines()],
        connections=chosen.connections,
        seconds=chosen.seconds,
        most=chosen.most,
        rate=chosen.rate,
        skip=chosen.skip,
    )
    sys.stdout.write(json.dumps(asdict(loaded)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
