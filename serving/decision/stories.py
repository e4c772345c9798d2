"""What became of each lead, in the few facts that reports count; nobody's name among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from features.events import BLANK_REASONS
from serving.decision.lead_state import SalesEvent, is_off_limits, standing, state_of
from serving.decision.line import midnight

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.terms import Reason
    from serving.store.insight import Journal

__all__ = ["NO_CHANNEL", "NOT_SCORED", "Stories", "Story", "read_stories", "story_of"]

NO_CHANNEL = "unknown"
"""Channel of a lead whose score was recorded without one."""

NOT_SCORED = "not_scored"
"""Channel of a lead of which only events are known."""

MOST_KEPT = 50_000
"""Stories that a worker keeps in memory, half a kilobyte each."""


@dataclass(frozen=True, slots=True)
class Story:
    """One lead.

    Attributes
    ----------
    channel : str
        Level of the definition's channel field at the first score, or one of the words above.
    arrived_at : datetime
        As of when it was first scored; without a score, its first event.
    decision : {"accepted", "rejected"} or None
        What sales said first; None: nothing yet, or nothing about the lead (no capacity, wrong
        data).
    decided_at : datetime or None
        When.
    reason : str or None
        Why it was turned away before anybody had accepted it, whatever the reason says.
    rejected_at : datetime or None
        When.
    worked_at : datetime or None
        When sales began to work it: accepted, taken back, or for the audit lane.
    won_at, lost_at : datetime or None
        The first win, the last loss.
    lost_reason : str or None
        Of that loss.
    is_lead : bool
        False for duplicates, customers and those who asked not to be contacted.
    state : str
        Where it stands now.
    """

    lead_id: str
    channel: str
    arrived_at: datetime
    decision: str | None
    decided_at: datetime | None
    reason: str | None
    rejected_at: datetime | None
    worked_at: datetime | None
    won_at: datetime | None
    lost_at: datetime | None
    lost_reason: str | None
    is_lead: bool
    state: str


def story_of(
    lead_id: str,
    channel: str,
    arrived_at: datetime,
    events: Sequence[SalesEvent],
    reasons: Mapping[str, Reason],
) -> Story:
    """Return the facts of one lead; its events in any order, repeated or not."""
    decision = decided_at = reason = rejected_at = worked_at = None
    won_at = lost_at = lost_reason = None
    told = standing(events)
    for one in told:
        code = one.reason or BLANK_REASONS.get(one.kind, "")
        if won_at is not None:
            break
        if one.kind == "rejected":
            said = reasons.get(code)
            if worked_at is None and not is_off_limits(said):
                reason, rejected_at = code, one.at
                if decision is None and (said is None or said.acceptance != "leave_out"):
                    decision, decided_at = "rejected", one.at
        elif one.kind == "won":
            won_at = one.at
            if decision is None and reason is None:  # nobody wins a lead without working it
                decision, decided_at, worked_at = "accepted", one.at, worked_at or one.at
        elif one.kind == "lost":
            lost_at, lost_reason = one.at, code
            if decision is None and reason is None:
                decision, decided_at, worked_at = "accepted", one.at, worked_at or one.at
        elif one.kind in ("accepted", "audit", "recycled"):
            is_begun = one.kind != "recycled" or reason is not None
            worked_at = worked_at or (one.at if is_begun else None)
            if one.kind == "accepted" and decision is None:
                decision, decided_at = "accepted", one.at
    now = state_of(told, reasons)
    return Story(
        lead_id,
        channel,
        arrived_at,
        decision,
        decided_at,
        reason,
        rejected_at,
        worked_at,
        won_at,
        lost_at,
        lost_reason,
        now.state != "suppressed",
        now.state,
    )


def read_stories(
    journal: Journal, reasons: Mapping[str, Reason], since: datetime, now: datetime
) -> list[Story]:
    """Return the stories of all leads that arrived at `since` or later.

    Raises
    ------
    StoreUnavailable
        If scores or events cannot be read.
    """
    events = journal.events_since(since, now)
    stories = [
        story_of(
            first.lead_id,
            first.channel or NO_CHANNEL,
            first.as_of,
            events.pop(first.lead_id, ()),
            reasons,
        )
        for first in journal.first_scores(since, now)
    ]
    # What is left belongs to leads that arrived earlier, or that were never scored.
    earlier = journal.channels_of(events)
    stories += [
        story_of(lead_id, NOT_SCORED, min(one.at for one in own), own, reasons)
        for lead_id, own in events.items()
        if lead_id not in earlier
    ]
    return stories


class _Kept(NamedTuple):
    reasons: Mapping[str, Reason]
    since: datetime
    mark: tuple[object, ...]
    stories: list[Story]


class Stories:
    """Stories as they are now; folded once for as long as nothing is added or deleted.

    Parameters
    ----------
    journal : Journal
        Where scores and events are read.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: _Kept | None = None

    def read(self, definition: LeadDefinition, now: datetime, days: int) -> list[Story]:
        """Return the stories of the leads that arrived today or in the `days` before.

        They are shared, so never to be changed.

        Raises
        ------
        StoreUnavailable
            If scores or events cannot be read.
        """
        today = now.astimezone(definition.zone).date()
        since = midnight(today - timedelta(days=days), definition.zone)
        reasons = definition.reasons
        mark = self._journal.mark()  # before reading: what comes in meanwhile is read again
        kept = self._kept
        if kept is not None and kept.reasons is reasons and kept[1:3] == (since, mark):
            return kept.stories
        stories = read_stories(self._journal, reasons, since, now)
        self._kept = _Kept(reasons, since, mark, stories) if len(stories) <= MOST_KEPT else None
        return stories
