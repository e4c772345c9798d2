"""What the answers about many leads look like: hand-off, recycling, insight."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from serving.answers import sometimes

__all__ = [
    "DisagreementsAnswer",
    "HandoffAnswer",
    "ReasonsAnswer",
    "RecycleAnswer",
    "SourcesAnswer",
]

_RATE = "Left out below 30 cases."
_NEXT = "Where to go on, as `after`; left out when nothing is left."


class HandoffLead(BaseModel):
    """A lead that sales may work."""

    lead_id: str
    standing: Literal["placed", "waiting", "audit"]
    place: int = Field(description="From 1 within its standing.")
    probability: float = Field(ge=0, le=1)
    score: int = Field(ge=0, le=100)
    grade: Literal["A", "B", "C", "D"]
    decision: Literal["handoff", "nurture", "review", "suppress"] = Field(
        description="As it was told with the latest score."
    )
    scored_as_of: str
    waits_until: str = Field(description="Two weeks after the latest score.")
    model_version: str
    acceptance_probability: float = sometimes(float, "Left out where it is not known.")
    channel: str = sometimes(str, "Left out where it is not known.")


class HandoffAnswer(BaseModel):
    """The plan of the week."""

    week: str = Field(description="Its Monday.")
    week_line: float = Field(ge=0, le=1, description="The line that decides about new scores.")
    break_even: float = Field(ge=0, le=1)
    capacity: int
    audit_places: int = Field(description="Of the capacity, kept for the audit lane.")
    taken_up: int = Field(description="Leads that sales took up this week, audit lane apart.")
    audit_taken_up: int
    slots: int = Field(description="Places given here.")
    line: float = Field(ge=0, le=1, description="Probability of the last lead with a place.")
    n_placed: int
    n_waiting: int
    n_audited: int
    expected_wins: float
    expected_wins_low: float = Field(description="95 % interval of luck alone.")
    expected_wins_high: float
    model_low: float = sometimes(float, "Expected wins if turned-away leads are far worse.")
    model_high: float = sometimes(float, "Expected wins if they are no worse than accepted ones.")
    n: int
    leads: list[HandoffLead]
    next: str = sometimes(str, _NEXT)


class ReturningLead(BaseModel):
    """A lead that comes back."""

    lead_id: str
    queue: Literal["front", "recycle", "nurture", "other_contact", "fix", "ask", "read"]
    return_on: str
    is_stated: bool = Field(description="Somebody said that day.")
    state: Literal["rejected", "lost"]
    reason: str
    reason_ja: str
    reason_en: str
    since: str
    probability: float = sometimes(float, "Of the latest score, if there is one.")
    score: int = sometimes(int, "Of the latest score, if there is one.")
    grade: str = sometimes(str, "Of the latest score, if there is one.")
    scored_as_of: str = sometimes(str, "Of the latest score, if there is one.")
    channel: str = sometimes(str, "Left out where it is not known.")


class RecycleAnswer(BaseModel):
    """Leads that come back by a day."""

    until: str
    n_due: int
    n_front: int
    n_recycle: int
    n_nurture: int
    n_other_contact: int
    n_fix: int
    n_ask: int
    n_read: int
    n: int
    leads: list[ReturningLead]
    next: str = sometimes(str, _NEXT)


class _OfChannel(BaseModel):
    channel: str = Field(description="`all`, a level of the channel field, missing or unknown.")
    channel_ja: str
    channel_en: str


class _OfReason(_OfChannel):
    reason: str
    reason_ja: str
    reason_en: str


class SourceRow(_OfChannel):
    """A channel: what sales thinks of its leads, and how they turn out."""

    n_leads: int
    n_accepted: int
    n_accepted_of: int = Field(description="Leads that sales decided on.")
    accepted: float = sometimes(float, _RATE)
    accepted_low: float = sometimes(float, _RATE)
    accepted_high: float = sometimes(float, _RATE)
    n_won_90: int
    n_won_90_of: int = Field(description="Worked leads that arrived at least 90 days ago.")
    won_90: float = sometimes(float, _RATE)
    won_90_low: float = sometimes(float, _RATE)
    won_90_high: float = sometimes(float, _RATE)
    n_won_365: int
    n_won_365_of: int = Field(description="Worked leads that arrived at least 365 days ago.")
    won_365: float = sometimes(float, _RATE)
    won_365_low: float = sometimes(float, _RATE)
    won_365_high: float = sometimes(float, _RATE)


class SourcesAnswer(BaseModel):
    """Perceived and measured quality by channel."""

    days: int
    n: int
    rows: list[SourceRow]


class ReasonRow(_OfReason):
    """A reason for turning leads away, in a channel."""

    n: int
    n_of: int = Field(description="Rejections of the channel.")
    share: float = sometimes(float, _RATE)
    n_worked_later: int
    n_lost_later: int
    n_won_later: int
    n_won_later_of: int
    won_later: float = sometimes(float, _RATE)
    won_later_low: float = sometimes(float, _RATE)
    won_later_high: float = sometimes(float, _RATE)


class ReasonsAnswer(BaseModel):
    """Why leads are turned away, and what became of them."""

    days: int
    n: int
    rows: list[ReasonRow]


Differing = Literal["rejected_then_won", "accepted_then_dead"]


class DisagreementCell(_OfReason):
    """How many leads of a channel, or of a reason, turned out other than sales said."""

    kind: Differing
    n_differing: int
    n_differing_of: int
    differing: float = sometimes(float, _RATE)
    differing_low: float = sometimes(float, _RATE)
    differing_high: float = sometimes(float, _RATE)


class DisagreementLead(_OfReason):
    """One such lead."""

    kind: Differing
    lead_id: str
    decided_at: str
    ended_at: str


class DisagreementsAnswer(BaseModel):
    """Where sales' word and the outcome differ."""

    days: int
    n_differing: int
    counts: list[DisagreementCell]
    n: int
    leads: list[DisagreementLead]
    next: str = sometimes(str, _NEXT)
