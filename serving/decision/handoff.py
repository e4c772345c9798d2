"""Who gets sales' places: the open leads in falling probability, and what they are worth.

A lead waits at most two weeks after its latest score; whoever scores it again starts that time
anew. Leads of the audit lane have places of their own and stand apart: among them no order of merit
is shown, since working the best of them first would undo the draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from features.rates import Z95
from serving.decision.audit import draw
from serving.decision.band import ModelBand, model_band
from serving.decision.lead_state import SalesEvent, lead_state, standing
from serving.decision.line import midnight
from serving.decision.paging import portion

if TYPE_CHECKING:
    from serving.model_life.models import ServingModel
    from serving.store.insight import Journal, LatestScore

__all__ = ["WAIT", "Plan", "HandoffService", "make_plan"]

WAIT = timedelta(days=14)
"""How long an open lead above break-even may wait for a place."""

BAND_DAYS = timedelta(days=365)
"""Rejections of so long a time say how much of the band each reason has."""

_PLACED, _WAITING, _AUDIT = range(3)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who gets a place, who waits, who is audited.

    Attributes
    ----------
    placed, waiting : sequence of LatestScore
        In falling probability; equal ones by who was scored first.
    audited : sequence of LatestScore
        In the order of the draw.
    line : float
        Probability of the last lead with a place; break-even while places are left, 1 if there are
        none to give.
    wins, wins_low, wins_high : float
        Expected wins among `placed`, with the 95 % interval of luck alone.
    """

    placed: Sequence[LatestScore]
    waiting: Sequence[LatestScore]
    audited: Sequence[LatestScore]
    line: float
    wins: float
    wins_low: float
    wins_high: float


def make_plan(
    leads: Sequence[LatestScore],
    slots: int,
    floor: float,
    drawn: Callable[[str], float],
) -> Plan:
    """Give places to open leads.

    Parameters
    ----------
    leads : sequence of LatestScore
        Open leads that may be worked, in any order.
    slots : int
        Places to give.
    floor : float
        Break-even probability; no place goes below it.
    drawn : callable
        Gives a lead's number of the audit lane.
    """
    audited = [one for one in leads if _is_audited(one)]
    ranked = sorted(
        (one for one in leads if not _is_audited(one) and one.probability >= floor), key=_merit
    )
    placed = ranked[:slots]
    line = floor
    if slots <= len(ranked):
        line = placed[-1].probability if placed else 1.0
    wins = math.fsum(one.probability for one in placed)
    reach = Z95 * math.sqrt(math.fsum(one.probability * (1 - one.probability) for one in placed))
    return Plan(
        placed,
        ranked[slots:],
        sorted(audited, key=lambda one: (drawn(one.lead_id), one.lead_id)),
        line,
        wins,
        max(0.0, wins - reach),
        min(float(len(placed)), wins + reach),
    )


def _is_audited(one: LatestScore) -> bool:
    # A lead that has risen above the line since it was drawn is handed over like any other.
    return one.was_audited and one.decision == "nurture"


def _merit(one: LatestScore) -> tuple[float, float, str]:
    return -one.probability, one.as_of.timestamp(), one.lead_id


