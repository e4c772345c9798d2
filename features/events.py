"""What a lead did, turned into numbers as of the scoring time and never later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from features.definition import Behaviour

__all__ = [
    "BLANK_REASONS",
    "EVENT_KINDS",
    "ORDER_AT_SAME_TIME",
    "Act",
    "Measured",
    "acts_by_kind",
    "behaviour_values",
]

EVENT_KINDS = ("accepted", "rejected", "touched", "won", "lost", "recycled", "audit", "retracted")
"""Kinds of sales decisions and outcomes.

A `retracted` event names the event of the same lead that it takes back; one that names an event of
another lead takes nothing back.
"""

BLANK_REASONS = {"rejected": "no_reason", "lost": "lost_other"}
"""What a rejection or a loss without a reason counts as."""

ORDER_AT_SAME_TIME = {
    kind: rank
    for rank, kind in enumerate(
        ("touched", "rejected", "recycled", "audit", "accepted", "lost", "won")
    )
}
"""Events with equal times are read in this order, so that one day's events tell a story."""

_DAY = timedelta(days=1)


class Act(NamedTuple):
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
    done = acts_by_kind(acts, as_of)
    return {
        name: Measured.by(behaviour).value(done, as_of) for name, behaviour in behaviours.items()
    }


def acts_by_kind(acts: Iterable[Act], as_of: datetime) -> dict[str, list[Act]]:
    """Return the acts at or before `as_of`, by kind."""
    done: dict[str, list[Act]] = {}
    for act in acts:
        kind, at, _ = act
        if at <= as_of:
            of_kind = done.get(kind)
            if of_kind is None:
                done[kind] = [act]
            else:
                of_kind.append(act)
    return done


class Measured(NamedTuple):
    """How a behaviour is measured, ready to be computed again and again.

    Attributes
    ----------
    kind, measure : str
        As of `Behaviour`.
    window : timedelta
        How far back it looks.
    """

    kind: str
    measure: str
    window: timedelta

    @classmethod
    def by(cls, behaviour: Behaviour) -> Measured:
        """Return how `behaviour` is measured."""
        return cls(behaviour.kind, behaviour.measure, timedelta(days=behaviour.window_days))

    def value(self, done: Mapping[str, Sequence[Act]], as_of: datetime) -> float | None:
        """Return the value at `as_of` from what `acts_by_kind` gives."""
        of_kind = done.get(self.kind)
        measure = self.measure
        if of_kind is None:
            return None if measure == "days_since_last" else 0.0
        since = as_of - self.window
        inside = [act for act in of_kind if act[1] > since]
        if measure == "count":
            return float(len(inside))
        if measure == "sum":
            return float(sum(sorted(act.amount or 0.0 for act in inside)))
        return (as_of - max(act.at for act in inside)) / _DAY if inside else None
