"""Taking back all that one caller has sent: after a stolen key, or a workflow that went wrong."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from serving.records.events import AskedEvent, EventService
from serving.store import Events, Store
from serving.store.senders import Senders

__all__ = ["take_back"]


def take_back(
    store: Store, sender: str, since: datetime, by: str, clock: Callable[[], datetime]
) -> int:
    """Retract what `sender` sent since a moment; return how many events that were.

    Nothing is deleted: the retractions are events of their own, and can be retracted. Doing it
    again takes back only what has come since.

    Parameters
    ----------
    sender : str
        Name of the key or account that the events came from.
    since : datetime
        When they were received, at the earliest.
    by : str
        Who takes them back.

    Raises
    ------
    StoreUnavailable
        If the database does not answer; what was taken back until then stays so.
    """
    service = EventService(Events(store), clock, None)
    n_taken_back = 0
    for events in Senders(store).standing(sender, since):
        asked = [
            AskedEvent(
                lead_id=one.lead_id,
                # A retraction that comes later wins over one that the sender dated ahead.
                at=max(clock(), one.at + timedelta(microseconds=1)).isoformat(),
                kind="retracted",
                # By chance: an id that can be told beforehand could be taken by the sender.
                event_id=f"back-{uuid.uuid4().hex}",
                reason=one.event_id,
            )
            for one in events
        ]
        if asked:
            service.store(service.checked(asked, by))
            n_taken_back += len(asked)
    return n_taken_back
