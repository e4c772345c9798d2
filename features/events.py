"""What a lead did, turned into numbers as of the scoring time and never later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.definition import Behaviour

__all__ = ["EVENT_KINDS", "Act", "behaviour_values"]

EVENT_KINDS = ("accepted", "rejected", "touched", "won", "lost", "recycled", "audit", "retracted")
"""Kinds of sales decisions and outcomes; a `retracted` event names the event it takes back."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a lead did: a page view, a download, a webinar of so many minutes.

    Attributes
    ----------
    kind : str
        What was done; matched with `Behaviour.kind`.
    at : datetime
        When, with a time zone.
    amount : float or None
        Size in the unit of the behaviour, e.g. minutes.
    """

    kind: str
    at: datetime
    amount: float | None = None


def behaviour_values(
    behaviours: Mapping[str, Behaviour], acts: Iterable[Act], as_of: datetime
) -> dict[str, float | None]:
    """Return each behaviour's value at `as_of`, from acts at or before it.

    A lead that did nothing has count and sum 0; its `days_since_last` is missing (None).

    Parameters
    ----------
    behaviours : mapping of str to Behaviour
        What to compute, by name.
    acts : iterable of Act
        In any order; later acts than `as_of` are ignored.
    as_of : datetime
        The scoring time, with a time zone.
    """
    known = [act for act in acts if act.at <= as_of]
    return {name: _value(behaviour, known, as_of) for name, behaviour in behaviours.items()}


def _value(behaviour: Behaviour, known: list[Act], as_of: datetime) -> float | None:
    if not known:
        return None if behaviour.measure == "days_since_last" else 0.0
    since = as_of - timedelta(days=behaviour.window_days)
    inside = [act for act in known if act.kind == behaviour.kind and act.at > since]
    if behaviour.measure == "count":
        return float(len(inside))
    if behaviour.measure == "sum":
        return float(sum(sorted(act.amount or 0.0 for act in inside)))
    return (as_of - max(act.at for act in inside)) / _DAY if inside else None
