"""Whether the service can be sent requests, found out without ever holding up the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from serving.errors import StoreUnavailable

__all__ = ["Readiness"]

_PATIENCE_SECONDS = 0.15
_STUCK_SECONDS = 2.0
_LATELY_SECONDS = 60.0


class Readiness:
    """Knows whether the process is ending, and asks the store in a thread of its own.

    A store that does not answer would otherwise take the threads of everybody, and the one who
    asks whether the service is well would wait with them.

    Attributes
    ----------
    is_ending : bool
        Set once the process has been told to end.
    """

    def __init__(self) -> None:
        self.is_ending = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._asking: asyncio.Future[bool] | None = None
        self._asked_at = 0.0
        self._last: bool | None = None
        self._looked_at: float | None = None

    def was_asked_lately(self) -> bool:
        """Return whether anybody looks at ``/readyz``, as a load balancer does."""
        return self._looked_at is not None and time.monotonic() - self._looked_at < _LATELY_SECONDS

    def note_look(self) -> None:
        """Remember that somebody looks."""
        self._looked_at = time.monotonic()

    async def has_store(self, check: Callable[[], None]) -> bool:
        """Return whether the store answers; what was last known where it is slow to say.

        Parameters
        ----------
        check : callable
            Asks the store; raises StoreUnavailable.
        """
        now = time.monotonic()
        if self._asking is None:
            self._asked_at = now
            loop = asyncio.get_running_loop()
            self._asking = loop.run_in_executor(self._thread, _answers, check)
        asking = self._asking
        patience = _STUCK_SECONDS if self._last is None else _PATIENCE_SECONDS
        done, _ = await asyncio.wait((asking,), timeout=patience)
        if done:
            self._asking = None if self._asking is asking else self._asking
            self._last = asking.result()
        elif self._last is None or now - self._asked_at > _STUCK_SECONDS:
            self._last = False
        return self._last

    def close(self) -> None:
        """Let the thread go, even if it hangs in the store."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _answers(check: Callable[[], None]) -> bool:
    try:
        check()
    except StoreUnavailable:
        return False
    return True
