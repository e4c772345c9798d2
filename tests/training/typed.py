"""`lead-train` as it is typed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import training.cli


def lead_train(
    *arguments: object, home: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does; a training neither searches a recipe nor draws anew.

    Each runs in a process of its own, forked from one that has imported the libraries: a person
    waits for them once, two hundred commands would wait minutes.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEAD_", "MLFLOW_"))
    }
    environment = (
        kept
        | {"LEAD_HOME": str(home), "OMP_NUM_THREADS": "1"}
        | {"LEAD_CHOICE_SECONDS": "0", "LEAD_DRAWS": "0"}
        | variables
    )
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        typed = [str(one) for one in arguments]
        running = _FORKS.Process(target=_command, args=(typed, environment, out, err))
        running.start()
        running.join()
        assert running.exitcode is not None
        return subprocess.CompletedProcess(
            typed, running.exitcode, out.read_text("utf-8"), err.read_text("utf-8")
        )


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "mlflow", "training.commands", "training.pipeline"])


def _command(typed: list[str], environment: dict[str, str], out: Path, err: Path) -> None:
    """Be `lead-train`: the streams, the environment and the exit code are this process's own."""
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["lead-train", *typed]
    training.cli.main()
