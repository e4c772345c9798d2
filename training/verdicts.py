"""One lead's events, read in order: was it worked, turned away, won, and what does its reason mean.

The rules and their grounds are in `training.labels`; here is one lead at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DefinitionInvalid, shorten
from features.events import ORDER_AT_SAME_TIME

if TYPE_CHECKING:
    from features.definition import LeadDefinition, Reason

__all__ = [
    "Act",
    "Verdict",
    "acts_by_lead",
    "judge",
    "judge_snapshot",
    "moment_of",
    "since_epoch",
    "standing_events",
    "to_microseconds",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NO_REASON = "no_reason"
"""The code that a rejection without a reason is read as."""


class Act(NamedTuple):
    """One event of a lead; acts sort by time, then by kind so that a day's events tell a story."""

    at: int
    rank: int
    event_id: str
    kind: str
    reason: str


class Verdict(NamedTuple):
    """What one lead's events say; times are microseconds since 1970 (UTC)."""

    state: str
    reason: str | None = None
    turned_away: bool = False
    recycled: bool = False
    audited: bool = False
    lost: bool = False
    entered: int | None = None
    won: int | None = None
    accepted: float = np.nan
    decided: int | None = None


def to_microseconds(times: pd.Series[Any]) -> NDArray[np.int64]:
    """Return UTC times as microseconds since 1970; a missing time is the smallest number."""
    return np.asarray(times.dt.tz_convert(None).to_numpy(dtype="datetime64[us]").view(np.int64))


