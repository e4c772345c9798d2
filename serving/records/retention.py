"""Retention: what is older than `LEAD_RETENTION_DAYS` is deleted, a little at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from features.definition import LeadDefinition
from serving.errors import StoreUnavailable
from serving.store.removal import Removal, Removed

__all__ = ["EVERY_SECONDS", "kept_reasons", "prune", "prune_daily"]

log = logging.getLogger("lead_serve")

EVERY_SECONDS = 24 * 3600.0
_PAUSE_SECONDS = 0.05
"""Between two transactions, so that whoever wants to write comes in between."""


def kept_reasons(definition: LeadDefinition) -> set[str]:
    """Return the reasons that keep a lead out of sales' hands; their events are never too old."""
    return {
        code for code, reason in definition.reasons.items() if reason.queue in ("suppress", "merge")
    }


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
) -> None:
    """Prune now and every day until cancelled; with 0 days nothing is ever deleted.

    Parameters
    ----------
    kept : callable
        Gives the reasons whose events are never too old; None: no model says so yet, so events wait
        until one does.
    """
    while days > 0:
        with contextlib.suppress(StoreUnavailable):  # tried again tomorrow
            removed = await asyncio.to_thread(
                prune, removal, clock() - timedelta(days=days), kept()
            )
            log.info("retention: %d score(s), %d event(s) deleted", *removed)
        await asyncio.sleep(every_seconds)
