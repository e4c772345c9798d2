"""How long until the service is ready, beside the import of FastAPI alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.running import (
    ROOT,
    Server,
    end,
    environment,
    free_port,
    launch,
    python_command,
    wait_until_ready,
)

__all__ = ["StartUp", "measure_start_up"]


@dataclass(frozen=True)
class StartUp:
    """Median seconds on the clock and of the processor, taken by turns.

    Attributes
    ----------
    import_seconds, import_cpu_seconds : float
        ``python -c "import fastapi"``, whole.
    ready_seconds, ready_cpu_seconds : float
        ``lead-serve serve`` until /readyz answers 200, with tables and model in place.
    """

    import_seconds: float
    import_cpu_seconds: float
    ready_seconds: float
    ready_cpu_seconds: float

    @property
    def ratio(self) -> float:
        """Ready over import, on the clock."""
        return self.ready_seconds / self.import_seconds

    @property
    def cpu_ratio(self) -> float:
        """Ready over import, in processor time."""
        return self.ready_cpu_seconds / self.import_cpu_seconds


def measure_start_up(home: Path, *, rounds: int = 5) -> StartUp:
    """Start both by turns; the first time of each, which warms the disk, does not count."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "home"
        shutil.copytree(home, copy)
        taken = [(_import_fastapi(), _ready(copy)) for _ in range(rounds + 1)][1:]
    imports, ready = zip(*taken, strict=True)
    return StartUp(
        median(seconds for seconds, _ in imports),
        median(cpu for _, cpu in imports),
        median(server.ready_seconds for server in ready),
        median(server.ready_cpu_seconds for server in ready),
    )


def _import_fastapi() -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(python_command("-c", "import fastapi"), cwd=ROOT, env=environment())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


def _ready(home: Path) -> Server:
    port, log = free_port(), home / "serve.log"
    process = launch(
        python_command("-m", "serving.cli", "serve", "--port", str(port)),
        log,
        {"LEAD_HOME": str(home), "LEAD_ACCESS": "open"},
    )
    try:
        return wait_until_ready(process, port, "/readyz", log)
    finally:
        end(process)