def since_epoch(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 (UTC)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    """Return the moment of so many microseconds since 1970 (UTC)."""
    return _EPOCH + timedelta(microseconds=microseconds)


def standing_events(events: pd.DataFrame, definition: LeadDefinition) -> pd.DataFrame:
    """Return the events that were not retracted, without the retractions themselves.

    A retraction names the event of its lead that it takes back; it can be retracted in its turn.

    Raises
    ------
    DefinitionInvalid
        If a standing rejection or loss carries a reason that the definition does not treat.
    """
    is_retraction = np.asarray(events["kind"] == "retracted")
    if is_retraction.any():
        cancelled = _cancelled(events[is_retraction])
        named = zip(events["lead_id"], events["event_id"], strict=True)
        is_cancelled = np.fromiter((one in cancelled for one in named), dtype=bool)
        events = events[~is_retraction & ~is_cancelled]
    _require_treated(events, definition)
    return events


def acts_by_lead(lead_ids: pd.Series[Any], events: pd.DataFrame) -> list[list[Act]]:
    """Return each lead's acts in order; equal times go by kind, then id, not by place in the file.

    Events of leads that are not in the table are passed over; reading reports them.
    """
    acts: list[list[Act]] = [[] for _ in lead_ids]
    rows = {lead_id: row for row, lead_id in enumerate(lead_ids)}
    columns = (
        events["lead_id"],
        to_microseconds(events["at"]).tolist(),
        events["kind"],
        events["reason"],
        events["event_id"],
    )
    for lead_id, at, kind, reason, event_id in zip(*columns, strict=True):
        row = rows.get(lead_id)
        if row is not None:
            text = reason if isinstance(reason, str) else ""
            acts[row].append(Act(at, ORDER_AT_SAME_TIME[kind], str(event_id), kind, text))
    for own in acts:
        own.sort()
    return acts


def judge(
    acts: Sequence[Act], definition: LeadDefinition, *, has_decisions: bool, counts_touches: bool
) -> Verdict:
    """Return the verdict of one lead in history mode (rules: `training.labels.label_history`).

    Parameters
    ----------
    acts : sequence of Act
        The lead's standing events up to the cut-off, in order.
    definition : LeadDefinition
        Gives each reason's kind and treatment.
    has_decisions : bool
        Whether anyone ever accepted or rejected in this history.
    counts_touches : bool
        Whether this history records touches, so that too few tries can be told.
    """
    is_worked = not has_decisions
    tries = 0
    accepted = np.nan
    rejection = loss = disqualified = None
    is_accepted = recycled = audited = is_lost = False
    entered = won = decided = None
    for act in acts:
        if won is not None:
            break
        reason = _reason_of(act, definition)
        if act.kind == "touched":
            tries += 1
        elif act.kind in ("accepted", "audit"):
            entered = act.at if rejection and not is_worked else entered
            is_worked = True
            audited |= act.kind == "audit"
            if act.kind == "accepted":
                is_accepted = True
                accepted = 1.0 if np.isnan(accepted) else accepted
        elif act.kind == "recycled":
            if rejection and not is_worked:
                is_worked = recycled = True
                entered = act.at
        elif act.kind == "won":
            won = act.at
            is_worked = is_worked or rejection is None
            accepted = 1.0 if np.isnan(accepted) and rejection is None else accepted
        elif reason is not None and reason.kind == "not_a_lead":
            disqualified = act.reason
        elif act.kind == "lost" or (reason is not None and reason.kind == "loss"):
            is_lost, loss = True, act.reason or loss
            is_worked = is_worked or rejection is None
            accepted = 1.0 if np.isnan(accepted) and rejection is None else accepted
        elif reason is not None:
            if not is_accepted:
                rejection = act.reason or NO_REASON
            accepted = (
                _acceptance(reason, tries, counts_touches) if np.isnan(accepted) else accepted
            )
        if decided is None and not np.isnan(accepted):
            decided = act.at

    if disqualified:
        return Verdict("not_a_lead", disqualified, won=won)
    if is_worked:
        state = "worked"
    elif rejection:
        state = (
            "left_out" if definition.reasons[rejection].conversion == "leave_out" else "rejected"
        )
    else:
        state = "pending" if tries else "untouched"
    return Verdict(
        state,
        rejection or loss,
        turned_away=rejection is not None,
        recycled=recycled,
        audited=audited,
        lost=is_lost and won is None,
        entered=entered,
        won=won,
        accepted=accepted if has_decisions else np.nan,
        decided=decided if has_decisions else None,
    )


def judge_snapshot(
    acts: Sequence[Act], definition: LeadDefinition, *, counts_touches: bool
) -> Verdict:
    """Return the verdict of one lead in snapshot mode: the strongest mark wins."""
    kinds = {act.kind for act in acts}
    tries = sum(act.kind == "touched" for act in acts)
    reasons = {act: _reason_of(act, definition) for act in acts}
    out = [
        act.reason
        for act, reason in reasons.items()
        if reason is not None and reason.kind == "not_a_lead"
    ]
    losses = [
        act
        for act, reason in reasons.items()
        if act.kind == "lost" or (reason and reason.kind == "loss")
    ]
    rejections = [
        act for act, reason in reasons.items() if reason is not None and act.kind == "rejected"
    ]
    if "won" in kinds:
        return Verdict("worked", won=acts[-1].at, accepted=1.0)
    if out:
        return Verdict("not_a_lead", out[0])
    if losses:
        return Verdict("worked", losses[0].reason or None, accepted=1.0)
    if rejections:
        code = rejections[0].reason or NO_REASON
        reason = definition.reasons[code]
        return Verdict(
            "left_out" if reason.conversion == "leave_out" else "rejected",
            code,
            turned_away=True,
            accepted=_acceptance(reason, tries, counts_touches),
        )
    if "accepted" in kinds:
        return Verdict("pending", accepted=1.0)
    return Verdict("pending" if tries else "untouched")


def _reason_of(act: Act, definition: LeadDefinition) -> Reason | None:
    if act.kind == "rejected":
        return definition.reasons[act.reason or NO_REASON]
    return definition.reasons[act.reason] if act.kind == "lost" and act.reason else None


def _acceptance(reason: Reason, tries: int, counts_touches: bool) -> float:
    """Return what a rejection teaches the acceptance model: 0, or NaN for nothing."""
    if reason.acceptance == "leave_out":
        return np.nan
    if counts_touches and reason.agreed_tries is not None and tries < reason.agreed_tries:
        return np.nan
    return float(reason.acceptance)


def _cancelled(retractions: pd.DataFrame) -> set[tuple[str, str]]:
    """Return lead and id of what is taken back, the latest first, so that one can undo another."""
    told = zip(
        to_microseconds(retractions["at"]).tolist(),
        retractions["event_id"].astype(str),
        retractions["lead_id"],
        retractions["reason"].astype(str),
        strict=True,
    )
    cancelled: set[tuple[str, str]] = set()
    for _, own, lead_id, named in sorted(told, reverse=True):
        if (lead_id, own) not in cancelled:
            cancelled.add((lead_id, named))
    return cancelled


def _require_treated(events: pd.DataFrame, definition: LeadDefinition) -> None:
    decided = events[events["kind"].isin(["rejected", "lost"])]
    given = {reason for reason in decided["reason"] if isinstance(reason, str)}
    is_bare = np.asarray(decided["kind"] == "rejected") & np.asarray(decided["reason"].isna())
    unknown = sorted((given | ({NO_REASON} if is_bare.any() else set())) - set(definition.reasons))
    if unknown:
        raise DefinitionInvalid(
            f"The definition does not treat these reasons of the events: {shorten(unknown)}. "
            "Add them under reasons, or map them to a known code in the source map."
        )
