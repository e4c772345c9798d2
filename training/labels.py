"""What became of each lead, as far as it was known at a cut-off: events and reasons to labels.

Three things stay apart: *worked* leads teach how leads convert, *rejected* leads teach what sales
turns away and why, and everything else (pending, untouched, left out, not a lead) teaches nothing
about conversion. No rule looks at an outcome to decide whether a lead was worked, with the one
exception that is named in `label_history`; otherwise only winners would be counted as worked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.verdicts import (
    Verdict,
    acts_by_lead,
    judge,
    judge_snapshot,
    moment_of,
    since_epoch,
    standing_events,
    to_microseconds,
)

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = [
    "DECISION_DAYS",
    "HistoryLabels",
    "ReasonCount",
    "SnapshotLabels",
    "label_counts",
    "label_history",
    "label_snapshot",
]

DECISION_DAYS = 30.0
"""Days sales gets to decide: younger undecided leads are pending, acceptance is read after it."""

_DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many leads carry a reason, and what the learner does with them.

    Attributes
    ----------
    reason : str
        Code of the definition.
    treatment : {"shift", "zero", "leave_out", "worked"}
        ``worked`` for a loss, or a lead that was worked in spite of the reason.
    n : int
        Leads.
    """

    reason: str
    treatment: str
    n: int


@dataclass(frozen=True, eq=False)
class HistoryLabels:
    """Labels as known at `as_of`; every array is aligned with ``history.leads``.

    Attributes
    ----------
    as_of : datetime
        The cut-off. Nothing that happened later has any influence.
    recording_began : datetime or None
        Start of outcome recording: the definition's, else the day of the first recorded win.
    has_decisions : bool
        Whether anyone ever accepted or rejected; if not, every lead counts as worked.
    state : ndarray of str
        ``worked``, ``rejected``, ``pending``, ``untouched``, ``left_out``, ``not_a_lead``, or
        ``not_arrived`` (arrived after `as_of`).
    reason : ndarray of object
        Code of the rejection that came before any acceptance, else of the loss, else None.
    turned_away : ndarray of bool
        The reason is a rejection that came before any acceptance (also when recycled since).
    lost : ndarray of bool
        Known to be lost, not won; such leads stay at risk all the same.
    recycled, audited : ndarray of bool
        Worked after a rejection because someone took it back, or for the audit lane.
    entry_days, follow_up_days : ndarray of float
        Days after arrival at which the lead comes under observation, and at which the cut-off
        falls. ``follow_up_days`` is NaN for leads that had not arrived.
    won_days : ndarray of float
        Days from arrival to the win, 0 or more; NaN if no win is known.
    accepted : ndarray of float
        1 or 0 for the acceptance model, NaN where it may not learn.
    decision, decided_days : ndarray of float
        The first decision that says something, 1 or 0, of leads of any age, and the days from
        arrival to it; NaN where there is none.
    counts : tuple of ReasonCount
        Leads of each reason by treatment.
    """

    as_of: datetime
    recording_began: datetime | None
    has_decisions: bool
    state: NDArray[np.str_]
    reason: NDArray[np.object_]
    turned_away: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    recycled: NDArray[np.bool_]
    audited: NDArray[np.bool_]
    entry_days: NDArray[np.float64]
    follow_up_days: NDArray[np.float64]
    won_days: NDArray[np.float64]
    accepted: NDArray[np.float64]
    decision: NDArray[np.float64]
    decided_days: NDArray[np.float64]
    counts: tuple[ReasonCount, ...]

    @property
    def worked(self) -> NDArray[np.bool_]:
        """Leads that teach how leads convert."""
        return np.asarray(self.state == "worked")

    @property
    def until_days(self) -> NDArray[np.float64]:
        """Days after arrival at which observation ends: the win, else the cut-off."""
        return np.fmin(self.won_days, self.follow_up_days)

    @property
    def n_wins(self) -> int:
        """Wins of worked leads, seen while under observation."""
        return int((self.worked & (self.won_days >= self.entry_days)).sum())

    @property
    def rejected_then_won(self) -> NDArray[np.bool_]:
        """Leads that won although sales had turned them away and nobody took them back."""
        return np.isin(self.state, ("rejected", "left_out")) & ~np.isnan(self.won_days)


