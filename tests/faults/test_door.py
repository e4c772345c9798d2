"""Callers spread over the workers of a port, and workers renewed while they are called."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.process import workers
from serving.process.workers import Supervisor
from serving.settings import ServeSettings
from tests.faults.served import BODY, WHOLE, GoodTraffic, Served, serve, wait_for
from tests.faults.test_slow_clients import read_answer
from tests.faults.test_workers import SCORED, damage_models, ends_in_order, held, workers_of

N = 32


@contextlib.contextmanager
def two_workers(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_seconds: float = 15
) -> Iterator[Served]:
    """Run two workers, whose common folder lies in `tmp_path`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serve(home, tmp_path / "log", workers=2, idle_seconds=idle_seconds) as served:
        wait_for(lambda: len(held(served)) == 2, 60)
        yield served


def test_callers_who_come_at_once_spread_over_both_workers(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = []
    with two_workers(home, tmp_path, monkeypatch, idle_seconds=300) as served:
        for n_first in (N, N, N // 2, 1, N, N, N, N):
            wait_for(lambda: sum(held(served)) == 0, 60)
            with contextlib.ExitStack() as opened:
                callers = [opened.enter_context(served.connect()) for _ in range(n_first)]
                for one in callers:
                    one.sendall(WHOLE)
                callers += [opened.enter_context(served.connect()) for _ in range(N - n_first)]
                wait_for(lambda: sum(held(served)) == N, 60)
                largest.append(max(held(served)))
                for one in callers[n_first:]:
                    one.sendall(WHOLE)
                assert {read_answer(one)[0] for one in callers} == {200}
        ends_in_order(served)

    # Without turns nearly all who come at once sit with one of the two. A machine that is busy
    # elsewhere keeps one of them from its turn now and then, but not each time.
    assert sum(largest) <= 0.75 * N * len(largest), largest


def test_nobody_is_refused_while_a_worker_is_killed_and_starts_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_broken = n_answered = 0
    with (
        two_workers(home, tmp_path, monkeypatch, idle_seconds=300) as served,
        contextlib.ExitStack() as opened,
    ):
        for _ in range(N):
            opened.enter_context(served.connect())
        wait_for(lambda: sum(held(served)) >= N, 60)
        before = workers_of(served)
        os.kill(before[0], signal.SIGKILL)
        while before[0] in workers_of(served) or len(held(served)) < 2:
            with served.connect() as caller:  # raises where it is refused
                try:
                    caller.sendall(WHOLE)
                    assert read_answer(caller)[0] == 200
                    n_answered += 1
                except ConnectionError:
                    n_broken += 1

    assert n_broken <= 1  # the one that the dead worker had let in
    # One in two would wait for the new worker if the dead one had a queue of its own.
    assert n_answered >= 10


def test_a_worker_that_hangs_keeps_nobody_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How soon they are let in is counted in waits, in `tests/serving/test_turns.py`."""
    with (
        two_workers(home, tmp_path, monkeypatch, idle_seconds=300) as served,
        contextlib.ExitStack() as opened,
    ):
        hanging = workers_of(served)[0]
        os.kill(hanging, signal.SIGSTOP)  # it says for ever that it holds no connection
        try:
            callers = [opened.enter_context(served.connect()) for _ in range(400)]
            wait_for(lambda: max(held(served)) >= 400, 50)  # a look at /readyz may still be there
            callers[-1].sendall(WHOLE)
            assert read_answer(callers[-1])[0] == 200
        finally:
            os.kill(hanging, signal.SIGCONT)
        assert min(held(served)) <= 1


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
                wait_for(lambda: len(held(served)) == 2, 60)
        ends.set()
        looking.join()
        # By now all have told; those that have gone are in the sum too.
        wait_for(lambda: served.metric(SCORED) == len(good.seconds), 60)
        told = sorted(path.name for path in tmp_path.glob("lead-serve-*/*.json"))

        assert good.failures == []
        assert not_ready == []
        assert told[0] == "ended.json"
        assert len(told) <= 3
        ends_in_order(served)


def _are_all_new(served: Served, before: list[int]) -> bool:
    now = workers_of(served)
    return len(now) == 2 and not set(now) & set(before)


def test_where_a_new_worker_cannot_start_the_old_ones_stay(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pids: list[list[int]] = []

    def ask_for_new_ones(port: int) -> None:
        pids.append(_children())
        monkeypatch.setenv("LEAD_FACTORS", "none")
        os.kill(os.getpid(), signal.SIGHUP)
        wait_for(lambda: "the old ones stay" in caplog.text, 60)
        pids.append(_children())
        assert _answer(port) == b"HTTP/1.1 200"

    _supervise(home, monkeypatch, caplog, ask_for_new_ones)

    assert pids[0] == pids[1]
    assert len(pids[0]) == 1


def test_where_a_new_worker_has_no_model_the_old_ones_stay(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pids: list[list[int]] = []
    answers: list[bytes] = []

    def models_of(process: int) -> object:
        for told in tmp_path.glob(f"lead-serve-*/worker-{process}.json"):
            return json.loads(told.read_text("utf-8"))["models"]
        return None

    def ask_for_new_ones(port: int) -> None:
        pids.append(_children())
        damage_models(home)
        os.kill(os.getpid(), signal.SIGHUP)
        (new,) = wait_for(lambda: set(_children()) - set(pids[0]), 60)
        wait_for(lambda: models_of(new) == {}, 60)  # it runs, and is not taken for ready
        answers.extend(_answer(port) for _ in range(20))
        monkeypatch.setattr(workers, "START_SECONDS", 0.0)
        wait_for(lambda: "the old ones stay" in caplog.text, 60)
        pids.append(_children())
        answers.extend(_answer(port) for _ in range(20))

    _supervise(home, monkeypatch, caplog, ask_for_new_ones)

    assert pids[0] == pids[1]
    assert set(answers) == {b"HTTP/1.1 200"}


def test_a_worker_without_a_model_leaves_callers_to_one_that_has_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status() -> int:
        with contextlib.suppress(OSError):
            return served.ask("POST", "/v1/score", BODY)[0]
        return 0

    with two_workers(home, tmp_path, monkeypatch) as served:
        dies, stays = workers_of(served)
        damage_models(home)
        os.kill(dies, signal.SIGKILL)
        wait_for(lambda: "has no model" in served.log.read_text("utf-8"), 60)

        assert [status() for _ in range(20)] == [200] * 20

        os.kill(stays, signal.SIGKILL)
        wait_for(lambda: status() == 503, 60)  # nobody can score: callers are told so


def _supervise(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    act: Callable[[int], object],
) -> None:
    """Look after one worker in this process; act on its port once it answers, and end it."""
    caplog.set_level("INFO")
    monkeypatch.setenv("LEAD_HOME", str(home))
    monkeypatch.setenv("LEAD_ACCESS", "open")
    monkeypatch.setattr("os.isatty", lambda _: False)

    def look_on() -> None:
        try:
            wait_for(lambda: _answer(port) == b"HTTP/1.1 200", 60)
            act(port)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with socket.socket() as listening, ThreadPoolExecutor(1) as beside:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        looking_on = beside.submit(look_on)
        Supervisor(ServeSettings(home=home, access="open", port=0), listening, 1).run()
        looking_on.result()


def _children() -> list[int]:
    """Return the workers among the processes that this one has started."""
    told = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [
        int(number)
        for number in told
        if b"serving.process.worker" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]


def _answer(port: int) -> bytes:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as asking:
        asking.sendall(WHOLE)
        return asking.recv(65_536)[:12]
    return b""
