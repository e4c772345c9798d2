"""Which leads are not for sales, kept in memory so that scoring asks no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from features.terms import Reason
from serving.decision.lead_state import SalesEvent, is_off_limits, lead_state
from serving.errors import StoreUnavailable

if TYPE_CHECKING:
    from serving.store.lines import SaidOff

__all__ = ["RELOAD_SECONDS", "Suppression"]

RELOAD_SECONDS = 600.0
"""How often everything is read anew: a lead that another worker deleted is forgotten by then."""


class Suppression:
    """Leads that sales said are duplicates, customers or not to be contacted.

    One for each worker: what it is told itself holds at once, what others were told is polled.

    Parameters
    ----------
    said_off : SaidOff
        The events that say so.

    Attributes
    ----------
    leads : dict of str to str
        Reason by lead; the same object for ever, read without a lock.
    """

    def __init__(self, said_off: SaidOff) -> None:
        self._said_off = said_off
        self._lock = threading.Lock()
        self._reasons: Mapping[str, Reason] = {}
        self._codes: frozenset[str] = frozenset()
        self._newest = 0
        self._loaded_at: float | None = None
        self.leads: dict[str, str] = {}

    def refresh(self, reasons: Mapping[str, Reason]) -> None:
        """Take up what was said since.

        Parameters
        ----------
        reasons : mapping of str to Reason
            Of the definition that serves; they say which codes take a lead out.

        Raises
        ------
        StoreUnavailable
            If the events cannot be read; what is known stays.
        """
        codes = frozenset(code for code, reason in reasons.items() if is_off_limits(reason))
        now = time.monotonic()
        with self._lock:
            is_due = self._loaded_at is None or now - self._loaded_at > RELOAD_SECONDS
            if is_due or codes != self._codes:
                events, newest = self._said_off.everything(codes)
                self._reasons, self._codes, self._newest = reasons, codes, newest
                told = {one.lead_id for one in events}
                self._settle(told | set(self.leads), events)
                self._loaded_at = now
                return
            touched, self._newest = self._said_off.touched_since(self._newest, codes)
            self._read(touched)

    def learn(self, lead_ids: Iterable[str]) -> None:
        """Take up at once what this worker was told of some leads (or that they were deleted).

        What it was told is committed by now. If it cannot be read back, the next `refresh` reads
        everything.
        """
        with self._lock:
            if self._loaded_at is not None:
                try:
                    self._read(set(lead_ids))
                except StoreUnavailable:
                    self._loaded_at = None

    def _read(self, lead_ids: set[str]) -> None:
        if lead_ids:
            self._settle(lead_ids, self._said_off.of_leads(lead_ids, self._codes))

    def _settle(self, lead_ids: set[str], events: Iterable[SalesEvent]) -> None:
        by_lead: dict[str, list[SalesEvent]] = {}
        for one in events:
            by_lead.setdefault(one.lead_id, []).append(one)
        for lead_id in lead_ids:
            now = lead_state(by_lead.get(lead_id, ()), self._reasons)
            if now.state == "suppressed" and now.reason is not None:
                self.leads[lead_id] = now.reason
            else:
                self.leads.pop(lead_id, None)
