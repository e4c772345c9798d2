"""Requests that another program on the way may have read as other ones."""

from __future__ import annotations

import socket
import time

import pytest

from tests.faults.served import BODY, WHOLE, Served
from tests.faults.test_slow_clients import read_answer

OWN = b"Host: 127.0.0.1\r\n"
NEXT = b"GET /livez HTTP/1.1\r\n" + OWN + b"\r\n"
ASKING = (
    b"POST %s HTTP/1.1\r\n" + OWN + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\n" + OWN, 200, id="one"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost:\r\n", 200, id="an empty one"),
        pytest.param(b"GET /livez HTTP/1.0\r\n", 200, id="none, in the old version"),
        pytest.param(b"GET /livez HTTP/1.1\r\n", 400, id="none"),
        pytest.param(b"GET /livez HTTP/1.1\r\n" + OWN + OWN, 400, id="the same twice"),
        pytest.param(b"GET /livez HTTP/1.0\r\n" + OWN + OWN, 400, id="twice in the old version"),
        pytest.param(
            b"GET /livez HTTP/1.1\r\n" + OWN + b"hOsT: evil.example\r\n", 400, id="two of them"
        ),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a, b\r\n", 400, id="two in one"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: a@b\r\n", 400, id="with a user"),
        pytest.param(b"GET http://127.0.0.1/livez HTTP/1.1\r\n" + OWN, 200, id="the target's own"),
        pytest.param(
            b"GET http://evil.example/livez HTTP/1.1\r\n" + OWN, 400, id="not the target's"
        ),
        pytest.param(
            b"GET http://127.0.0.1@evil.example/livez HTTP/1.1\r\n" + OWN, 400, id="as a user"
        ),
        pytest.param(
            b"GET http://evil.example?//127.0.0.1/livez HTTP/1.1\r\n" + OWN, 400, id="in the query"
        ),
        pytest.param(b"GET http://127.0.0.1:1/livez HTTP/1.1\r\n" + OWN, 400, id="another port"),
    ],
)
def test_a_request_is_for_one_host(served: Served, head: bytes, status: int) -> None:
    with served.connect() as one:
        one.sendall(head + b"\r\n")
        assert read_answer(one)[0] == status
        if status == 400:
            assert one.recv(1000) == b""


@pytest.mark.parametrize(
    "hosts", [b"", OWN + OWN, b"Host: 127.0.0.1\r\nHost: evil.example\r\n", b"Host: a b\r\n"]
)
def test_a_score_is_for_one_host_too(served: Served, hosts: bytes) -> None:
    with served.connect() as one:
        one.sendall(WHOLE.replace(OWN, hosts, 1))
        assert read_answer(one)[0] == 400
        assert one.recv(1000) == b""


def test_what_was_asked_before_a_second_host_is_answered_first(served: Served) -> None:
    with served.connect() as one:
        one.sendall(WHOLE + b"GET /livez HTTP/1.1\r\n" + OWN + OWN + b"\r\n" + NEXT)
        assert [read_answer(one)[0] for _ in range(2)] == [200, 400]
        assert one.recv(1000) == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(ASKING % b"/v1/score" + b"Content-Length: 9999999\r\n", 413, id="too large"),
        pytest.param(ASKING % b"/v1/nothing" + b"Content-Length: 99\r\n", 404, id="no address"),
        pytest.param(
            ASKING % b"/v1/score" + b"Origin: http://evil.example\r\nContent-Length: 99\r\n",
            403,
            id="another site",
        ),
        pytest.param(
            ASKING % b"/v1/score" + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            415,
            id="encoded",
        ),
    ],
)
@pytest.mark.parametrize("sends", [b"", NEXT, b"x" * 300_000], ids=["nothing", "next", "body"])
def test_a_refusal_of_what_was_only_announced_ends_the_connection(
    served: Served, request_: bytes, status: int, sends: bytes
) -> None:
    with served.connect() as one:
        one.sendall(request_ + b"\r\n")
        told = [read_answer(one)]
        if sends:
            one.sendall(sends)
        # A client that sends on all the same is told, not cut off; and what it sends is no request.
        assert until_closed(one) == b""

    assert [status for status, _, _ in told] == [status]
    assert told[0][1]["connection"] == "close"


def test_whoever_sends_without_waiting_for_the_refusal_still_reads_it(served: Served) -> None:
    head = ASKING % b"/v1/score" + b"Content-Length: 9999999\r\n\r\n"
    for _ in range(20):
        with served.connect() as one:
            one.sendall(head + b"x" * 200_000)
            assert read_answer(one)[0] == 413


def test_a_body_that_is_awaited_is_asked_for_once_and_the_connection_stays(served: Served) -> None:
    asking = ASKING % b"/v1/score" + b"Content-Length: %d\r\n\r\n" % len(BODY)
    with served.connect() as one:
        for _ in range(3):
            one.sendall(asking)
            assert read_answer(one)[0] == 100
            one.sendall(BODY)
            assert read_answer(one)[0] == 200
        one.sendall(b"GET /livez HTTP/1.1\r\n" + OWN + b"Expect: 100-continue\r\n\r\n" + NEXT)
        assert [read_answer(one)[0] for _ in range(2)] == [200, 200]


def test_the_old_version_is_never_asked_for_a_body(served: Served) -> None:
    asking = (ASKING % b"/v1/score").replace(b"HTTP/1.1", b"HTTP/1.0")
    with served.connect() as one:
        one.sendall(asking + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        assert read_answer(one)[0] == 200


@pytest.mark.parametrize("is_whole", [True, False], ids=["in one piece", "in two"])
@pytest.mark.parametrize("fields", [BODY, b'{"lead_id": ""}'], ids=["scored", "refused"])
def test_what_stands_behind_a_body_is_no_header(
    served: Served, fields: bytes, is_whole: bool
) -> None:
    head = b"POST /v1/score HTTP/1.1\r\n" + OWN + b"Content-Type: application/json\r\n"
    body = b"%x\r\n%b\r\n0\r\n" % (len(fields), fields)
    behind = b"X-Request-ID: from-behind\r\nHost: evil.example\r\n\r\n"
    with served.connect() as one:
        one.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + body + behind * is_whole)
        if not is_whole:
            time.sleep(0.05)  # so that it comes apart, mostly; either way the answer is the same
            one.sendall(behind)
        status, headers, _ = read_answer(one)
        assert status == (200 if fields == BODY else 422)
        assert "x-request-id" in headers
        assert headers["x-request-id"] != "from-behind"


def until_closed(one: socket.socket) -> bytes:
    """Return what still comes before the other side closes."""
    found = b""
    while piece := one.recv(1000):
        found += piece
    return found
