"""Whether MLflow proposes another version than serves: asked seldom, by one worker, and reported.

A proposal changes nothing by itself; a person approves it. The worker that holds a lock on a file
asks, and the others read what it wrote down; when it ends, another takes its place.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

from features.errors import LeadQualityError
from features.private_folders import make_private
from serving.model_life.registry import Registry
from serving.model_life.sources import is_version
from serving.process.watching import look_every
from serving.whole_files import write_whole

__all__ = ["RegistryState", "RegistryWatch"]

log = logging.getLogger("lead_serve")

Status = Literal["ok", "unreachable", "off", "unknown"]

FIRST_SECONDS = 5.0
"""What is started is not asked at once: other things come first."""

_TICK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What is known of the registry.

    Attributes
    ----------
    status : {"ok", "unreachable", "off", "unknown"}
        `off`: it is not asked, or there is none; `unknown`: it has not answered yet.
    proposed : str
        The version behind the alias ``champion`` when it last answered; empty when there is none.
    """

    status: Status
    proposed: str = ""


_OFF: Final = RegistryState("off")
_UNKNOWN: Final = RegistryState("unknown")


class RegistryWatch:
    """Asks now and then which version is proposed.

    Parameters
    ----------
    registry : Registry
        Is asked.
    folder : Path
        Where workers share the lock and the answer.
    seconds : float
        Time from one question to the next; 0 asks never.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._lock_path = folder / ".registry"
        self._answer_path = folder / "registry.json"
        self._seconds = seconds
        self._clock = clock
        self._lock: IO[str] | None = None
        self._due = clock() + min(FIRST_SECONDS, seconds)
        self._state = _UNKNOWN if seconds and registry.is_there else _OFF

    @property
    def state(self) -> RegistryState:
        """What is known now."""
        return self._state

    async def watch(self) -> None:
        """Look every few seconds until cancelled."""
        if self._seconds:
            await look_every(
                min(_TICK_SECONDS, self._seconds), self.look, "asking what is proposed"
            )

    def look(self) -> None:
        """Ask if it is this worker's turn and time to, else read what another was told."""
        if not self._seconds or not self._registry.is_there:
            self._state = _OFF
        elif not self._has_turn():
            self._state = self._read()
        elif self._clock() >= self._due:
            self._state = self._ask()
            self._due = self._clock() + self._seconds

    def close(self) -> None:
        """Let another worker ask."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _has_turn(self) -> bool:
        import fcntl

        if self._lock is not None:
            return True
        with suppress(OSError):
            make_private(self._lock_path.parent)
            file = self._lock_path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._lock = file
            return True
        return False

    def _ask(self) -> RegistryState:
        try:
            state = RegistryState("ok", self._registry.proposed())
        except LeadQualityError as error:
            if self._state.status != "unreachable":
                log.warning("the registry cannot be asked: %s", error)
            state = RegistryState("unreachable", self._state.proposed)
        if state.proposed != self._state.proposed and state.proposed:
            log.info("MLflow proposes version %s", state.proposed)
        told = {"status": state.status, "proposed": state.proposed, "at": time.time()}
        with suppress(OSError):
            write_whole(self._answer_path, json.dumps(told).encode())
        return state

    def _read(self) -> RegistryState:
        with suppress(OSError, ValueError, TypeError, KeyError):
            told = json.loads(self._answer_path.read_bytes())
            is_fresh = time.time() - float(told["at"]) < 2 * self._seconds + 60
            proposed = str(told["proposed"])
            if is_fresh and told["status"] in ("ok", "unreachable"):
                return RegistryState(told["status"], proposed if is_version(proposed) else "")
        return _UNKNOWN
