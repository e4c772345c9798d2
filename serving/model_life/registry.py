"""The model registry as the service sees it: a child process with limits asks MLflow for it.

The service never waits for MLflow to answer a request, and never imports it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import ArtefactRefused
from serving.errors import ModelUnavailable, VersionInvalid
from serving.model_life.sources import allowed_sources, is_name, is_version
from serving.settings import ServeSettings

__all__ = ["ALIAS", "ASK_SECONDS", "Fetched", "Registry"]

ALIAS = "champion"
"""What may be said instead of a version: the one that training proposes."""

ASK_SECONDS = 60.0
"""Time that asking for the proposed version may take, its child's start included."""

_FILE = "sqlite:///"
_MEMORY = 2 * 1024**3
_MOST_OUTPUT = 4_000
_CHILD_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model version that was fetched and loaded on trial.

    Attributes
    ----------
    version : str
        The number behind the version or alias asked for.
    digest : str
        The model digest of its files.
    manifest_digest : str
        SHA-256 of its manifest.
    """

    version: str
    digest: str
    manifest_digest: str


class Registry:
    """Asks MLflow, one child at a time or several; all of them end with `stop`."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._address = _absolute(settings.tracking_address)
        self._running: set[subprocess.Popen[str]] = set()
        self._is_stopped = False
        self._guard = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Whether there is a store to ask: an embedded one may not have been made yet."""
        # MLflow would make an empty store where there is none, and then miss the version in it.
        return not self._address.startswith(_FILE) or (
            Path(self._address.removeprefix(_FILE)).is_file()
        )

    def fetch(self, version: str, folder: Path) -> Fetched:
        """Bring the files of a model version into `folder`/scorer, verified and tried.

        Raises
        ------
        ModelUnavailable
            If the store does not answer in time, or has no such version.
        ArtefactRefused
            If the model is damaged, foreign, not the one its tag promises, or lies elsewhere.
        VersionInvalid
            If there can be no such version.
        """
        settings = self._settings
        if version != ALIAS and not is_version(version):
            raise VersionInvalid(f"A version is a number such as 7, or the word {ALIAS}.")
        asked = {
            "do": "fetch",
            "version": version,
            "folder": str(folder.absolute()),
            "sources": allowed_sources(
                settings.model_sources, settings.tracking_address, settings.home
            ),
        }
        said = self._ask(asked, settings.fetch_seconds, folder)
        return Fetched(*(str(said[part]) for part in ("version", "digest", "manifest_digest")))

    def proposed(self) -> str:
        """Return the version behind the alias ``champion``; empty when there is none.

        Raises
        ------
        ModelUnavailable
            If the store does not answer in time.
        """
        seconds = min(ASK_SECONDS, self._settings.fetch_seconds)
        folder = self._settings.models_folder
        if not folder.is_dir():  # before the first approval
            folder = Path(tempfile.gettempdir())
        return str(self._ask({"do": "propose"}, seconds, folder)["version"])

    def stop(self) -> None:
        """End every child, and let no other begin."""
        with self._guard:
            self._is_stopped = True
            for child in self._running:
                _kill(child)

    def _ask(self, asked: dict[str, Any], seconds: float, folder: Path) -> dict[str, Any]:
        settings = self._settings
        if not self.is_there:
            raise ModelUnavailable(
                f"There is no MLflow store at {self._address}. Train a model first "
                "(lead-train train), or set LEAD_TRACKING_URI."
            )
        if not is_name(settings.model_name):
            raise VersionInvalid(
                "LEAD_MODEL_NAME cannot be a registered model's name: it holds one of / : \\ % ? # "
                "or a quotation mark, or begins or ends with a space."
            )
        whole = asked | {
            "tracking_uri": self._address,
            "model_name": settings.model_name,
            "max_bytes": int(settings.max_model_mb * 1024 * 1024),
            "memory": _MEMORY,
            "seconds": seconds,
            "parent": os.getpid(),
        }
        code, printed, complained = self._run(json.dumps(whole), seconds, folder)
        said = _last_json(printed)
        if said is not None and "refused" in said:
            if said.get("code") in ("unreachable", "unknown"):
                raise ModelUnavailable(str(said["refused"]))
            raise ArtefactRefused(str(said["refused"]), str(said.get("code")))
        if code < 0:
            raise ArtefactRefused(
                f"The trial load was ended by {_signal_name(-code)}: it used too much memory or "
                "time, or broke down. The server is not touched by it.",
                "trial_failed",
            )
        if code != 0 or said is None:
            reason = _without_credentials(_last_line(complained))
            raise ModelUnavailable(f"Fetching from MLflow failed (exit code {code}): {reason}")
        return said

    def _run(self, asked: str, seconds: float, folder: Path) -> tuple[int, str, str]:
        """Run the child to its end; its group is killed when its time is over."""
        with self._guard:
            if self._is_stopped:
                raise ModelUnavailable("The service is ending; nothing was fetched.")
            child = _start(folder, self._address)
            self._running.add(child)
        try:
            printed, complained = child.communicate(asked, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise ModelUnavailable(
                f"The MLflow store did not answer within {seconds:g} s (LEAD_FETCH_SECONDS). Check "
                "LEAD_TRACKING_URI and that the store runs. What serves now goes on."
            ) from error
        finally:
            if child.poll() is None:  # its time is over, or somebody pressed Ctrl-C
                _kill(child)
                child.communicate()
            with self._guard:
                self._running.discard(child)
        if self._is_stopped:
            raise ModelUnavailable("The service is ending; nothing was fetched.")
        return child.returncode, printed, complained


def _start(folder: Path, address: str) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "serving.model_life.champion"],  # our own module, no shell
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=folder,
            env=_environment(folder, address),
            start_new_session=True,
        )
    except OSError as error:
        raise ModelUnavailable(
            f"The process that asks MLflow could not be started ({type(error).__name__}). "
            "What serves now goes on."
        ) from error


def _absolute(address: str) -> str:
    # The child runs in a folder of its own.
    if not address.startswith(_FILE):
        return address
    return f"{_FILE}{Path(address.removeprefix(_FILE)).absolute()}"


def _environment(folder: Path, address: str) -> dict[str, str]:
    # Credentials of MLflow and its stores are passed on; our own secrets are none of its business,
    # and PGPASSWORD opens our database, unless MLflow's store is such a one too.
    ours = ("LEAD_",) if address.startswith("postgresql") else ("LEAD_", "PG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    packages = [str(Path(__file__).parents[2]), kept.get("PYTHONPATH", "")]
    return (
        kept
        | _CHILD_SETTINGS
        | {"TMPDIR": str(folder.absolute()), "PYTHONPATH": os.pathsep.join(filter(None, packages))}
    )


def _kill(child: subprocess.Popen[str]) -> None:
    """Kill a child with all that it started."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_json(printed: str) -> dict[str, Any] | None:
    for line in reversed(printed[-_MOST_OUTPUT:].splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            return said
    return None


def _last_line(printed: str) -> str:
    lines = [line for line in printed[-_MOST_OUTPUT:].splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def _without_credentials(told: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", told)
