"""Calibration by a shrunk shift of the intercept: ranking and reasons stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.labels import HistoryLabels
from training.metrics import censoring_weights

__all__ = ["CalibrationShift", "calibration_shift", "shrunk_shift"]

Floats = NDArray[np.float64]
_HALF_TRUST = 10.0
"""Wins at which half of what was measured is believed."""
_LEADS_FOLLOWED = 200
"""Worked leads that must have been followed to a horizon to calibrate on it."""


@dataclass(frozen=True)
class CalibrationShift:
    """What the newest leads say about the level of the probabilities.

    Attributes
    ----------
    shift : float
        Log-odds to add at every horizon; 0 where nothing could be measured.
    horizon : int or None
        Days at which it was measured; None where it could not be.
    n_won : int
        Wins it rests on.
    observed, predicted : float
        Weighted wins, as observed and as promised before the shift.
    """

    shift: float
    horizon: int | None
    n_won: int
    observed: float
    predicted: float


def shrunk_shift(outcome: Floats, probability: Floats, weight: Floats | None = None) -> float:
    """Return ``log(Σwy / ΣwP)``, shrunk by ``wins / (wins + 10)``; 0 without wins.

    Parameters
    ----------
    outcome : ndarray of float
        1 or 0.
    probability : ndarray of float
        The teacher's probabilities of the same leads.
    weight : ndarray of float, optional
        Weights, e.g. for censoring.
    """
    weights = np.ones(len(outcome)) if weight is None else weight
    observed = float((weights * outcome).sum())
    predicted = float((weights * probability).sum())
    n_won = float(outcome[weights > 0].sum())
    if n_won == 0 or predicted <= 0:
        return 0.0
    return float(np.log(observed / predicted) * n_won / (n_won + _HALF_TRUST))


def calibration_shift(
    probabilities: Floats,
    labels: HistoryLabels,
    horizons: Sequence[int],
    main_horizon: int,
    rows: NDArray[np.bool_] | None = None,
) -> CalibrationShift:
    """Return the shift measured on leads that the teacher has not seen.

    It is measured at the longest horizon, up to the main one, to which at least 200 worked leads
    were followed: the nearest to what the score is about that the newest leads can tell.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n_leads, n_horizons)
        Probabilities of a teacher that was fitted before these leads arrived.
    labels : HistoryLabels
        Labels of the same leads, as known today.
    horizons : sequence of int
        Days of the columns, ascending.
    main_horizon : int
        One of `horizons`.
    rows : ndarray of bool, optional
        The newest out-of-time fold; all leads by default. Only worked leads are used.
    """
    is_used = labels.worked & (labels.entry_days == 0.0)
    if rows is not None:
        is_used &= rows
    follow_up, won_days = labels.follow_up_days[is_used], labels.won_days[is_used]
    for place in reversed(range(len(horizons))):
        horizon = horizons[place]
        if horizon > main_horizon or int((follow_up >= horizon).sum()) < _LEADS_FOLLOWED:
            continue
        outcome, weight = censoring_weights(won_days, follow_up, horizon)
        promised = probabilities[is_used, place]
        return CalibrationShift(
            shift=shrunk_shift(outcome, promised, weight),
            horizon=horizon,
            n_won=int(outcome[weight > 0].sum()),
            observed=float((weight * outcome).sum()),
            predicted=float((weight * promised).sum()),
        )
    return CalibrationShift(0.0, None, 0, 0.0, 0.0)
