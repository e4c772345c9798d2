"""Servers as processes of their own: started, waited for, measured from outside, ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Loaded

__all__ = [
    "ROOT",
    "Server",
    "ServerFailed",
    "Shape",
    "end",
    "environment",
    "free_port",
    "launch",
    "load",
    "python_command",
    "serve",
    "wait_until_ready",
]

ROOT = Path(__file__).resolve().parents[2]
_TICK = os.sysconf("SC_CLK_TCK")
_MIB = 1024.0


class ServerFailed(RuntimeError):
    """A server did not come up; the message ends with its last lines."""


@dataclass(frozen=True)
class Shape:
    """What a server holds at a moment.

    Attributes
    ----------
    processes : int
        Itself and what it started.
    rss_mib, largest_rss_mib : float
        Resident memory of all, and of the largest one.
    files, threads : int
        Open files and threads of all.
    """

    processes: int
    rss_mib: float
    largest_rss_mib: float
    files: int
    threads: int


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes
    ----------
    pid, port : int
        Its first process, and where it listens on 127.0.0.1.
    ready_seconds, ready_cpu_seconds : float
        Time on the clock and of the processor from its start to its first good answer.
    """

    pid: int
    port: int
    ready_seconds: float
    ready_cpu_seconds: float

    def cpu_seconds(self) -> float:
        """Return the processor time of it and its children so far."""
        return sum(_cpu_seconds(pid) for pid in _family(self.pid))

    def shape(self) -> Shape:
        """Return memory, files and threads now."""
        pids = _family(self.pid)
        status = [_status(pid) for pid in pids]
        memory = [int(one.get("VmRSS", "0 kB").split()[0]) / _MIB for one in status]
        return Shape(
            len(pids),
            sum(memory),
            max(memory, default=0.0),
            sum(_n_files(pid) for pid in pids),
            sum(int(one.get("Threads", "0")) for one in status),
        )

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body of one request; `body` goes out as JSON."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = None if body is None else json.dumps(body).encode()
        try:
            line.request(
                method, path, sent, {"Content-Type": "application/json"} | dict(headers or {})
            )
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


def python_command(*arguments: str) -> list[str]:
    """Return the command that runs a module or code with this Python."""
    return [sys.executable, *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what every child sees: one thread for each numeric library, none of our settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEAD_")}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # MLflow starts `uvicorn` by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return kept | one | {"PATH": path} | dict(more or {})


def launch(
    command: Sequence[str], log: Path, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server; what it says goes into `log`."""
    with log.open("ab") as said:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(settings),
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def wait_until_ready(
    process: subprocess.Popen[bytes], port: int, path: str, log: Path, patience: float = 90.0
) -> Server:
    """Wait for a server's first good answer; its times count from this call."""
    began = time.perf_counter()
    server = Server(process.pid, port, 0.0, 0.0)
    while True:
        if process.poll() is not None:
            raise ServerFailed(f"The server ended with {process.returncode}:\n{_tail(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.ask("GET", path)[0] == 200:
                break
        if time.perf_counter() - began > patience:
            raise ServerFailed(f"The server was not ready after {patience:g} s:\n{_tail(log)}")
        time.sleep(0.01)
    return Server(process.pid, port, time.perf_counter() - began, server.cpu_seconds())


@contextlib.contextmanager
def serve(
    command: Sequence[str],
    *,
    port: int,
    ready: str,
    log: Path,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a server, wait until `ready` answers 200, and end it with all it started."""
    process = launch(command, log, settings)
    try:
        yield wait_until_ready(process, port, ready, log)
    finally:
        end(process)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(
    server: Server,
    requests: Path,
    *,
    connections: int,
    seconds: float,
    most: int = 1_000_000_000,
    rate: float = 0.0,
    skip: int = 0,
) -> tuple[Loaded, float]:
    """Run the load generator beside a server; return what it saw and the server's CPU seconds."""
    before = server.cpu_seconds()
    done = subprocess.run(
        [
            *python_command("-m", "tests.bench.load"),
            *("--address", f"127.0.0.1:{server.port}", "--requests", str(requests)),
            *("--connections", str(connections), "--seconds", str(seconds)),
            *("--most", str(most), "--rate", str(rate), "--skip", str(skip)),
        ],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=seconds + 180,
    )
    return Loaded(**json.loads(done.stdout)), server.cpu_seconds() - before


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server as an operator does; then whatever is left of its own session."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _family(first: int) -> list[int]:
    """Return a process and all that descend from it and still run."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
    found = [first] if first in parents else []
    for pid in found:  # grows while it is read
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _stat(pid: int) -> list[str]:
    """Return what ``/proc/PID/stat`` says after the name, which may itself hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    try:
        user, system, children_user, children_system = map(int, _stat(pid)[11:15])
    except (OSError, ValueError):
        return 0.0
    return (user + system + children_user + children_system) / _TICK


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _n_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
