"""Several scoring processes on one port, and the small one that keeps them alive.

The port is opened once and shared: a worker that dies loses what it had in work and nothing else,
since whoever waits at the door is let in by the others. A worker that cannot start is started again
with growing pauses; the port stays open, and ``/readyz`` of the others says how they are. SIGHUP
replaces the workers one after the other: each goes only when its successor lets callers in.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.process.open_connections import OpenConnections
from serving.process.told_counts import fold_counts, tells_model
from serving.settings import ServeSettings

__all__ = ["Supervisor", "cores"]

log = logging.getLogger("lead_serve")

LOOK_SECONDS = 0.2
SILENT_SECONDS = 60.0
"""A worker that has told its counts, and then nothing for so long, hangs and is replaced."""
START_SECONDS = 120.0
"""A successor that lets nobody in for so long, or has no model, is given up."""
GRACE_SECONDS = 5.0
"""Beyond the time in which a worker ends by itself."""
LONGEST_PAUSE_SECONDS = 30.0
_SHORT_LIFE_SECONDS = 60.0


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Worker:
    place: int
    running: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    """When it was started, or told to go."""
    n_failures: int = 0
    not_before: float = 0.0
    told: float = 0.0
    told_at: float = 0.0


class Supervisor:
    """Starts workers, replaces those that die or hang or are to be renewed, ends them all.

    Parameters
    ----------
    settings : ServeSettings
        Of the workers; they read the environment as this process did.
    listening : socket.socket
        The open port, which the workers inherit.
    n_workers : int
        How many.
    """

    def __init__(self, settings: ServeSettings, listening: socket.socket, n_workers: int) -> None:
        self._settings = settings
        self._listening = listening
        self._workers = [_Worker(place) for place in range(n_workers)]
        self._spare_place = n_workers
        self._is_ending = self._is_to_renew = False
        self._to_renew: list[int] = []
        self._successor: _Worker | None = None
        self._leaving: _Worker | None = None

    def run(self) -> None:
        """Keep the workers running until told to end by SIGTERM or Ctrl-C."""
        self._listening.listen(2_048)
        self._listening.set_inheritable(True)
        self._folder = Path(tempfile.mkdtemp(prefix="lead-serve-"))
        self._open = OpenConnections.make(len(self._workers) + 1)
        try:
            with _signals_to(self._signals()):
                while not self._is_ending:
                    for number, worker in enumerate(self._workers):
                        self._look_after(number, worker)
                    self._renew()
                    time.sleep(LOOK_SECONDS)
                self._end_all()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._open.memory)
            self._listening.close()

    def _signals(self) -> dict[int, Any]:
        handlers: dict[int, Any] = {signal.SIGTERM: self._end, signal.SIGINT: self._end}
        if not os.isatty(0):  # else it says that the terminal was closed
            handlers[signal.SIGHUP] = self._ask_to_renew
        return handlers

    def _end(self, *_: object) -> None:
        self._is_ending = True

    def _ask_to_renew(self, *_: object) -> None:
        self._is_to_renew = True

    # -- keeping them alive ------------------------------------------------------------------------

    def _look_after(self, number: int, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.running is None:
            if now >= worker.not_before:
                try:
                    self._start(worker)
                except OSError as error:  # no memory, or no process to be had: not for ever
                    worker.n_failures += 1
                    pause = _pause(worker.n_failures)
                    worker.not_before = now + pause
                    log.error(
                        "worker %d cannot be started (%s); the next try comes in %.1f s",
                        number,
                        type(error).__name__,
                        pause,
                    )
            return
        process = worker.running.pid
        if worker.running.poll() is None and self._hangs(worker, process, now):
            log.error("worker %d (%d) hangs and is replaced", number, process)
            worker.running.kill()
            worker.running.wait()
        code = self._code_of_ended(worker)
        if code is None:
            return
        lived = now - worker.since
        worker.n_failures = worker.n_failures + 1 if lived < _SHORT_LIFE_SECONDS else 0
        pause = _pause(worker.n_failures)
        worker.not_before = now + pause
        log.error(
            "worker %d (%d) ended with %d after %.1f s; the next starts in %.1f s",
            number,
            process,
            code,
            lived,
            pause,
        )

    def _start(self, worker: _Worker) -> None:
        port, memory = self._listening.fileno(), self._open.memory
        given = [str(port), str(self._folder), str(worker.place), str(memory)]
        worker.running = subprocess.Popen(
            [sys.executable, "-m", "serving.process.worker", *given],
            pass_fds=(port, memory),
            env=os.environ | {"LEAD_HOST": self._settings.host, "LEAD_PORT": self._port()},
        )
        worker.since = time.monotonic()

    def _port(self) -> str:
        return str(self._listening.getsockname()[1])

    def _code_of_ended(self, worker: _Worker) -> int | None:
        """Return with what a worker has ended, once; what it told is put in order."""
        running = worker.running
        if running is None or running.poll() is None:
            return None
        worker.running = None
        self._open.close(worker.place)
        try:
            fold_counts(self._folder, running.pid)
        except OSError as error:
            log.error("the counts of (%d) were not added up: %s", running.pid, type(error).__name__)
        return running.returncode

    def _hangs(self, worker: _Worker, process: int, now: float) -> bool:
        try:
            told = (self._folder / f"worker-{process}.json").stat().st_mtime
        except OSError:
            return False  # it is still starting, which may take as long as the store does
        if told != worker.told:
            # Measured by our own clock: the day's may jump, and all workers would hang at once.
            worker.told, worker.told_at = told, now
        return now - worker.told_at > SILENT_SECONDS

    # -- replacing them by new ones ----------------------------------------------------------------

    def _renew(self) -> None:
        """Go on with replacing the workers: one at a time, and each by one that is ready."""
        now = time.monotonic()
        if self._leaving is not None:
            self._wait_for_leaving(self._leaving, now)
        elif self._successor is not None:
            self._wait_for_successor(self._successor, now)
        elif self._to_renew:
            self._start_successor()
        elif self._is_to_renew:
            self._is_to_renew = False
            self._to_renew = list(range(len(self._workers)))
            log.info("the workers are replaced one after the other")

    def _start_successor(self) -> None:
        if self._workers[self._to_renew[0]].running is None:
            self._to_renew.pop(0)  # it died, and starts anew by itself
            return
        successor = _Worker(self._spare_place)
        try:
            self._start(successor)
        except OSError as error:
            self._give_up(type(error).__name__)
        else:
            self._successor = successor

    def _wait_for_successor(self, successor: _Worker, now: float) -> None:
        number = self._to_renew[0]
        if self._can_replace(successor, self._workers[number]):
            del self._to_renew[0]
            leaving, self._workers[number] = self._workers[number], successor
            self._successor, self._leaving, self._spare_place = None, leaving, leaving.place
            leaving.since = now
            if leaving.running is not None:
                leaving.running.terminate()
        elif (code := self._code_of_ended(successor)) is not None:
            self._give_up(f"it ended with {code}")
        elif now - successor.since > START_SECONDS and successor.running is not None:
            successor.running.kill()
            successor.running.wait()
            self._code_of_ended(successor)
            self._give_up(f"not ready within {START_SECONDS:.0f} s")

    def _can_replace(self, successor: _Worker, leaving: _Worker) -> bool:
        has_door_open = self._open.is_open(successor.place)
        return has_door_open and (self._has_model(successor) or not self._has_model(leaving))

    def _has_model(self, worker: _Worker) -> bool:
        return worker.running is not None and tells_model(self._folder, worker.running.pid)

    def _give_up(self, why: str) -> None:
        self._successor, self._to_renew = None, []
        log.error("a new worker cannot serve (%s); the old ones stay", why)

    def _wait_for_leaving(self, leaving: _Worker, now: float) -> None:
        longest = self._settings.idle_seconds + self._settings.stop_seconds + 2 * GRACE_SECONDS
        if leaving.running is not None and now - leaving.since > longest:
            log.error("worker (%d) did not end in time and is killed", leaving.running.pid)
            leaving.running.kill()
            leaving.running.wait()
        self._code_of_ended(leaving)
        if leaving.running is None:
            self._leaving = None

    # -- ending them -------------------------------------------------------------------------------

    def _end_all(self) -> None:
        # Until the last worker has gone, a second Ctrl-C changes nothing: they are ending.
        known = [*self._workers, self._successor, self._leaving]
        running = [one.running for one in known if one is not None and one.running is not None]
        self._open.close_all()
        for one in running:
            with contextlib.suppress(ProcessLookupError):
                one.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._settings.stop_seconds + GRACE_SECONDS
        for one in running:
            try:
                one.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("worker %d did not end in time and is killed", one.pid)
                one.kill()
                one.wait()


def _pause(n_failures: int) -> float:
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(n_failures, 10) / 2) if n_failures else 0.0


@contextlib.contextmanager
def _signals_to(handlers: Mapping[int, Any]) -> Iterator[None]:
    kept = {sig: signal.signal(sig, handler) for sig, handler in handlers.items()}
    try:
        yield
    finally:
        for sig, handler in kept.items():
            signal.signal(sig, handler)
