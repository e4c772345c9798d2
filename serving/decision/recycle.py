"""Which rejected or lost leads come back, when, and to which queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from serving.decision.lead_state import LeadState, lead_state
from serving.decision.line import midnight
from serving.decision.paging import portion

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from serving.store.insight import Journal, LatestScore

__all__ = ["GONE", "QUEUES", "Return", "find_returns", "return_of"]

GONE = frozenset({"drop", "suppress", "merge"})
"""Queues from which no lead comes back."""

QUEUES = ("front", "recycle", "nurture", "other_contact", "fix", "ask", "read")
"""The others; `front` stands before all others: nothing spoke against such a lead."""

_UNKNOWN = "read"
"""Queue of a reason that the definition no longer has: somebody should look."""


class Return(NamedTuple):
    """A lead that comes back.

    Attributes
    ----------
    on : date
        From this day on.
    is_stated : bool
        Somebody said that day; else it follows from the reason.
    """

    lead_id: str
    queue: str
    on: date
    is_stated: bool
    state: LeadState


def return_of(lead_id: str, state: LeadState, definition: LeadDefinition) -> Return | None:
    """Return when and where a lead comes back; None if it does not, or is not out at all.

    The stated day counts, else the day of the event and the reason's usual time. A reason without
    such a time (ask, fix, another contact) is due at once. So is *no capacity*, which said nothing
    about the lead, unless a day was stated.
    """
    if state.state not in ("rejected", "lost") or state.since is None:
        return None
    reason = definition.reasons.get(state.reason or "")
    queue = _UNKNOWN if reason is None else reason.queue
    if queue in GONE:
        return None
    if state.return_on is not None:
        return Return(lead_id, queue, state.return_on, True, state)
    days = 0 if reason is None or queue == "front" else reason.return_days or 0
    on = state.since.astimezone(definition.zone).date() + timedelta(days=days)
    return Return(lead_id, queue, on, False, state)


def find_returns(
    journal: Journal,
    definition: LeadDefinition,
    until: date,
    queue: str | None,
    limit: int,
    after: str | None,
) -> dict[str, Any]:
    """Return the answer of ``GET /v1/recycle``: leads that come back by `until`, the latest score.

    Raises
    ------
    StoreUnavailable
        If events or scores cannot be read.
    RequestRefused
        If `after` is not a mark of this list.
    """
    named = journal.leads_due(until, _last_moments(definition, until), _never(definition))
    events = journal.deciding_events(named)
    found = [
        one
        for lead_id, own in events.items()
        if (one := return_of(lead_id, lead_state(own, definition.reasons), definition)) is not None
        and one.on <= until
    ]
    by_queue = {name: sum(one.queue == name for one in found) for name in QUEUES}
    asked = [one for one in found if queue is None or one.queue == queue]
    shown, mark = portion(asked, _order, limit, after)
    scores = journal.latest_of(one.lead_id for one in shown)
    answer: dict[str, Any] = {
        "until": until.isoformat(),
        "n_due": len(asked),
        **{f"n_{name}": n for name, n in by_queue.items()},
        "n": len(shown),
        "leads": [_told(one, scores.get(one.lead_id), definition) for one in shown],
    }
    return answer if mark is None else answer | {"next": mark}


def _order(one: Return) -> tuple[int, str, str]:
    return int(one.queue != "front"), one.on.isoformat(), one.lead_id


def _last_moments(definition: LeadDefinition, until: date) -> Mapping[str, datetime]:
    """Return for each reason that comes back the moment before which its events are due."""
    found = {}
    for code, reason in definition.reasons.items():
        if reason.queue not in GONE:
            days = 0 if reason.queue == "front" else reason.return_days or 0
            found[code] = midnight(until - timedelta(days=days - 1), definition.zone)
    return found


def _never(definition: LeadDefinition) -> Sequence[str]:
    return [code for code, reason in definition.reasons.items() if reason.queue in GONE]


def _told(one: Return, latest: LatestScore | None, definition: LeadDefinition) -> dict[str, Any]:
    code = one.state.reason or ""
    reason = definition.reasons.get(code)
    since = one.state.since
    row: dict[str, Any] = {
        "lead_id": one.lead_id,
        "queue": one.queue,
        "return_on": one.on.isoformat(),
        "is_stated": one.is_stated,
        "state": one.state.state,
        "reason": code,
        "reason_ja": code if reason is None else reason.names.ja,
        "reason_en": code if reason is None else reason.names.en,
        "since": "" if since is None else since.astimezone(definition.zone).isoformat(),
    }
    if latest is not None:
        row |= {
            "probability": latest.probability,
            "score": int(latest.score + 0.5),
            "grade": latest.grade,
            "scored_as_of": latest.as_of.astimezone(definition.zone).isoformat(),
        }
        if latest.channel is not None:
            row["channel"] = latest.channel
    return row
