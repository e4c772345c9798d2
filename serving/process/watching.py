"""Looking again and again beside the requests; what goes wrong at one look does not end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from serving.process.log import place_of

__all__ = ["look_every"]

log = logging.getLogger("lead_serve")


async def look_every(
    seconds: float, look: Callable[[], object], what: str, *, looks_now: bool = False
) -> None:
    """Look in a thread every so many seconds until cancelled.

    Whoever does not foresee an exception (a damaged row, no memory, no thread to be had) would
    otherwise never look again, and nobody would know: a revoked key would go on opening doors.

    Parameters
    ----------
    what : str
        What is done, for the log.
    looks_now : bool
        Look at once as well, not only after the first so many seconds.
    """
    told = ""
    pause = 0.0 if looks_now else seconds
    while True:
        await asyncio.sleep(pause)
        pause = seconds
        try:
            await asyncio.to_thread(look)
            told = ""
        except Exception as error:  # noqa: BLE001 - the next look may go well
            # Its words may hold what was stored; its place in the code does not.
            now = f"{type(error).__name__} at {place_of(error)}"
            if now != told:
                log.error("%s ended with %s; it is tried again", what, now)
            told = now
