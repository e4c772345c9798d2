"""Splits by time: what could be known on a day, and the leads that came after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence
from training.verdicts import to_microseconds

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["Origin", "earlier_part", "last_span", "origin_at", "time_order"]

Mask = NDArray[np.bool_]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Origin:
    """A day to stand on: leads before it are known, leads in the days after it are asked about.

    Make the labels to learn from with ``label_history(history, definition, origin.cut_off)``, never
    with what was learnt later; judge with labels as known when judging.

    Attributes
    ----------
    cut_off : datetime
        The moment of standing there.
    train, test : ndarray of bool
        Leads that arrived before it, and those that arrived in the days after.
    """

    cut_off: datetime
    train: Mask
    test: Mask


def origin_at(history: LeadHistory, cut_off: datetime, test_days: float) -> Origin:
    """Return the split at one cut-off; the leads of the `test_days` days after it are the test."""
    arrived = to_microseconds(history.leads["arrived_at"])
    is_timed = np.asarray(history.leads["arrived_at"].notna())
    start = (cut_off - _EPOCH) // _MICROSECOND
    end = start + timedelta(days=test_days) // _MICROSECOND
    return Origin(
        cut_off, is_timed & (arrived < start), is_timed & (arrived >= start) & (arrived < end)
    )


def last_span(
    history: LeadHistory, as_of: datetime, *, share: float = 0.2, follow_days: float = 0.0
) -> Origin:
    """Return the split that keeps the newest `share` of leads apart, for the final judgement.

    Parameters
    ----------
    history : LeadHistory
        In history mode.
    as_of : datetime
        When it is judged; later leads are on neither side.
    share : float
        Share of the leads to keep apart, above 0 and below 1.
    follow_days : float
        Leads younger than this at `as_of` are not counted: they could not be judged.

    Raises
    ------
    ValueError
        If `share` is not between 0 and 1.
    NotEnoughEvidence
        If there are too few leads to leave some on both sides.
    """
    _require_share(share)
    arrived = to_microseconds(history.leads["arrived_at"])
    is_timed = np.asarray(history.leads["arrived_at"].notna())
    end = (as_of - timedelta(days=follow_days) - _EPOCH) // _MICROSECOND
    ordered = np.sort(arrived[is_timed & (arrived <= end)])
    start = (
        int(ordered[min(len(ordered) - 1, round(len(ordered) * (1.0 - share)))])
        if len(ordered)
        else 0
    )
    test = is_timed & (arrived >= start) & (arrived <= end)
    train = is_timed & (arrived < start)
    if not train.any() or not test.any():
        raise NotEnoughEvidence(
            "The history is too short to keep its newest part for judging. Give leads of more days."
        )
    return Origin(_EPOCH + timedelta(microseconds=start), train, test)


def time_order(history: LeadHistory) -> NDArray[np.intp]:
    """Return the positions of leads in the order they came: by time, then place in the file."""
    leads = history.leads
    # A missing time is the smallest number; such leads come last, in the order of the file.
    is_untimed = np.asarray(leads["arrived_at"].isna())
    keys = (leads["sequence"].to_numpy(), to_microseconds(leads["arrived_at"]), is_untimed)
    return np.lexsort(keys)


def earlier_part(
    history: LeadHistory, rows: Mask | None = None, *, share: float = 0.75
) -> tuple[Mask, Mask]:
    """Return the earlier `share` of leads and the rest, by the order in which they came.

    Parameters
    ----------
    history : LeadHistory
        In either mode; a snapshot without times goes by the order of the file.
    rows : ndarray of bool, optional
        Leads to divide, e.g. those with a known outcome; the others are on neither side.
    share : float
        Share of the earlier part, rounded down to whole leads.

    Returns
    -------
    earlier, later : ndarray of bool, shape (n_leads,)

    Raises
    ------
    ValueError
        If `share` is not between 0 and 1.
    """
    _require_share(share)
    order = time_order(history)
    chosen = order if rows is None else order[rows[order]]
    n_earlier = int(len(chosen) * share)
    earlier, later = np.zeros(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    earlier[chosen[:n_earlier]] = True
    later[chosen[n_earlier:]] = True
    return earlier, later


def _require_share(share: float) -> None:
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must lie between 0 and 1, got {share}")
