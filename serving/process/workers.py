"""Several scoring processes on one port, and the small one that keeps them alive.

The port is opened once and shared: a worker that dies loses what it had in work and nothing else,
since whoever waits at the door is let in by the others. A worker that cannot start is started again
with growing pauses; the port stays open, and ``/readyz`` of the others says how they are.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from serving.settings import ServeSettings

__all__ = ["Supervisor", "cores"]

log = logging.getLogger("lead_serve")

LOOK_SECONDS = 0.2
SILENT_SECONDS = 60.0
"""A worker that has told its counts, and then nothing for so long, hangs and is replaced."""
GRACE_SECONDS = 5.0
"""Beyond the time in which a worker ends by itself."""
LONGEST_PAUSE_SECONDS = 30.0
_SHORT_LIFE_SECONDS = 10.0


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class _Worker:
    running: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    n_failures: int = 0
    not_before: float = 0.0
    told: float = 0.0
    told_at: float = 0.0


class Supervisor:
    """Starts workers, replaces those that die or hang, ends them all.

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
        self._workers = [_Worker() for _ in range(n_workers)]
        self._is_ending = False
        self._folder = Path()

    def run(self) -> None:
        """Keep the workers running until told to end by SIGTERM or Ctrl-C."""
        self._listening.listen(2_048)
        self._listening.set_inheritable(True)
        self._folder = Path(tempfile.mkdtemp(prefix="lead-serve-"))
        try:
            with _signals_to(self._end):
                while not self._is_ending:
                    for place, worker in enumerate(self._workers):
                        self._look_after(place, worker)
                    time.sleep(LOOK_SECONDS)
                self._end_all()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._listening.close()

    def _end(self, _: int, __: FrameType | None) -> None:
        self._is_ending = True

    # -- keeping them alive ------------------------------------------------------------------------

    def _look_after(self, place: int, worker: _Worker) -> None:
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
                        place,
                        type(error).__name__,
                        pause,
                    )
            return
        code = worker.running.poll()
        if code is None and self._hangs(worker, worker.running.pid, now):
            log.error("worker %d (%d) hangs and is replaced", place, worker.running.pid)
            worker.running.kill()
            code = worker.running.wait()
        if code is None:
            return
        lived = now - worker.started
        worker.n_failures = worker.n_failures + 1 if lived < _SHORT_LIFE_SECONDS else 0
        pause = _pause(worker.n_failures)
        log.error(
            "worker %d (%d) ended with %d after %.1f s; the next starts in %.1f s",
            place,
            worker.running.pid,
            code,
            lived,
            pause,
        )
        worker.running, worker.not_before = None, now + pause

    def _start(self, worker: _Worker) -> None:
        number = self._listening.fileno()
        worker.running = subprocess.Popen(
            [sys.executable, "-m", "serving.process.worker", str(number), str(self._folder)],
            pass_fds=(number,),
            env=os.environ | {"LEAD_HOST": self._settings.host, "LEAD_PORT": self._port()},
        )
        worker.started = time.monotonic()

    def _port(self) -> str:
        return str(self._listening.getsockname()[1])

    def _hangs(self, worker: _Worker, number: int, now: float) -> bool:
        try:
            told = (self._folder / f"worker-{number}.json").stat().st_mtime
        except OSError:
            return False  # it is still starting, which may take as long as the store does
        if told != worker.told:
            # Measured by our own clock: the day's may jump, and all workers would hang at once.
            worker.told, worker.told_at = told, now
        return now - worker.told_at > SILENT_SECONDS

    # -- ending them -------------------------------------------------------------------------------

    def _end_all(self) -> None:
        # Until the last worker has gone, a second Ctrl-C changes nothing: they are ending.
        running = [worker.running for worker in self._workers if worker.running is not None]
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
def _signals_to(end: object) -> Iterator[None]:
    kept = {sig: signal.signal(sig, end) for sig in (signal.SIGTERM, signal.SIGINT)}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for sig, handler in kept.items():
            signal.signal(sig, handler)