@dataclass(frozen=True, eq=False)
class SnapshotLabels:
    """Labels of a table that shows one moment; every array is aligned with ``history.leads``.

    Attributes
    ----------
    outcome : ndarray of float
        1 won, 0 lost, NaN unknown (rejected, still open, left out).
    state : ndarray of str
        ``worked`` (outcome known), ``rejected``, ``pending`` (accepted or touched, still open),
        ``untouched``, ``left_out`` or ``not_a_lead``.
    reason : ndarray of object
        Code of the rejection or loss, else None.
    turned_away : ndarray of bool
        The reason is a rejection.
    accepted : ndarray of float
        1 or 0 for the acceptance model, NaN where it may not learn.
    counts : tuple of ReasonCount
        Leads of each reason by treatment.
    """

    outcome: NDArray[np.float64]
    state: NDArray[np.str_]
    reason: NDArray[np.object_]
    turned_away: NDArray[np.bool_]
    accepted: NDArray[np.float64]
    counts: tuple[ReasonCount, ...]

    @property
    def worked(self) -> NDArray[np.bool_]:
        """Leads that teach how leads convert."""
        return np.asarray(self.state == "worked")

    @property
    def n_wins(self) -> int:
        """Wins."""
        return int((self.outcome == 1.0).sum())


def label_history(
    history: LeadHistory, definition: LeadDefinition, as_of: datetime
) -> HistoryLabels:
    """Return what was known about every lead at `as_of`.

    - **worked**: accepted, put in the audit lane, or taken back (`recycled`) after a rejection. A
      lead worked after a rejection comes under observation when it was taken back, whether it won
      or not. What sales says after accepting is a loss by another name: the lead stays at risk.
    - A win or loss of a lead on which nobody decided counts as worked from arrival: someone forgot
      to press *accept*. This is the one rule that looks at the outcome.
    - A rejected lead that won without being taken back stays *rejected*. Its equals that did not
      win would not be counted, so counting it would raise every rate; see `rejected_then_won`.
    - In a history in which nobody ever accepted or rejected (wins only), every lead counts as
      worked from arrival, and there is nothing to learn about acceptance.
    - **not_a_lead** (duplicate, customer …) holds from whenever it was found, unless found after
      the win. **left_out**: the reason says nothing about the lead.
    - **pending**: undecided, and touched or younger than 30 days. **untouched**: older, no touch.
    - Acceptance: the first decision that says something, on leads at least 30 days old. A lead
      called unreachable after fewer touches than agreed says nothing, unless the history records
      no touches at all.

    Parameters
    ----------
    history : LeadHistory
        In history mode: leads with arrival times, events with times.
    definition : LeadDefinition
        Gives the treatment of each reason and when outcome recording began.
    as_of : datetime
        The cut-off, with a time zone.

    Returns
    -------
    HistoryLabels

    Raises
    ------
    ValueError
        If `as_of` has no time zone.
    DefinitionInvalid
        If an event carries a reason that the definition does not treat.
    """
    if as_of.tzinfo is None:
        raise ValueError(
            "as_of has no time zone; give one, e.g. datetime(2026, 4, 1, tzinfo=definition.zone)"
        )
    # A run asks for the same day many times: to learn, to judge, to calibrate.
    kept = history.memory.setdefault("labels", {})
    key = (definition.model_dump_json(), as_of)
    if key not in kept:
        kept[key] = _labels_at(history, definition, as_of)
    found: HistoryLabels = kept[key]
    return found


def _labels_at(history: LeadHistory, definition: LeadDefinition, as_of: datetime) -> HistoryLabels:
    cut_off = since_epoch(as_of)
    arrived = to_microseconds(history.leads["arrived_at"])
    known = np.asarray(history.leads["arrived_at"].notna()) & (arrived <= cut_off)
    events = history.events
    events = events[np.asarray(events["at"].notna()) & (to_microseconds(events["at"]) <= cut_off)]
    events = standing_events(events, definition)
    acts = acts_by_lead(history.leads["lead_id"], events)

    has_decisions = bool(events["kind"].isin(["accepted", "rejected"]).any())
    counts_touches = bool((events["kind"] == "touched").any())
    began = _recording_began(definition, events)
    follow_up = np.where(known, (cut_off - arrived) / _DAY, np.nan)

    verdicts = [
        judge(acts[row], definition, has_decisions=has_decisions, counts_touches=counts_touches)
        for row in range(len(arrived))
    ]
    entered = np.array(
        [
            start if verdict.entered is None else verdict.entered
            for start, verdict in zip(arrived.tolist(), verdicts, strict=True)
        ],
        dtype=np.int64,
    )
    if began is not None:
        entered = np.maximum(entered, since_epoch(began))
    won, decided = (
        np.array([np.nan if at is None else float(at) for at in times], dtype=np.float64)
        for times in ([v.won for v in verdicts], [v.decided for v in verdicts])
    )
    state = np.array([v.state for v in verdicts], dtype="U11")
    is_young = follow_up < DECISION_DAYS
    state[(state == "untouched") & is_young] = "pending"
    state[~known] = "not_arrived"
    decision = np.array([v.accepted for v in verdicts], dtype=np.float64)
    decision[~known] = np.nan
    return HistoryLabels(
        as_of=as_of,
        recording_began=began,
        has_decisions=has_decisions,
        state=state,
        reason=_reasons(verdicts, known),
        turned_away=np.array([v.turned_away for v in verdicts], dtype=bool) & known,
        lost=np.array([v.lost for v in verdicts], dtype=bool) & known,
        recycled=np.array([v.recycled for v in verdicts], dtype=bool) & known,
        audited=np.array([v.audited for v in verdicts], dtype=bool) & known,
        entry_days=np.where(known, np.maximum((entered - arrived) / _DAY, 0.0), 0.0),
        follow_up_days=follow_up,
        won_days=np.where(known, np.maximum((won - arrived) / _DAY, 0.0), np.nan),
        accepted=np.where(is_young, np.nan, decision),
        decision=decision,
        decided_days=np.where(
            np.isnan(decision), np.nan, np.maximum((decided - arrived) / _DAY, 0.0)
        ),
        counts=_count_reasons(verdicts, known, definition),
    )


