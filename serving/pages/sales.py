"""What sales did with a lead: where it stands, and the time line of its events, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from features.events import BLANK_REASONS, ORDER_AT_SAME_TIME
from serving.decision.lead_state import LeadState, SalesEvent, lead_state, standing
from serving.decision.recycle import return_of
from serving.pages.view import shown_day

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from serving.store import Event
    from serving.texts import Texts

__all__ = ["MOST_SHOWN", "sales_view"]

MOST_SHOWN = 8
"""Rows of the time line; calls and mails in a row are one row."""

_TONES = {"accepted": "good", "won": "good", "rejected": "bad", "lost": "bad"}


def sales_view(
    lead_id: str, events: Sequence[Event], definition: LeadDefinition, texts: Texts, today: date
) -> dict[str, Any]:
    """Return what the page tells of sales; who did it is not told.

    Parameters
    ----------
    events : sequence of Event
        Of this lead, in any order.
    today : date
        In the definition's zone.
    """
    told = [one.deciding for one in events]
    now = lead_state(told, definition.reasons)
    rows = _rows(told, definition, texts)
    n_more = len(rows) - MOST_SHOWN
    return {
        "state": now.state,
        "state_word": _word("state", now.state, definition, texts),
        "reason": _reason(now.reason, definition, texts) if now.reason else "",
        "since": ""
        if now.since is None
        else texts("lead.since", day=_day(now.since.astimezone(definition.zone).date(), texts)),
        "returns": _returns(lead_id, now, definition, texts, today),
        "rows": rows[:MOST_SHOWN],
        "more": texts("lead.acts_more", n=n_more) if n_more > 0 else "",
    }


def _rows(
    told: Sequence[SalesEvent], definition: LeadDefinition, texts: Texts
) -> list[dict[str, Any]]:
    """Return the time line, the latest first; what was taken back is marked, not left out."""
    kept = {one.event_id for one in standing(told)}
    shown = [one for one in told if one.kind != "retracted"]
    shown.sort(key=lambda one: (one.at, ORDER_AT_SAME_TIME[one.kind], one.event_id), reverse=True)
    rows: list[dict[str, Any]] = []
    for one in shown:
        is_undone = one.event_id not in kept
        last = rows[-1] if rows else None
        if one.kind == "touched" and last and last["key"] == ("touched", is_undone):
            last["n"] += 1
            last["what"] = texts("lead.act.touched_many", n=last["n"])
            first = one.at.astimezone(definition.zone).date()
            last["note"] = texts("lead.act_first", day=_day(first, texts))
            continue
        has_reason = one.kind in BLANK_REASONS
        code = one.reason or BLANK_REASONS.get(one.kind, "")
        rows.append(
            {
                "key": (one.kind, is_undone),
                "n": 1,
                "at": one.at.isoformat(),
                "day": _day(one.at.astimezone(definition.zone).date(), texts),
                "what": _word("act", one.kind, definition, texts),
                "reason": _reason(code, definition, texts) if has_reason else "",
                "note": ""
                if one.return_on is None
                else texts("lead.act_until", day=_day(one.return_on, texts)),
                "tone": _TONES.get(one.kind, "plain"),
                "is_undone": is_undone,
            }
        )
    return rows


def _returns(
    lead_id: str, now: LeadState, definition: LeadDefinition, texts: Texts, today: date
) -> str:
    if now.state not in ("rejected", "lost"):
        return ""
    found = return_of(lead_id, now, definition)
    if found is None:
        return texts("lead.returns_never")
    if found.on <= today:
        return texts("lead.returns_due", day=_day(found.on, texts))
    how = "stated" if found.is_stated else "usual"
    return texts(f"lead.returns_{how}", day=_day(found.on, texts))


def _word(what: str, code: str, definition: LeadDefinition, texts: Texts) -> str:
    return (
        definition.conversion.get(texts.language) if code == "won" else texts(f"lead.{what}.{code}")
    )


def _reason(code: str, definition: LeadDefinition, texts: Texts) -> str:
    # Kept while no model served, a reason may be any text, of a person too: it is not shown.
    reason = definition.reasons.get(code)
    return texts("lead.reason_unknown") if reason is None else reason.names.get(texts.language)


def _day(day: date, texts: Texts) -> str:
    return shown_day(day, texts.language)
