"""How often somebody may ask: counted in this process, in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Rates"]

WINDOW_SECONDS = 60.0
_MOST_NAMES = 20_000
_THE_REST = "\0the rest"


class Rates:
    """Counts by name over a sliding minute.

    Two windows are kept: the share of the last one that still lies within a minute is added to
    the present one. A turn of the window drops all that is older, so nothing has to be swept up;
    names beyond the 20,000th of a window share one count.

    Parameters
    ----------
    per_minute : int
        What one name may do in any minute.
    clock : callable
        Seconds that never go back.

    Examples
    --------
    >>> twice = Rates(2, clock=lambda: 0.0)
    >>> [twice.wait("a") for _ in range(3)], twice.wait("b")
    ([0, 0, 90], 0)
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._clock = clock
        self._began = clock()
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def wait(self, name: str) -> int:
        """Count one more of `name`; return 0, or the seconds to wait when it was one too many.

        One too many is not counted, so that asking in vain does not make the wait longer.
        """
        share = self._turn()
        count = self._now.get(name)
        if count is None:
            if len(self._now) >= _MOST_NAMES:
                name = _THE_REST
            count = self._now.get(name, 0)
        before = self._before.get(name, 0)
        if count + before * share > self._most - 1:
            return self._seconds(count, before)
        self._now[name] = count + 1
        return 0

    def is_full(self, name: str) -> int:
        """Return the seconds that `name` has to wait, 0 if it need not; nothing is counted."""
        share = self._turn()
        count, before = self._now.get(name, 0), self._before.get(name, 0)
        return self._seconds(count, before) if count + before * share > self._most - 1 else 0

    def forgive(self, name: str) -> None:
        """Take one back: it turned out well."""
        if self._now.get(name, 0) > 0:
            self._now[name] -= 1

    def _turn(self) -> float:
        passed = self._clock() - self._began
        if passed >= WINDOW_SECONDS:
            self._before = self._now if passed < 2 * WINDOW_SECONDS else {}
            self._now = {}
            self._began += passed - passed % WINDOW_SECONDS
            passed %= WINDOW_SECONDS
        return 1.0 - passed / WINDOW_SECONDS

    def _seconds(self, count: int, before: int) -> int:
        left = WINDOW_SECONDS - (self._clock() - self._began)
        room = self._most - 1
        # A window that has passed fades evenly; wait until enough of it is gone.
        if count <= room:
            left -= WINDOW_SECONDS * (room - count) / before
        else:
            left += WINDOW_SECONDS * (1 - room / count)
        return max(1, math.ceil(left))
