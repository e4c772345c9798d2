"""Where a lead stands, from its events alone: in whatever order and how often they arrived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Literal, NamedTuple

from features.events import BLANK_REASONS, ORDER_AT_SAME_TIME
from features.terms import Reason

__all__ = [
    "DECIDING",
    "LeadState",
    "SalesEvent",
    "State",
    "is_off_limits",
    "lead_state",
    "standing",
    "state_of",
    "taken_back",
]

State = Literal["open", "accepted", "rejected", "won", "lost", "suppressed"]

DECIDING = ("accepted", "rejected", "won", "lost", "recycled", "audit", "retracted")
"""Kinds of events that can move a lead from one state to another."""


class SalesEvent(NamedTuple):
    """One thing that sales did, or that became of a lead.

    Attributes
    ----------
    kind : str
        One of `features.events.EVENT_KINDS`.
    reason : str or None
        Code of the definition; of a ``retracted`` event the id of the event it takes back.
    return_on : date or None
        When to come back to the lead, as somebody said.
    """

    lead_id: str
    event_id: str
    at: datetime
    kind: str
    reason: str | None = None
    return_on: date | None = None


class LeadState(NamedTuple):
    """Where a lead stands.

    Attributes
    ----------
    state : str
        ``suppressed``: not for sales, until the event that said so is retracted.
    reason : str or None
        Why it was rejected, lost or suppressed.
    since : datetime or None
        Since when; None while nothing has happened.
    return_on : date or None
        The day that was stated for coming back to it.
    """

    state: State
    reason: str | None = None
    since: datetime | None = None
    return_on: date | None = None


def standing(events: Iterable[SalesEvent]) -> list[SalesEvent]:
    """Return what stands, in order: each event once, without retracted ones and retractions.

    Order is by time, then as a day's events tell a story, then by id. A retraction can be retracted
    in its turn, so the latest one counts first. One that names an event of another lead takes
    nothing back, here as in training.

    Parameters
    ----------
    events : iterable of SalesEvent
        Of one lead.
    """
    once = {one.event_id: one for one in events}
    gone = taken_back(one for one in once.values() if one.kind == "retracted")
    left = [one for one in once.values() if one.kind != "retracted" and one.event_id not in gone]
    return sorted(left, key=lambda one: (one.at, ORDER_AT_SAME_TIME[one.kind], one.event_id))


def taken_back(retractions: Iterable[SalesEvent]) -> set[str]:
    """Return the ids that retractions of one lead take back, some of them each other's."""
    found: set[str] = set()
    for one in sorted(retractions, key=lambda each: (each.at, each.event_id), reverse=True):
        if one.event_id not in found and one.reason is not None:
            found.add(one.reason)
    return found


def is_off_limits(reason: Reason | None) -> bool:
    """Return whether a reason takes a lead out of sales' hands for good."""
    return reason is not None and reason.queue in ("suppress", "merge")


def lead_state(events: Iterable[SalesEvent], reasons: Mapping[str, Reason]) -> LeadState:
    """Return where a lead stands.

    The latest event decides, with two exceptions that hold until they are retracted: a lead that is
    not for sales (duplicate, customer, asked not to be contacted) stays so, and a win stays a win.

    Parameters
    ----------
    events : iterable of SalesEvent
        Of this one lead, in any order, repeated or not.
    reasons : mapping of str to Reason
        Of the definition; a reason that it no longer has counts as an ordinary one.
    """
    return state_of(standing(events), reasons)


def state_of(told: Iterable[SalesEvent], reasons: Mapping[str, Reason]) -> LeadState:
    """Return the same from what `standing` gives."""
    now = LeadState("open")
    off_limits = won = None
    for one in told:
        if one.kind in BLANK_REASONS:
            code = one.reason or BLANK_REASONS[one.kind]
            if is_off_limits(reasons.get(code)):
                off_limits = LeadState("suppressed", code, one.at)
            now = LeadState(
                "rejected" if one.kind == "rejected" else "lost", code, one.at, one.return_on
            )
        elif one.kind == "won":
            won = won or LeadState("won", None, one.at)
        elif one.kind == "recycled":
            now = LeadState("open", None, one.at)
        elif one.kind in ("accepted", "audit"):
            now = LeadState("accepted", None, one.at)
    return off_limits or won or now
