"""The end: what is in work is answered, what stalls is cut, and it never takes long."""

from __future__ import annotations

import http.client
import json
import signal
import sqlite3
import threading
import time
from pathlib import Path

from tests.faults.served import BODY, WHOLE, GoodTraffic, Served, serve, stall, wait_for
from tests.faults.test_slow_clients import read_answer


def test_requests_in_work_are_answered_and_recorded_before_the_end(
    home: Path, tmp_path: Path
) -> None:
    leads = [{"lead_id": f"L-{n}", "fields": {"source": "webinar"}} for n in range(1_000)]
    body = json.dumps({"leads": leads}).encode()
    told: list[tuple[int, bool]] = []

    def ask() -> None:
        status, _, answer = served.ask("POST", "/v1/score/batch", body)
        results = json.loads(answer)["results"]
        told.append((status, all(one["recorded"] for one in results)))

    with serve(home, tmp_path / "log") as served:
        asking = [threading.Thread(target=ask) for _ in range(4)]
        for thread in asking:
            thread.start()
        wait_for(lambda: served.metric("lead_requests_in_work") == 4, 10)
        took = served.end()
        for thread in asking:
            thread.join()

    assert [status for status, _ in told] == [200] * 4
    assert took <= 15
    n_recorded = sum(len(leads) for _, is_recorded in told if is_recorded)
    with sqlite3.connect(home / "lead_serve.db") as database:
        (n_rows,) = database.execute("SELECT count(*) FROM predictions").fetchone()
    assert n_rows >= n_recorded


def test_clients_that_come_again_and_again_lose_no_answer_at_the_end(
    home: Path, tmp_path: Path
) -> None:
    """A connection is closed only after an answer that said so, so that nobody is cut off."""
    lost: list[str] = []
    answered = 0

    def ask() -> None:
        nonlocal answered
        asking = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        while True:
            try:
                asking.connect() if asking.sock is None else None
            except OSError:
                return  # the door is closed: nothing was asked
            try:
                asking.request("POST", "/v1/score", BODY, {"Content-Type": "application/json"})
                answer = asking.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                lost.append(type(error).__name__)
                asking.close()
                return
            if answer.status != 200:
                lost.append(str(answer.status))
            answered += 1

    with serve(home, tmp_path / "log") as served:
        asking = [threading.Thread(target=ask) for _ in range(8)]
        for thread in asking:
            thread.start()
        time.sleep(1)
        took = served.end()
        for thread in asking:
            thread.join()

    assert answered > 8
    assert lost == []
    assert took <= 15


def test_stalled_clients_do_not_hold_up_the_end(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log") as served:
        opened = [
            *stall(served, "half a body", 50),
            *stall(served, "half a header", 20),
            *stall(served, "idle", 20),
            *stall(served, "never reads", 5),
        ]
        time.sleep(0.5)
        took = served.end()
        for one in opened:
            one.close()

    assert took <= 15
    lines = [json.loads(line) for line in served.log.read_text("utf-8").splitlines()]
    assert [line for line in lines if line["level"] in ("ERROR", "CRITICAL")] == []


def test_readyz_says_no_before_the_door_closes(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log") as served:
        served.running.send_signal(signal.SIGTERM)
        said = wait_for(lambda: _said(served), 5)
        with served.connect() as one:
            one.sendall(WHOLE)
            status, headers, _ = read_answer(one)
        served.running.wait(20)

    assert said == (503, "ending")
    assert (status, headers["connection"]) == (200, "close")


def _said(served: Served) -> tuple[int, str] | None:
    status, _, body = served.ask("GET", "/readyz")
    return None if status == 200 else (status, json.loads(body)["status"])


def test_ctrl_c_ends_it_at_once_and_without_a_trace(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log") as served, GoodTraffic(served, n_clients=1):
        time.sleep(0.5)
        took = served.end(signal.SIGINT)

    text = served.log.read_text("utf-8")
    assert served.running.returncode == 0
    assert took < 6
    assert "lead-serve has ended" in text
    assert "Traceback" not in text
