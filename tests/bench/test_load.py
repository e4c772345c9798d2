"""The load generator tells the truth: against a toy server whose answers and pauses are known."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.load import Loaded, main, percentile, post, request_bytes, run, write_requests


class _Toy(socketserver.StreamRequestHandler):
    """Answers by path, on one connection after the other, and counts what it was asked."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            method, path, _ = line.decode().split()
            length = 0
            while (header := self.rfile.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = self.rfile.read(length)
            self.server.seen[f"{method} {path} {len(body)}"] += 1
            if not self.answer(path):
                return

    def answer(self, path: str) -> bool:
        """Answer; False when the connection ends with it."""
        if path == "/slow":
            time.sleep(0.05)
        if path == "/breaks":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return False
        if path == "/closes":
            self.wfile.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
            )
            return False
        if path == "/until-closed":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
            return False
        if path == "/in-pieces":
            for piece in (b"HTTP/1.1 200 OK\r\ncontent-", b"LENGTH: 6\r\n\r", b"\nabc", b"def"):
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(0.005)
        elif path == "/chunked":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
        elif path == "/large":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
            )
        else:
            status = b"503 Away" if path == "/away" else b"200 OK"
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
        return True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100
    seen: Counter[str]

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that went away is no news."""


@pytest.fixture
def toy() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Toy) as server:
        server.seen = Counter()
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def load(toy: _Server, *paths: str, **how: float) -> Loaded:
    requests = [request_bytes("GET", path) for path in paths]
    settings = {"connections": 2, "seconds": 60.0, "most": 12} | how
    return run(toy.server_address, requests, **settings)


def test_requests_go_out_in_turn_and_from_the_beginning_again(toy: _Server):
    bodies = [post("/a", {"n": 1}), post("/b", {"名": "二"}), request_bytes("GET", "/c")]

    loaded = run(toy.server_address, bodies, connections=1, seconds=60, most=7)

    assert toy.seen == {"POST /a 7": 3, "POST /b 13": 2, "GET /c 0": 2}
    assert (loaded.n, loaded.statuses, loaded.broken, loaded.not_200) == (7, {"200": 7}, 0, 0)


def test_a_run_may_begin_further_on(toy: _Server):
    load(toy, "/a", "/b", "/c", connections=1, most=4, skip=5)

    assert toy.seen == {"GET /c 0": 2, "GET /a 0": 1, "GET /b 0": 1}


@pytest.mark.parametrize("path", ["/", "/in-pieces", "/chunked", "/until-closed", "/large"])
def test_every_form_of_answer_is_read_to_its_end(toy: _Server, path: str):
    loaded = load(toy, path)

    assert (loaded.n, loaded.statuses, loaded.broken) == (12, {"200": 12}, 0)


def test_other_statuses_are_counted_by_status_and_as_not_200(toy: _Server):
    loaded = load(toy, "/", "/away", "/closes")

    assert loaded.statuses == {"200": 4, "400": 4, "503": 4}
    assert loaded.not_200 == 8


def test_an_answer_that_stops_half_way_is_broken_and_no_answer(toy: _Server):
    loaded = load(toy, "/", "/breaks")

    assert (loaded.n, loaded.broken, loaded.not_200) == (6, 6, 6)


def test_latency_and_rate_are_those_of_the_server(toy: _Server):
    loaded = load(toy, "/slow", connections=4, most=40)

    assert 50 <= loaded.p50_ms < 1_000
    # Four callers, twenty answers a second each at the most; a busy machine is slower.
    assert 1 < loaded.per_second <= 80
    assert loaded.p50_ms <= loaded.p95_ms <= loaded.p99_ms <= loaded.most_ms


def test_time_bounds_a_run_and_what_was_asked_is_waited_for(toy: _Server):
    began = time.monotonic()
    loaded = load(toy, "/slow", seconds=0.2, most=1_000_000)

    assert time.monotonic() - began < 20
    assert 0.2 <= loaded.seconds < 10
    assert loaded.n == sum(toy.seen.values()) > 0


def test_a_rate_is_kept_and_never_exceeded(toy: _Server):
    loaded = load(toy, "/", rate=40.0, most=20, connections=8)

    # The twentieth goes out 19/40 s after the first.
    assert 0.45 <= loaded.seconds < 20
    assert loaded.n == 20


def test_requests_larger_than_a_socket_buffer_arrive_whole(toy: _Server):
    large = post("/large-body", {"text": "x" * 5_000_000})

    loaded = run(toy.server_address, [large], connections=2, seconds=20, most=4)

    assert loaded.statuses == {"200": 4}
    assert list(toy.seen) == ["POST /large-body 5000011"]


def test_the_command_prints_the_figures_as_one_json_object(
    toy: _Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = write_requests(tmp_path / "some.requests", [post("/a", {"text": "行\n二"})])
    host, port = toy.server_address

    assert main([f"--address={host}:{port}", f"--requests={file}", "--most=5", "--seconds=5"]) == 0

    told = Loaded(**json.loads(capsys.readouterr().out))
    assert (told.n, told.statuses) == (5, {"200": 5})
    assert told.own_cpu_seconds < told.seconds + 1


def test_a_server_that_is_not_there_is_an_error_at_once():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()

    with pytest.raises(ConnectionRefusedError):
        run(nobody, [request_bytes("GET", "/")], connections=1, seconds=1)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_percentiles_are_values_that_occurred(share: float, expected: float):
    assert percentile([float(n) for n in range(1, 101)], share) == expected
    assert percentile([], share) == 0.0
