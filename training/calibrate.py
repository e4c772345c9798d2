"""Calibration by a shrunk shift of the intercept: ranking and reasons stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.labels import HistoryLabels
from training.metrics import censoring_weights

__all__ = ["CalibrationShift", "Fold", "calibration_shift", "pooled_shift", "shrunk_shift"]

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
    chosen = np.ones(len(labels.state), dtype=bool) if rows is None else rows
    return pooled_shift([Fold(probabilities, chosen)], labels, horizons, main_horizon)


@dataclass(frozen=True, eq=False)
class Fold:
    """Leads that came after a teacher was fitted, and what it said of them.

    Attributes
    ----------
    probabilities : ndarray of float, shape (n_leads, n_horizons)
        Of all leads of the history.
    rows : ndarray of bool, shape (n_leads,)
        The leads of the fold.
    """

    probabilities: Floats
    rows: NDArray[np.bool_]


def pooled_shift(
    folds: Sequence[Fold], labels: HistoryLabels, horizons: Sequence[int], main_horizon: int
) -> CalibrationShift:
    """Return the shift measured over several folds, each by the teacher that came before it.

    Wins and promises are added up over the folds, each fold weighed for its own censoring, at the
    longest horizon up to the main one to which at least 200 of all their worked leads were
    followed. One fold alone follows every turn of the market; together they say what a teacher of
    this kind is wrong by on the leads that come next.

    Parameters
    ----------
    folds : sequence of Fold
        Disjoint.
    labels : HistoryLabels
        As known today.
    horizons : sequence of int
        Days of the columns, ascending.
    main_horizon : int
        One of `horizons`.
    """
    seen = labels.worked & (labels.entry_days == 0.0)
    for place in reversed(range(len(horizons))):
        horizon = horizons[place]
        told = [fold for fold in folds if _n_followed(labels, seen & fold.rows, horizon)]
        n_followed = sum(_n_followed(labels, seen & fold.rows, horizon) for fold in told)
        if horizon > main_horizon or n_followed < _LEADS_FOLLOWED:
            continue
        parts = []
        for fold in told:
            rows = seen & fold.rows
            outcome, weight = censoring_weights(
                labels.won_days[rows], labels.follow_up_days[rows], horizon
            )
            parts.append((outcome, fold.probabilities[rows, place], weight))
        outcome, promised, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return CalibrationShift(
            shift=shrunk_shift(outcome, promised, weight),
            horizon=horizon,
            n_won=int(outcome[weight > 0].sum()),
            observed=float((weight * outcome).sum()),
            predicted=float((weight * promised).sum()),
        )
    return CalibrationShift(0.0, None, 0, 0.0, 0.0)


def _n_followed(labels: HistoryLabels, rows: NDArray[np.bool_], horizon: int) -> int:
    return int((labels.follow_up_days[rows] >= horizon).sum())
