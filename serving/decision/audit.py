"""The audit lane: a few leads below the line, drawn at random, are worked all the same.

Only such leads can show whether the line, and sales' reasons, are right. The draw follows from the
lead, the week and the model's name alone: scoring a lead again in the week draws nothing new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from serving.decision.lead_state import SalesEvent, standing

__all__ = ["AuditWork", "Draw", "audit_work", "draw", "draw_suffix"]

_TAIL = 2.0**-53


def draw_suffix(week: date, model_name: str, purpose: str = "") -> bytes:
    """Return what follows the lead id in what is hashed: week, model name, and a purpose if any."""
    return f"|{week.isoformat()}|{model_name}{'|' if purpose else ''}{purpose}".encode()


def draw(lead_id: str, suffix: bytes) -> float:
    """Return the lead's number of the week, uniform in 0 to 1 (1 excluded).

    The first 53 bits of SHA-256 over ``lead_id|week|model name``.

    >>> draw("L-1042", draw_suffix(date(2026, 11, 16), "lead-quality"))
    0.6843790308646573
    """
    digest = hashlib.sha256(lead_id.encode() + suffix).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) * _TAIL


@dataclass(frozen=True, slots=True)
class Draw:
    """One recorded score below the line.

    Attributes
    ----------
    at : datetime
        When it was recorded, with a time zone.
    week : date
        Monday of the week it was drawn in.
    probability : float
        With which it was drawn.
    is_drawn : bool
        Whether it was.
    """

    at: datetime
    week: date
    probability: float
    is_drawn: bool


@dataclass(frozen=True, slots=True)
class AuditWork:
    """An ``audit`` event for training: when sales began, and the share that the lead stands for."""

    at: datetime
    share: float


def audit_work(draws: Sequence[Draw], events: Iterable[SalesEvent]) -> AuditWork | None:
    """Return the ``audit`` event that an export writes for a lead, or None.

    The rule:

    - The lead was drawn, and sales worked it afterwards. A drawn lead that nobody worked says
      nothing about what becomes of worked leads. Work is an ``accepted``, ``won`` or ``lost``, or a
      ``touched`` that no ``rejected`` follows: a call that ends in a rejection is not the work that
      the lane asks for, one that comes after a rejection is.
    - The event's time is that of the first such event. Its amount is the chance that the lead had
      in the first week in which it stood below the line, if it was drawn in that week: so drawn
      leads, each standing for ``1 / amount``, add up to all that ever stood below the line. A lead
      that stays below is drawn anew every week. Had these second chances a weight of that kind too,
      leads that wait would stand for several; so a lead drawn later stands for itself, amount 1.
    - An ``audit`` event that sales sent itself is left alone: none is written beside it.

    Parameters
    ----------
    draws : sequence of Draw
        All recorded scores of the lead that stood below the line.
    events : iterable of SalesEvent
        All its events.
    """
    hits = [one for one in draws if one.is_drawn]
    if not hits:
        return None
    hit = min(hits, key=lambda one: one.at)
    told = [one for one in standing(events) if one.at >= hit.at]
    if any(one.kind == "audit" for one in told):
        return None
    rejections = [one.at for one in told if one.kind == "rejected"]
    begun = [
        one.at
        for one in told
        if one.kind in ("accepted", "won", "lost")
        or (one.kind == "touched" and not any(at >= one.at for at in rejections))
    ]
    if not begun:
        return None
    first = min(one.week for one in draws)
    chances = [one.probability for one in draws if one.week == first]
    return AuditWork(min(begun), max(chances) if hit.week == first else 1.0)
