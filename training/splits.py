"""Splits by time: what could be known on a day, and the leads that came after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence
from training.verdicts import moment_of, since_epoch, to_microseconds

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = [
    "Origin",
    "as_of_history",
    "cut_off_at",
    "earlier_part",
    "following_spans",
    "last_span",
    "origin_at",
    "time_order",
]

Mask = NDArray[np.bool_]


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
    start, end = since_epoch(cut_off), since_epoch(cut_off + timedelta(days=test_days))
    return Origin(
        cut_off, is_timed & (arrived < start), is_timed & (arrived >= start) & (arrived < end)
    )


def as_of_history(history: LeadHistory) -> datetime:
    """Return the last moment the files speak of: the newest arrival or event."""
    newest = max(
        column.max()
        for column in (history.leads["arrived_at"], history.events["at"])
        if column.notna().any()
    )
    moment: datetime = newest.to_pydatetime()
    return moment.astimezone(UTC)


def cut_off_at(arrived: NDArray[np.int64], asked: Mask, share: float) -> datetime:
    """Return the moment before the lead came that has `share` of the asked leads before it.

    Before it, since what arrives at the cut-off itself counts as known: it would be learnt from.
    """
    ordered = np.sort(arrived[asked])
    return moment_of(int(ordered[int(len(ordered) * share)]) - 1)


def following_spans(
    arrived: NDArray[np.int64], asked: Mask, shares: Iterable[float]
) -> list[tuple[datetime, Mask]]:
    """Return cut-offs, oldest first, each with the asked leads up to the next one.

    Parameters
    ----------
    arrived : ndarray of int64, shape (n_leads,)
        Microseconds since 1970 (UTC).
    asked : ndarray of bool
        Leads that can be judged; at least one.
    shares : iterable of float
        Shares of these before each cut-off, below 1.
    """
    days = sorted({cut_off_at(arrived, asked, float(share)) for share in shares})
    edges = [*map(since_epoch, days), int(arrived[asked].max())]
    return [
        (day, asked & (arrived > first) & (arrived <= last))
        for day, (first, last) in zip(days, pairwise(edges), strict=True)
    ]


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
    end = since_epoch(as_of - timedelta(days=follow_days))
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
    return Origin(moment_of(start), train, test)


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