class HandoffService:
    """Makes the plan of the week from the store.

    Parameters
    ----------
    model : ServingModel
        Its definition gives capacity and reasons, its desk the line of the week.
    journal : Journal
        Scores and events.
    """

    def __init__(self, model: ServingModel, journal: Journal) -> None:
        self._model = model
        self._journal = journal

    def plan(
        self, now: datetime, slots: int | None, limit: int, after: str | None
    ) -> dict[str, Any]:
        """Return the answer of ``GET /v1/handoff``.

        Raises
        ------
        StoreUnavailable
            If scores or events cannot be read.
        RequestRefused
            If `after` is not a mark of this list.
        """
        definition, desk = self._model.definition, self._model.desk
        economics, line = definition.economics, desk.line
        leads = self._open_leads(now)
        begun = midnight(line.week, definition.zone)
        taken, audited = self._taken_up(begun)
        reserved = round(economics.audit_share * economics.capacity_per_week)
        places = economics.capacity_per_week - reserved
        free = max(0, places - (len(taken) - len(audited))) if slots is None else slots
        plan = make_plan(leads, free, economics.break_even, self._drawn)
        summary = {
            "week": line.week.isoformat(),
            "week_line": line.line,
            "break_even": economics.break_even,
            "capacity": economics.capacity_per_week,
            "audit_places": reserved,
            "taken_up": len(taken) - len(audited),
            "audit_taken_up": len(audited),
            "slots": free,
            "line": plan.line,
            "n_placed": len(plan.placed),
            "n_waiting": len(plan.waiting),
            "n_audited": len(plan.audited),
            "expected_wins": plan.wins,
            "expected_wins_low": plan.wins_low,
            "expected_wins_high": plan.wins_high,
        }
        band = self._band(plan, now)
        if band is not None:
            summary |= {"model_low": band.low, "model_high": band.high}
        rows = [
            *self._rows(plan.placed, "placed", _PLACED),
            *self._rows(plan.waiting, "waiting", _WAITING),
            *self._rows(plan.audited, "audit", _AUDIT),
        ]
        shown, mark = portion(rows, lambda row: row[0], limit, after)
        answer = summary | {"n": len(shown), "leads": [row[1] for row in shown]}
        return answer if mark is None else answer | {"next": mark}

    def _open_leads(self, now: datetime) -> list[LatestScore]:
        floor = self._model.definition.economics.break_even
        waiting = self._journal.waiting(now - WAIT, now, floor)
        events = self._journal.deciding_events(one.lead_id for one in waiting)
        return [one for one in waiting if self._is_open(events.get(one.lead_id, ()))]

    def _is_open(self, events: Sequence[SalesEvent]) -> bool:
        return lead_state(events, self._model.definition.reasons).state == "open"

    def _taken_up(self, since: datetime) -> tuple[set[str], set[str]]:
        """Return the leads whose work began since then, and those of them in the audit lane."""
        named = self._journal.leads_taken_up(since)
        events = self._journal.deciding_events(named)
        begun = {lead_id for lead_id in named if _has_begun(events.get(lead_id, ()), since)}
        return begun, self._journal.audited_of(begun, since - WAIT)

    def _band(self, plan: Plan, now: datetime) -> ModelBand | None:
        scorer = self._model.scorer
        if scorer.method == "base_rate" or not plan.placed:
            return None
        counts = _reason_counts(self._journal.events_since(now - BAND_DAYS, now))
        return model_band(
            [(one.probability, one.acceptance) for one in plan.placed],
            self._model.definition,
            scorer.main_horizon,
            counts,
        )

    def _rows(
        self, leads: Sequence[LatestScore], standing_: str, group: int
    ) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        rows = []
        for place, one in enumerate(leads, start=1):
            row: dict[str, Any] = {
                "lead_id": one.lead_id,
                "standing": standing_,
                "place": place,
                "probability": one.probability,
                "score": int(one.score + 0.5),
                "grade": one.grade,
                "decision": one.decision,
                "scored_as_of": self._told(one.as_of),
                "waits_until": self._told(one.as_of + WAIT),
                "model_version": one.model_version,
            }
            if one.acceptance is not None:
                row["acceptance_probability"] = one.acceptance
            if one.channel is not None:
                row["channel"] = one.channel
            # The audit lane goes by its draw, the others by merit.
            key = (self._drawn(one.lead_id), 0.0, one.lead_id) if group == _AUDIT else _merit(one)
            rows.append(((group, *key), row))
        return rows

    def _drawn(self, lead_id: str) -> float:
        return draw(lead_id, self._model.desk.audit_suffix)

    def _told(self, moment: datetime) -> str:
        return moment.astimezone(self._model.definition.zone).isoformat()


def _has_begun(events: Sequence[SalesEvent], since: datetime) -> bool:
    """Return whether sales took a lead up at `since` or later, and not before."""
    times = [one.at for one in standing(events) if one.kind in ("accepted", "audit")]
    return bool(times) and min(times) >= since


def _reason_counts(events: Mapping[str, Sequence[SalesEvent]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for own in events.values():
        for one in standing(own):
            if one.kind == "rejected":
                code = one.reason or "no_reason"
                counts[code] = counts.get(code, 0) + 1
    return counts
