"""What is too large, encoded, or too much at once is refused, and what is just allowed is not."""

from __future__ import annotations

import gzip
import json
import statistics
import threading
import time
from pathlib import Path

import pytest

from tests.faults.served import BODY, Served, serve
from tests.faults.test_slow_clients import read_answer

MIB = 1024 * 1024
JSON = b"Content-Type: application/json\r\n"


def padded(size: int) -> bytes:
    """Return a score request of exactly so many bytes."""
    return BODY + b" " * (size - len(BODY))


def batch(n: int) -> bytes:
    leads = [{"lead_id": f"L-{number}", "fields": {"source": "webinar"}} for number in range(n)]
    return json.dumps({"leads": leads}).encode()


@pytest.mark.parametrize(("size", "status"), [(MIB, 200), (MIB + 1, 413)])
@pytest.mark.parametrize("way", ["declared", "chunked", "in many chunks"])
def test_a_body_may_have_its_limit_and_not_a_byte_more(
    served: Served, way: str, size: int, status: int
) -> None:
    body = padded(size)
    head = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\n" + JSON
    with served.connect() as one:
        if way == "declared":
            one.sendall(head + b"Content-Length: %d\r\n\r\n" % size + body)
        else:
            step = size if way == "chunked" else 10_007
            one.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, size, step):
                piece = body[at : at + step]
                one.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            one.sendall(b"0\r\n\r\n")
        told, headers, answer = read_answer(one)
        assert told == status, answer
        assert headers["x-content-type-options"] == "nosniff"
        # The connection is as good as new.
        one.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert read_answer(one)[0] == 200


def test_a_batch_may_be_larger_up_to_its_own_limit(served: Served) -> None:
    body = batch(2)
    for size, status in ((16 * MIB, 200), (16 * MIB + 1, 413)):
        whole = body + b" " * (size - len(body))
        assert served.ask("POST", "/v1/score/batch", whole)[0] == status


def test_a_client_that_asks_before_it_sends_is_told_at_once(served: Served) -> None:
    with served.connect() as one:
        one.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
            b"Content-Length: 99999999\r\n" + JSON + b"\r\n"
        )
        assert read_answer(one)[0] == 413  # whoever waited for the body would say 408


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, gzip", "GZIP"])
def test_no_encoded_body_is_unpacked(served: Served, encoding: str) -> None:
    status, _, body = served.ask(
        "POST", "/v1/score", gzip.compress(BODY), Content_Encoding=encoding
    )

    assert (status, json.loads(body)["error"]) == (415, "encoded")


def test_a_body_that_says_it_is_not_encoded_is_taken(served: Served) -> None:
    assert served.ask("POST", "/v1/score", BODY, Content_Encoding="identity")[0] == 200


def test_four_times_too_many_requests_are_answered_or_told_to_come_again(
    home: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, str]] = []
    scored: list[float] = []
    health: list[float] = []
    ends = threading.Event()

    def ask() -> None:
        begun = time.monotonic()
        status, headers, _ = served.ask("POST", "/v1/score/batch", body)
        told.append((status, headers.get("retry-after", "")))
        if status == 200:
            scored.append(time.monotonic() - begun)

    def look() -> None:
        while not ends.wait(0.02):
            begun = time.monotonic()
            assert served.ask("GET", "/readyz")[0] == 200
            health.append(time.monotonic() - begun)

    with serve(home, tmp_path / "log", concurrency=8, waiting=8) as served:
        body = batch(300)
        ask()  # what is made on first use is made now
        told.clear()
        looking = threading.Thread(target=look)
        asking = [threading.Thread(target=ask) for _ in range(64)]
        for thread in (looking, *asking):
            thread.start()
        for thread in asking:
            thread.join()
        ends.set()
        looking.join()
        n_busy = served.metric('lead_refused_total{reason="busy"}')

    assert {status for status, _ in told} <= {200, 503}
    assert all(retry == "1" for status, retry in told if status == 503)
    assert sum(status == 200 for status, _ in told) >= 16
    assert n_busy == sum(status == 503 for status, _ in told)
    assert health
    # Whoever asks how it is does not stand in the queue with them.
    assert statistics.median(health) < statistics.median(scored) / 2


def test_whoever_asks_for_many_reports_and_goes_away_keeps_nobody_from_being_scored(
    served: Served,
) -> None:
    leads = [{"lead_id": f"R-{n}", "fields": {"source": "webinar"}} for n in range(1_000)]
    for _ in range(3):
        served.ask("POST", "/v1/score/batch", json.dumps({"leads": leads}).encode())
    for _ in range(200):
        with served.connect() as gone:
            gone.sendall(b"GET /v1/insight/reasons?days=30 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    begun = time.monotonic()
    statuses = [served.ask("POST", "/v1/score", BODY)[0] for _ in range(20)]

    assert statuses == [200] * 20
    assert time.monotonic() - begun < 10
