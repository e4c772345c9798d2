"""How long a training run still takes, from how far it has come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

__all__ = ["with_remaining_time"]

Tell = Callable[[str], None]

_PLACES = (
    (re.compile(r"(?:Cut-off|Split) (\d+) of (\d+).*: learning"), 0.04, 0.62),
    (re.compile(r"Learning from all leads"), 0.69, 0.0),
    (re.compile(r"Drawing leads anew \((\d+) of (\d+)\)"), 0.82, 0.15),
)
"""Steps, the share of the work that is done when the first of them begins, and their own share; as
measured on 8,000 leads. Only the order of magnitude is told."""

_EARLIEST = 0.1
"""Before this share nothing is said: a guess from so little would be far off."""


def with_remaining_time(tell: Tell, clock: Callable[[], float] = time.monotonic) -> Tell:
    """Return `tell`, which also says about how long the rest takes; begins to count now."""
    began = clock()

    def told(step: str) -> None:
        done = _share_done(step)
        if done is None or done < _EARLIEST:
            tell(step)
            return
        left = (clock() - began) * (1.0 - done) / done
        tell(f"{step} (about {_in_words(left)} left)")

    return told


def _share_done(step: str) -> float | None:
    """Return the share of the work that is done as this step begins, 0 to 1."""
    for pattern, start, width in _PLACES:
        found = pattern.match(step)
        if found is None:
            continue
        if not found.groups():
            return start
        place, n = (int(number) for number in found.groups())
        return start + width * (place - 1) / n
    return None


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"
