"""Retention: what is older than `LEAD_RETENTION_DAYS` is deleted, a little at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from features.definition import LeadDefinition
from serving.decision.line import WEEKS
from serving.errors import StoreUnavailable
from serving.process.watching import look_every
from serving.store.removal import Removal, Removed

__all__ = ["EVERY_SECONDS", "SHORTEST_DAYS", "kept_reasons", "prune", "prune_daily", "too_short"]

log = logging.getLogger("lead_serve")

EVERY_SECONDS = 24 * 3600.0
AGAIN_SECONDS = 3600.0
"""When it went wrong."""

SHORTEST_DAYS = 7 * (WEEKS + 1)
"""The line of a week follows from the whole weeks before it, and holds until the week is over."""

_PAUSE_SECONDS = 0.05
"""Between two transactions, so that whoever wants to write comes in between."""


def kept_reasons(definition: LeadDefinition) -> set[str]:
    """Return the reasons that keep a lead out of sales' hands; their events are never too old."""
    return {
        code for code, reason in definition.reasons.items() if reason.queue in ("suppress", "merge")
    }


def too_short(days: int) -> str:
    """Return what is lost when records are kept for so many days; empty if that is nothing."""
    if not 0 < days < SHORTEST_DAYS:
        return ""
    return (
        f"Records are kept for {days} days, but the hand-off line of a week follows from the "
        f"arrivals of the {WEEKS} weeks before it. With fewer than {SHORTEST_DAYS} days it knows "
        "fewer weeks, and with hardly two of them it is break-even, whatever places sales has."
    )


def prune(
    removal: Removal, before: datetime, kept: set[str] | None, pause_seconds: float = _PAUSE_SECONDS
) -> Removed:
    """Delete scores recorded and events received before a moment, in small transactions.

    Raises
    ------
    StoreUnavailable
        If the database does not answer; what was deleted until then stays deleted.
    """
    n_scores = n_events = 0
    while some := removal.older_scores(before):
        n_scores += some
        time.sleep(pause_seconds)
    after: int | None = None if kept is None else 0
    while kept is not None and after is not None:
        some, after = removal.older_events(before, kept, after)
        n_events += some
        if some:
            time.sleep(pause_seconds)
    removal.forget()
    return Removed(n_scores, n_events)


async def prune_daily(
    removal: Removal,
    days: int,
    clock: Callable[[], datetime],
    kept: Callable[[], set[str] | None],
    every_seconds: float = EVERY_SECONDS,
    again_seconds: float = AGAIN_SECONDS,
) -> None:
    """Prune now and every day until cancelled; with 0 days nothing is ever deleted.

    What goes wrong is logged by its place in the code, and tried again within the hour.

    Parameters
    ----------
    kept : callable
        Gives the reasons whose events are never too old; None: no model says so yet, so events wait
        until one does.
    """
    if not days:
        return
    due = 0.0

    def look() -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        try:
            removed = prune(removal, clock() - timedelta(days=days), kept())
        except StoreUnavailable as error:
            log.warning("retention: %s It is tried again.", error)
            return
        due = time.monotonic() + every_seconds
        log.info("retention: %d score(s), %d event(s) deleted", *removed)

    if told := too_short(days):
        log.warning("LEAD_RETENTION_DAYS: %s", told)
    await look_every(min(again_seconds, every_seconds), look, "retention", looks_now=True)
