"""Several workers on one port: counted together, replaced when they die, ended together."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from serving.process.workers import Supervisor
from serving.settings import ServeSettings
from tests.faults.served import BODY, GoodTraffic, Served, serve, wait_for

SCORED = 'lead_request_seconds_count{method="POST",route="/v1/score",status="200"}'


def workers_of(served: Served) -> list[int]:
    """Return the process numbers of the workers."""
    told = Path(f"/proc/{served.running.pid}/task/{served.running.pid}/children").read_text()
    return [int(number) for number in told.split()]


def test_what_two_workers_count_adds_up_and_outlives_one_of_them(
    home: Path, tmp_path: Path
) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        for _ in range(200):
            assert served.ask("POST", "/v1/score", BODY)[0] == 200
        wait_for(lambda: served.metric(SCORED) == 200, 5)
        time.sleep(1.2)  # by now both have told
        assert {served.metric(SCORED) for _ in range(10)} == {200.0}
        assert served.metric("lead_score_count") == 200
        first = workers_of(served)
        os.kill(first[0], signal.SIGKILL)

        wait_for(lambda: len(set(workers_of(served)) - set(first)) == 1, 20)
        wait_for(lambda: served.metric("lead_workers") == 2, 40)

        assert {served.metric(SCORED) for _ in range(10)} == {200.0}
        assert served.end() <= 15
        assert workers_gone(first)


def workers_gone(numbers: list[int]) -> bool:
    return not any(Path(f"/proc/{number}").exists() for number in numbers)


def test_workers_that_are_killed_again_and_again_cost_only_what_they_had_in_work(
    home: Path, tmp_path: Path
) -> None:
    with (
        serve(home, tmp_path / "log", workers=2) as served,
        GoodTraffic(served, n_clients=4, a_second=10) as good,
    ):
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        for _ in range(2):
            before = workers_of(served)
            os.kill(before[0], signal.SIGKILL)
            wait_for(lambda before=before: len(set(workers_of(served)) - set(before)) == 1, 20)
            wait_for(lambda: served.metric("lead_workers") == 2, 40)
    assert len(good.failures) <= 2 * 4  # at most what the dead one held: one request a client


def test_a_worker_that_dies_again_and_again_starts_with_growing_pauses(
    home: Path, tmp_path: Path
) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        stays, dies = workers_of(served)
        for _ in range(3):
            os.kill(dies, signal.SIGKILL)
            others = {stays, dies}
            wait_for(lambda others=others: set(workers_of(served)) - others, 30)
            (dies,) = set(workers_of(served)) - others

        pauses = re.findall(r"the next starts in (\S+) s", served.log.read_text("utf-8"))
        assert pauses == ["1.0", "2.0", "4.0"]
        assert served.end() <= 15


def test_a_clock_that_jumps_makes_no_worker_hang(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        workers = workers_of(served)
        for _ in range(20):  # seen from a supervisor whose clock is an hour ahead
            for told in tmp_path.glob("lead-serve-*/worker-*.json"):
                os.utime(told, (time.time() - 3600, time.time() - 3600))
            time.sleep(0.1)

        assert workers_of(served) == workers


def test_all_workers_may_die_at_once_and_ctrl_c_still_ends_in_order(
    home: Path, tmp_path: Path
) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        dead = workers_of(served)
        for number in dead:
            os.kill(number, signal.SIGKILL)
        wait_for(lambda: len(set(workers_of(served)) - set(dead)) == 2, 20)
        wait_for(lambda: _answers(served), 40)

        assert served.end(signal.SIGINT) <= 15
    assert served.running.returncode == 0
    assert "Traceback" not in served.log.read_text("utf-8")


def _answers(served: Served) -> bool:
    try:
        return served.ask("GET", "/readyz")[0] == 200
    except OSError:
        return False


def test_a_worker_without_its_parent_ends_and_frees_the_port(home: Path, tmp_path: Path) -> None:
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: served.metric("lead_workers") == 2, 30)
        numbers = workers_of(served)
        served.running.kill()
        served.running.wait()

        wait_for(lambda: workers_gone(numbers), 20)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", served.port))


@pytest.mark.parametrize(
    ("changed", "pauses"),
    [
        ("LEAD_FACTORS", r"starts in (\S+) s"),  # a setting with which no worker can start
        ("PATH", r"comes in (\S+) s"),  # no process can be made
    ],
)
def test_a_worker_that_cannot_start_is_tried_again_with_pauses_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, changed: str, pauses: str
) -> None:
    if changed == "PATH":
        monkeypatch.setattr("sys.executable", "/nowhere/python")
    else:
        monkeypatch.setenv(changed, "none")
    caplog.set_level("ERROR")
    settings = ServeSettings.model_construct(host="127.0.0.1", port=0, stop_seconds=5.0)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        supervisor = Supervisor(settings, listening, 1)
        ending = threading.Timer(6, os.kill, (os.getpid(), signal.SIGTERM))
        ending.start()
        supervisor.run()
        ending.join()

    assert re.findall(pauses, caplog.text)[:2] == ["1.0", "2.0"]