def label_snapshot(history: LeadHistory, definition: LeadDefinition) -> SnapshotLabels:
    """Return what one table says about every lead, without knowing when anything happened.

    A lead with several marks is read by the strongest: won, not a lead, lost, rejected, accepted,
    touched. Accepted leads that neither won nor lost are *pending*, never a "no". A table that says
    neither accepted nor rejected anywhere teaches nothing about acceptance.

    Raises
    ------
    DefinitionInvalid
        If an event carries a reason that the definition does not treat.
    """
    events = standing_events(history.events, definition)
    acts = acts_by_lead(history.leads["lead_id"], events)
    has_decisions = bool(events["kind"].isin(["accepted", "rejected"]).any())
    counts_touches = bool((events["kind"] == "touched").any())
    verdicts = [
        judge_snapshot(acts[row], definition, counts_touches=counts_touches)
        for row in range(len(history.leads))
    ]
    state = np.array([v.state for v in verdicts], dtype="U11")
    accepted = np.array([v.accepted for v in verdicts], dtype=np.float64)
    everyone = np.ones(len(verdicts), dtype=bool)
    return SnapshotLabels(
        outcome=np.where(state == "worked", [float(v.won is not None) for v in verdicts], np.nan),
        state=state,
        reason=_reasons(verdicts, everyone),
        turned_away=np.array([v.turned_away for v in verdicts], dtype=bool),
        accepted=accepted if has_decisions else np.full(len(verdicts), np.nan),
        counts=_count_reasons(verdicts, everyone, definition),
    )


def label_counts(labels: HistoryLabels | SnapshotLabels, rows: NDArray[np.bool_]) -> dict[str, int]:
    """Return how many of these leads there are by what became of them."""
    states = Counter(labels.state[rows].tolist())
    return {
        "n_leads": int(rows.sum()),
        "worked": states["worked"],
        "wins": labels.n_wins,
        "rejected": states["rejected"],
        "pending": states["pending"],
        "untouched": states["untouched"],
        "left_out": states["left_out"] + states["not_a_lead"],
    }


def _recording_began(definition: LeadDefinition, events: pd.DataFrame) -> datetime | None:
    """Return the start of outcome recording: a midnight in the definition's time zone."""
    first = definition.recording_began
    if first is None:
        wins = to_microseconds(events.loc[np.asarray(events["kind"] == "won"), "at"])
        if len(wins) == 0:
            return None
        first = moment_of(int(wins.min())).astimezone(definition.zone).date()
    return datetime.combine(first, time(), definition.zone)


def _reasons(verdicts: Sequence[Verdict], known: NDArray[np.bool_]) -> NDArray[np.object_]:
    reasons = np.empty(len(verdicts), dtype=object)
    reasons[:] = [
        v.reason if is_known else None for v, is_known in zip(verdicts, known, strict=True)
    ]
    return reasons


def _count_reasons(
    verdicts: Sequence[Verdict], known: NDArray[np.bool_], definition: LeadDefinition
) -> tuple[ReasonCount, ...]:
    counted = Counter(
        (v.reason, _treatment(v, definition))
        for v, is_known in zip(verdicts, known, strict=True)
        if is_known and v.reason is not None
    )
    return tuple(
        ReasonCount(reason, treatment, n) for (reason, treatment), n in sorted(counted.items())
    )


def _treatment(verdict: Verdict, definition: LeadDefinition) -> str:
    conversion = definition.reasons[str(verdict.reason)].conversion
    if verdict.state == "not_a_lead":
        return "leave_out"
    if not verdict.turned_away:
        return "worked"
    if isinstance(conversion, tuple):
        return "shift"
    return "worked" if verdict.state == "worked" else conversion
