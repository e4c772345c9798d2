"""Worked leads cut into periods of time: who was under observation, for how long, and who won.

A lead that arrived before outcome recording began enters late (left truncation); one that is still
open leaves at the cut-off (right censoring). Lost leads stay at risk: the question is who wins, not
who would win if nobody were lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from training.labels import HistoryLabels

__all__ = ["CUTS", "PersonPeriods", "days_by_period", "person_periods", "period_cuts"]

CUTS = (0.0, 14.0, 30.0, 60.0, 90.0, 135.0, 180.0, 270.0, 365.0)
"""Ends of the periods, in days after arrival."""

_SHORTEST = 1.0 / 24.0
"""Days of exposure given to a win in the very moment of arrival or entry: an hour."""


@dataclass(frozen=True, eq=False)
class PersonPeriods:
    """One row for each worked lead and period in which it was under observation.

    Attributes
    ----------
    lead : ndarray of int
        Position of the lead.
    period : ndarray of int
        Index of the period; period j runs from ``cuts[j]`` to ``cuts[j + 1]`` days.
    exposure_days : ndarray of float
        Days under observation in that period, above 0.
    is_won : ndarray of bool
        Whether the lead won in that period.
    cuts : tuple of float
        Ends of the periods in days.
    weight : ndarray of float or None
        What each row counts, above 0 to 1; None where all count alike.
    """

    lead: NDArray[np.int64]
    period: NDArray[np.int64]
    exposure_days: NDArray[np.float64]
    is_won: NDArray[np.bool_]
    cuts: tuple[float, ...]
    weight: NDArray[np.float64] | None = None

    @property
    def rates(self) -> NDArray[np.float64]:
        """Wins for each day of exposure, by period, drawn a little to one in a thousand days."""
        n_periods = len(self.cuts) - 1
        counted = 1.0 if self.weight is None else self.weight
        wins = np.bincount(self.period, weights=self.is_won * counted, minlength=n_periods)
        days = np.bincount(self.period, weights=self.exposure_days * counted, minlength=n_periods)
        return np.asarray((wins + 0.05) / (days + 50.0))


def period_cuts(horizons: Sequence[int]) -> tuple[float, ...]:
    """Return the ends of the periods, continued to the longest horizon."""
    longest = float(max(horizons))
    return (*CUTS, longest) if longest > CUTS[-1] else CUTS


def person_periods(
    labels: HistoryLabels,
    rows: NDArray[np.bool_] | None = None,
    cuts: tuple[float, ...] = CUTS,
    *,
    half_life_days: float | None = None,
) -> PersonPeriods:
    """Cut the observation time of worked leads into periods.

    Parameters
    ----------
    labels : HistoryLabels
        Only leads whose state is *worked* are used.
    rows : ndarray of bool, optional
        A further choice of leads.
    cuts : tuple of float
        Ends of the periods in days, ascending from 0.
    half_life_days : float, optional
        Time in which what was observed loses half its weight, counted back from the cut-off to the
        middle of the row's exposure. All rows count alike by default.

    Returns
    -------
    PersonPeriods
        Ordered by lead, then period. The exposure of a lead adds up to the days between its entry
        and its win, cut-off or last cut, whichever comes first.
    """
    is_used = labels.worked if rows is None else labels.worked & rows
    leads = np.flatnonzero(is_used)
    entry, until, won = labels.entry_days[leads], labels.until_days[leads], labels.won_days[leads]
    is_seen = (won >= entry) & (won <= labels.follow_up_days[leads])
    exposure = np.column_stack(
        [np.minimum(until, end) - np.maximum(entry, start) for start, end in pairwise(cuts)]
    )
    ends = np.asarray(cuts[1:])
    # A win on a cut belongs to the period before it, where its exposure lies.
    won_in = np.searchsorted(ends, won, side="left")
    events = is_seen[:, None] & (won_in[:, None] == np.arange(len(ends))[None, :])
    exposure = np.where(events, np.maximum(exposure, _SHORTEST), exposure)
    lead, period = np.nonzero(exposure > 0.0)
    found = PersonPeriods(leads[lead], period, exposure[lead, period], events[lead, period], cuts)
    if half_life_days is None:
        return found
    began = np.maximum(entry[lead], np.asarray(cuts)[period])
    ago = labels.follow_up_days[found.lead] - (began + found.exposure_days / 2.0)
    return replace(found, weight=0.5 ** (np.maximum(ago, 0.0) / half_life_days))


def days_by_period(horizons: Sequence[float], cuts: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the days of each period before each horizon, shape (n_periods, n_horizons)."""
    starts, ends = np.asarray(cuts[:-1])[:, None], np.asarray(cuts[1:])[:, None]
    return np.asarray(
        np.clip(np.asarray(horizons, dtype=np.float64)[None, :], starts, ends) - starts
    )
