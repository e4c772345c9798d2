"""Callers spread over the workers of a port, and workers renewed while they are called."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.process.workers import Supervisor
from serving.settings import ServeSettings
from tests.faults.served import WHOLE, GoodTraffic, Served, serve, wait_for
from tests.faults.test_slow_clients import read_answer
from tests.faults.test_workers import SCORED, workers_of

N = 32


@contextlib.contextmanager
def two_workers(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Run two workers, whose common folder lies in `tmp_path`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2) as served:
        wait_for(lambda: len(held(tmp_path)) == 2, 60)
        yield served


def held(tmp_path: Path) -> list[int]:
    """Return how many connections each worker that lets callers in holds."""
    (told,) = tmp_path.glob("lead-serve-*/open_connections")
    return [n for n in array("i", told.read_bytes()) if n >= 0]


def test_callers_who_come_at_once_spread_over_both_workers(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_workers(home, tmp_path, monkeypatch) as served:
        for n_first in (N, N, N // 2, 1, N, N):
            wait_for(lambda: sum(held(tmp_path)) == 0, 20)
            with contextlib.ExitStack() as opened:
                callers = [opened.enter_context(served.connect()) for _ in range(n_first)]
                for one in callers:
                    one.sendall(WHOLE)
                callers += [opened.enter_context(served.connect()) for _ in range(N - n_first)]
                wait_for(lambda: sum(held(tmp_path)) == N, 20)
                found = held(tmp_path)
                for one in callers[n_first:]:
                    one.sendall(WHOLE)
                assert {read_answer(one)[0] for one in callers} == {200}
            assert all(0.3 * N <= n <= 0.7 * N for n in found), (n_first, found)
        assert served.end() <= 15
    assert served.running.returncode == 0


def test_nobody_is_refused_while_a_worker_is_killed_and_starts_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, slowest = 0, 0.0
    with two_workers(home, tmp_path, monkeypatch) as served, contextlib.ExitStack() as opened:
        for _ in range(N):
            opened.enter_context(served.connect())
        wait_for(lambda: sum(held(tmp_path)) >= N, 20)
        before = workers_of(served)
        os.kill(before[0], signal.SIGKILL)
        is_back = False
        while not is_back:
            begun = time.monotonic()
            with served.connect() as caller:  # raises where it is refused
                try:
                    caller.sendall(WHOLE)
                    assert read_answer(caller)[0] == 200
                except ConnectionError:
                    broken += 1
            slowest = max(slowest, time.monotonic() - begun)
            is_back = len(held(tmp_path)) == 2 and before[0] not in workers_of(served)

    assert broken <= 1  # the one that the dead worker had let in
    assert slowest < 10


def test_a_worker_that_hangs_keeps_nobody_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_workers(home, tmp_path, monkeypatch) as served, contextlib.ExitStack() as opened:
        hanging = workers_of(served)[0]
        os.kill(hanging, signal.SIGSTOP)  # it says for ever that it holds no connection
        try:
            callers = [opened.enter_context(served.connect()) for _ in range(800)]
            # With one caller for each wait it were 15 s.
            wait_for(lambda: sum(held(tmp_path)) == 800, 10)
            callers[-1].sendall(WHOLE)
            assert read_answer(callers[-1])[0] == 200
        finally:
            os.kill(hanging, signal.SIGCONT)
        assert sorted(held(tmp_path)) == [0, 800]


def test_workers_are_renewed_one_by_one_and_no_request_fails(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_ready: list[int] = []
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(0.05):
            status = served.ask("GET", "/readyz")[0]
            if status != 200:
                not_ready.append(status)

    with two_workers(home, tmp_path, monkeypatch) as served:
        looking = threading.Thread(target=look)
        looking.start()
        with GoodTraffic(served, n_clients=6, a_second=10) as good:
            for _ in range(2):
                before = workers_of(served)
                served.running.send_signal(signal.SIGHUP)
                wait_for(lambda before=before: _are_all_new(served, before), 120)
                wait_for(lambda: len(held(tmp_path)) == 2, 20)
        ends.set()
        looking.join()
        # By now all have told; those that have gone are in the sum too.
        wait_for(lambda: served.metric(SCORED) == len(good.seconds), 10)
        told = sorted(path.name for path in tmp_path.glob("lead-serve-*/*.json"))

        assert good.failures == []
        assert not_ready == []
        assert told[0] == "ended.json"
        assert len(told) <= 3
        assert served.end() <= 15
    assert served.running.returncode == 0


def _are_all_new(served: Served, before: list[int]) -> bool:
    now = workers_of(served)
    return len(now) == 2 and not set(now) & set(before)


def test_where_a_new_worker_cannot_start_the_old_ones_stay(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv("LEAD_HOME", str(home))
    monkeypatch.setenv("LEAD_ACCESS", "open")
    settings = ServeSettings(home=home, access="open", port=0)
    pids: list[list[int]] = []

    def ask_for_new_ones() -> None:
        try:
            wait_for(lambda: _answer(port) == b"HTTP/1.1 200", 60)
            pids.append(_children())
            monkeypatch.setenv("LEAD_FACTORS", "none")
            os.kill(os.getpid(), signal.SIGHUP)
            wait_for(lambda: "the old ones stay" in caplog.text, 60)
            pids.append(_children())
            assert _answer(port) == b"HTTP/1.1 200"
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("os.isatty", lambda _: False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        asking = threading.Thread(target=ask_for_new_ones)
        asking.start()
        Supervisor(settings, listening, 1).run()
        asking.join()

    assert pids[0] == pids[1]
    assert len(pids[0]) == 1


def _children() -> list[int]:
    told = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [int(number) for number in told.split()]


def _answer(port: int) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as asking:
        asking.sendall(WHOLE)
        return asking.recv(65_536)[:12]
    return b""
