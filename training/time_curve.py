"""When wins come: the promised curve beside the one of Kaplan and Meier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.documents import finite
from training.judging import STUDENT
from training.labels import HistoryLabels
from training.metrics import Z95, Interval

if TYPE_CHECKING:
    from training.rolling import RollingJudgement

__all__ = ["CurvePoint", "kaplan_meier", "time_curve"]

_STEPS = 24

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Judged leads so many days after their arrival.

    Attributes
    ----------
    days : float
        Days.
    promised : float
        Mean probability of the student; NaN between its horizons.
    observed, low, high : float
        Share won by then, with its 95 % interval; NaN where nobody was followed so long.
    """

    days: float
    promised: float
    observed: float
    low: float
    high: float

    def document(self) -> dict[str, Any]:
        """Return the point as JSON content."""
        return {name: finite(value) for name, value in asdict(self).items()}


def time_curve(judgement: RollingJudgement) -> tuple[CurvePoint, ...]:
    """Return the curve of all judged leads from day 0 to the longest horizon.

    Horizons that an older model does not tell are left out of the promise: it would be about other
    leads. Empty in a snapshot.
    """
    known = judgement.newest.known
    if not isinstance(known, HistoryLabels) or not len(judgement.lead):
        return ()
    promised = {0.0: 0.0}
    own = judgement.probabilities[STUDENT]
    for column, horizon in enumerate(judgement.horizons):
        if not np.isnan(own[:, column]).any():
            promised[float(horizon)] = float(own[:, column].mean())
    longest = float(judgement.horizons[-1])
    days = sorted({*promised, *np.linspace(0.0, longest, _STEPS + 1).round().tolist(), longest})
    until, won = known.until_days[judgement.lead], ~np.isnan(known.won_days[judgement.lead])
    seen = kaplan_meier(until, won, days)
    return tuple(
        CurvePoint(day, promised.get(day, float("nan")), *interval)
        for day, interval in zip(days, seen, strict=True)
    )


def kaplan_meier(
    until_days: Floats, is_won: NDArray[np.bool_], days: Sequence[float]
) -> list[Interval]:
    """Return the share won by each day, with a 95 % interval.

    The interval is Greenwood's on the scale ``log(-log S)`` (Kalbfleisch and Prentice), which stays
    between 0 and 1. NaN after the last lead has gone from observation.

    Parameters
    ----------
    until_days : ndarray of float, shape (n_leads,)
        Days after arrival at which observation ended; all leads were observed from day 0.
    is_won : ndarray of bool, shape (n_leads,)
        Whether it ended with a win.
    days : sequence of float
        In any order.
    """
    times, wins = np.unique(until_days[is_won], return_counts=True)
    at_risk = len(until_days) - np.searchsorted(np.sort(until_days), times, side="left")
    survival = np.cumprod(1.0 - wins / at_risk)
    with np.errstate(divide="ignore"):
        variance = np.cumsum(wins / (at_risk * (at_risk - wins)))
    found = []
    for day in days:
        if day > until_days.max(initial=0.0):
            found.append(Interval(float("nan"), float("nan"), float("nan")))
            continue
        place = int(np.searchsorted(times, day, side="right")) - 1
        if place < 0:
            found.append(Interval(0.0, 0.0, 0.0))
            continue
        left = float(survival[place])
        if left <= 0.0:
            found.append(Interval(1.0, float("nan"), 1.0))
            continue
        reach = Z95 * float(np.sqrt(variance[place])) / abs(np.log(left))
        found.append(
            Interval(1.0 - left, 1.0 - left ** np.exp(-reach), 1.0 - left ** np.exp(reach))
        )
    return found
