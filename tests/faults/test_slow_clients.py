"""Clients that stall hold a connection for a while, and nothing else for anybody."""

from __future__ import annotations

import logging
import resource
import socket
import statistics
import time
from pathlib import Path

import pytest

from tests.faults.served import (
    BODY,
    HEAD,
    WHOLE,
    GoodTraffic,
    Served,
    seconds_until_closed,
    serve,
    stall,
    wait_for,
)

log = logging.getLogger(__name__)

KINDS = ("idle", "half a header", "half a body", "one byte a second")


def test_every_kind_of_stalled_client_is_let_go_while_others_are_served(
    home: Path, tmp_path: Path
) -> None:
    with (
        serve(home, tmp_path / "log", read_seconds=2, idle_seconds=3, concurrency=16) as served,
        GoodTraffic(served) as good,
    ):
        for kind in KINDS:
            opened = stall(served, kind, 50)
            took = seconds_until_closed(opened, longest=9, drip=kind == "one byte a second")
            assert took > 1.0, kind
            for one in opened:
                one.close()
        opened = stall(served, "never reads", 10)
        refused = 'lead_refused_total{reason="answer_not_taken"}'
        wait_for(lambda: served.metric(refused) == 10, 10)
        for one in opened:
            one.close()
        n_slow = served.metric('lead_refused_total{reason="too_slow"}')

    assert good.failures == []
    assert len(good.seconds) > 50
    assert n_slow == 150
    assert statistics.quantiles(good.seconds, n=20)[-1] < 3


@pytest.mark.soak
def test_a_thousand_stalled_clients_are_gone_within_fifteen_seconds(
    home: Path, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    try:
        with (
            serve(home, tmp_path / "log") as served,
            GoodTraffic(served) as good,
        ):
            time.sleep(3)
            n_before, before = len(good.seconds), rss(served)
            for kind in KINDS:
                opened = stall(served, kind, 1_000)
                took = seconds_until_closed(opened, longest=15, drip=kind == "one byte a second")
                log.info("%s: closed after %.1f s; RSS %.0f MB", kind, took, rss(served))
                for one in opened:
                    one.close()
            opened = stall(served, "never reads", 200)
            begun = time.monotonic()
            refused = 'lead_refused_total{reason="answer_not_taken"}'
            wait_for(lambda: served.metric(refused) == 200, 15)
            log.info("never reads: dropped after %.1f s", time.monotonic() - begun)
            for one in opened:
                one.close()
            after = rss(served)
        alone, meanwhile = sorted(good.seconds[:n_before]), sorted(good.seconds[n_before:])
        log.info(
            "good traffic: %d requests, %d failures, median %.1f -> %.1f ms, p99 %.0f ms; RSS %.0f -> %.0f MB",
            len(good.seconds),
            len(good.failures),
            alone[len(alone) // 2] * 1e3,
            meanwhile[len(meanwhile) // 2] * 1e3,
            meanwhile[int(len(meanwhile) * 0.99)] * 1e3,
            before,
            after,
        )
        assert good.failures == []
        assert after - before < 64
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def rss(served: Served) -> float:
    """Return the megabytes that the service holds."""
    pages = int(Path(f"/proc/{served.running.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def test_a_connection_that_is_used_again_is_patient_again_and_work_is_never_cut(
    home: Path, tmp_path: Path
) -> None:
    with (
        serve(home, tmp_path / "log", read_seconds=3, idle_seconds=4) as served,
        served.connect() as one,
    ):
        for _ in range(3):
            time.sleep(1.8)
            one.sendall(WHOLE[:60])
            time.sleep(1.2)
            one.sendall(WHOLE[60:])
            assert read_answer(one)[0] == 200
        begun = time.monotonic()
        assert one.recv(1000) == b""
        assert 2 < time.monotonic() - begun < 9


def test_requests_sent_without_waiting_are_answered_in_order(served: Served) -> None:
    with served.connect() as one:
        ids = [f"r{number}" for number in range(40)]
        one.sendall(
            b"".join(
                WHOLE.replace(b"\r\nHost", b"\r\nX-Request-ID: %s\r\nHost" % name.encode(), 1)
                for name in ids
            )
        )
        told = [read_answer(one) for _ in ids]

    assert [status for status, _, _ in told] == [200] * len(ids)
    assert [headers["x-request-id"] for _, headers, _ in told] == ids


def test_what_was_asked_before_nonsense_is_answered_first(served: Served) -> None:
    with served.connect() as one:
        one.sendall(WHOLE + WHOLE + b"nonsense\r\n\r\n")
        told = [read_answer(one)[0] for _ in range(3)]
        assert one.recv(1000) == b""

    assert told == [200, 200, 400]


def test_headers_are_capped_to_the_byte_and_to_the_number(served: Served) -> None:
    first = b"GET /livez HTTP/1.1\r\n"
    reason = 'lead_refused_total{reason="headers_too_large"}'
    before = served.metric(reason)

    def ask(headers: bytes) -> int:
        with served.connect() as one:
            one.sendall(first + headers + b"\r\n")
            return read_answer(one)[0]

    host = b"Host: 127.0.0.1\r\n"
    assert ask(host + b"".join(b"x-%d: 1\r\n" % number for number in range(99))) == 200
    assert ask(host + b"".join(b"x-%d: 1\r\n" % number for number in range(100))) == 431
    room = 32 * 1024 - len(host) - len(b"x: \r\n")
    assert ask(host + b"x: %s\r\n" % (b"a" * room)) == 200
    assert ask(host + b"x: %s\r\n" % (b"a" * (room + 1))) == 431
    assert served.metric(reason) == before + 2

    with served.connect() as one:
        one.sendall(first + b"x: ")
        sent, status = 0, 0
        while not status and sent < 20 * 2**20:
            one.sendall(b"a" * 16_384)
            sent += 16_384
            one.settimeout(0.02)
            try:
                status = read_answer(one)[0]
            except TimeoutError:
                one.settimeout(20)
        assert status == 431
        assert sent < 2**20

    with served.connect() as one:
        one.sendall(b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % (b"a" * 9_000))
        assert read_answer(one)[0] == 414


@pytest.mark.parametrize(
    "both",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ],
)
def test_a_body_of_two_lengths_is_refused(served: Served, both: bytes) -> None:
    with served.connect() as one:
        one.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            + both
            + b"\r\n0\r\n\r\n"
        )
        assert read_answer(one)[0] == 400
        assert one.recv(1000) == b""


def test_a_client_that_wants_another_protocol_is_answered_in_this_one(served: Served) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with served.connect() as one:
        one.sendall(HEAD + upgrade + b"\r\n" + BODY)
        assert read_answer(one)[0] == 200


def read_answer(one: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = one.recv(1)
        assert piece, f"closed after {head!r}"
        head += piece
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body, size = b"", int(headers.get("content-length", 0))
    while len(body) < size:
        body += one.recv(size - len(body))
    return int(first.split()[1]), headers, body
