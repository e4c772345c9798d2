"""How good probabilities are, with open leads weighed instead of called lost.

Every measure takes optional weights. With the weights of `censoring_weights` it is the inverse
probability of censoring weighted (IPCW) form for cut-offs that fall on leads by their arrival alone
(administrative censoring): a lead counts for those that arrived too late to be followed as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence
from features.rates import Z95, wilson_interval

__all__ = [
    "Z95",
    "Evaluation",
    "Interval",
    "ReliabilityBin",
    "average_precision",
    "brier",
    "censoring_weights",
    "evaluate",
    "expected_calibration_error",
    "lift",
    "log_loss",
    "log_losses",
    "observed_rate",
    "predicted_over_observed",
    "reliability_curve",
    "roc_auc",
    "weighted_rate",
    "wilson_interval",
]

Floats = NDArray[np.float64]
_SMALLEST = 1e-12


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class ReliabilityBin(NamedTuple):
    """One bin of equally many leads: mean promise, what was observed with its interval, and n."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on one set of leads.

    Attributes
    ----------
    n, n_won : int
        Leads that count (weight above 0), and wins among them.
    auc, pr_auc, log_loss, brier, ece, lift_10 : float
        As the functions of this module; ``lift_10`` is the lift of the best tenth.
    predicted_over_observed : Interval
        Promised wins for each observed one.
    """

    n: int
    n_won: int
    auc: float
    pr_auc: float
    log_loss: float
    brier: float
    ece: float
    lift_10: float
    predicted_over_observed: Interval


def evaluate(outcome: Floats, probability: Floats, weight: Floats | None = None) -> Evaluation:
    """Return all figures at once; leads of weight 0 and leads whose outcome is NaN do not count."""
    counts = ~np.isnan(outcome) if weight is None else ~np.isnan(outcome) & (weight > 0)
    won, promised = outcome[counts], probability[counts]
    weights = None if weight is None else weight[counts]
    if len(won) == 0:
        raise NotEnoughEvidence("No lead has a known outcome here; evaluate on older leads.")
    return Evaluation(
        n=len(won),
        n_won=int(won.sum()),
        auc=roc_auc(won, promised, weights),
        pr_auc=average_precision(won, promised, weights),
        log_loss=log_loss(won, promised, weights),
        brier=brier(won, promised, weights),
        ece=expected_calibration_error(won, promised, weights),
        lift_10=lift(won, promised, weight=weights),
        predicted_over_observed=predicted_over_observed(won, promised, weights),
    )


def roc_auc(outcome: Floats, probability: Floats, weight: Floats | None = None) -> float:
    """Return the chance that a won lead was ranked above another one; ties count half.

    NaN when all leads won or none did.
    """
    won, others = _by_value(outcome, probability, weight)
    total = won.sum() * others.sum()
    if total <= 0:
        return float("nan")
    below = np.cumsum(others) - others
    return float((won * (below + 0.5 * others)).sum() / total)


def average_precision(outcome: Floats, probability: Floats, weight: Floats | None = None) -> float:
    """Return the area under the precision-recall curve, as steps; NaN when nobody won."""
    won, others = (column[::-1] for column in _by_value(outcome, probability, weight))
    if won.sum() <= 0:
        return float("nan")
    found = np.cumsum(won)
    chosen = found + np.cumsum(others)
    precision = np.divide(found, chosen, out=np.zeros_like(found), where=chosen > 0)
    return float((won * precision).sum() / won.sum())


def log_losses(outcome: Floats, probability: Floats) -> Floats:
    """Return each lead's log loss (natural logarithm), probabilities kept 1e-12 from 0 and 1."""
    safe = np.clip(probability, _SMALLEST, 1.0 - _SMALLEST)
    return np.asarray(-(outcome * np.log(safe) + (1.0 - outcome) * np.log1p(-safe)))


def log_loss(outcome: Floats, probability: Floats, weight: Floats | None = None) -> float:
    """Return the mean log loss."""
    return float(np.average(log_losses(outcome, probability), weights=weight))


def brier(outcome: Floats, probability: Floats, weight: Floats | None = None) -> float:
    """Return the mean squared distance of probability and outcome."""
    return float(np.average((probability - outcome) ** 2, weights=weight))


def expected_calibration_error(
    outcome: Floats, probability: Floats, weight: Floats | None = None, n_bins: int = 10
) -> float:
    """Return the mean gap of promise and observation over bins of equally many leads."""
    weights = np.ones(len(outcome)) if weight is None else weight
    gaps = [
        abs(float((weights[members] * (outcome - probability)[members]).sum()))
        for members in _equal_bins(probability, n_bins)
    ]
    return float(sum(gaps) / weights.sum())


def lift(
    outcome: Floats, probability: Floats, share: float = 0.1, weight: Floats | None = None
) -> float:
    """Return the win rate of the best `share` over that of all; ties at the edge count in part.

    NaN when nobody won.
    """
    won, others = (column[::-1] for column in _by_value(outcome, probability, weight))
    sizes = won + others
    places = share * sizes.sum()
    if won.sum() <= 0:
        return float("nan")
    taken = np.clip(places - (np.cumsum(sizes) - sizes), 0.0, sizes)
    part = np.divide(taken, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return float((won * part).sum() / places * sizes.sum() / won.sum())


def predicted_over_observed(
    outcome: Floats, probability: Floats, weight: Floats | None = None
) -> Interval:
    """Return promised over observed wins with a 95 % interval (normal on the logarithm).

    Infinite when nobody won, with NaN for the interval.
    """
    weights = np.ones(len(outcome)) if weight is None else weight
    observed = float((weights * outcome).sum())
    predicted = float((weights * probability).sum())
    if observed <= 0:
        return Interval(float("inf"), float("nan"), float("nan"))
    error = float(np.sqrt(((weights * (outcome - probability)) ** 2).sum())) / observed
    ratio = predicted / observed
    return Interval(ratio, ratio * float(np.exp(-Z95 * error)), ratio * float(np.exp(Z95 * error)))


def reliability_curve(
    outcome: Floats, probability: Floats, weight: Floats | None = None, n_bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Return promise and observation in bins of equally many leads, with Wilson intervals.

    Weighted leads enter the interval by their effective number, ``(Σw)² / Σw²``.
    """
    weights = np.ones(len(outcome)) if weight is None else weight
    curve = []
    for members in _equal_bins(probability, n_bins):
        own = weights[members]
        if own.sum() <= 0:
            continue
        observed = weighted_rate(outcome[members], own)
        predicted = float(np.average(probability[members], weights=own))
        curve.append(ReliabilityBin(predicted, *observed, int((own > 0).sum())))
    return tuple(curve)


def weighted_rate(outcome: Floats, weight: Floats) -> Interval:
    """Return the weighted share won with Wilson's interval for the effective number of leads.

    That number is ``(Σw)² / Σw²`` (Kish); NaN without leads.
    """
    if weight.sum() <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    rate = float(np.average(outcome, weights=weight))
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return Interval(rate, *wilson_interval(rate * effective, effective))


def censoring_weights(
    won_days: Floats, follow_up_days: Floats, horizon: float
) -> tuple[Floats, Floats]:
    """Return each lead's outcome within `horizon` days and its weight.

    Parameters
    ----------
    won_days : ndarray of float
        Days from arrival to the win; NaN if no win is known.
    follow_up_days : ndarray of float
        Days from arrival to the cut-off; known for every lead, so that the chance of being followed
        for t days is simply the share of leads that were.
    horizon : float
        Days.

    Returns
    -------
    outcome, weight : ndarray of float
        Outcome 1 or 0; weight 0 where it cannot be told yet.

    Raises
    ------
    NotEnoughEvidence
        If no lead was followed for `horizon` days.
    """
    follow_up = np.sort(follow_up_days)
    if len(follow_up) == 0 or follow_up[-1] < horizon:
        raise NotEnoughEvidence(
            f"No lead was followed for {horizon:g} days, so nothing can be said about it. "
            "Choose a shorter one or an earlier cut-off."
        )
    is_won = (won_days <= np.minimum(horizon, follow_up_days)) & ~np.isnan(won_days)
    needed = np.where(is_won, won_days, horizon)
    followed = 1.0 - np.searchsorted(follow_up, needed, side="left") / len(follow_up)
    is_told = is_won | (follow_up_days >= horizon)
    return is_won.astype(np.float64), np.where(is_told, 1.0 / np.maximum(followed, 1e-9), 0.0)


def observed_rate(
    entry_days: Floats, until_days: Floats, is_won: NDArray[np.bool_], horizons: Sequence[float]
) -> Floats:
    """Return the share won within each horizon, by Kaplan and Meier, with late entry.

    Parameters
    ----------
    entry_days, until_days : ndarray of float
        Days after arrival between which a lead was under observation.
    is_won : ndarray of bool
        Whether observation ended with a win.
    horizons : sequence of float
        Days, in any order.

    Returns
    -------
    ndarray of float, shape (n_horizons,)
        0 to 1; 0 where nobody was under observation.
    """
    # A win at the moment of entry was under observation for that moment.
    is_counted = (until_days > entry_days) | (is_won & (until_days >= entry_days))
    entry, until = np.sort(entry_days[is_counted]), np.sort(until_days[is_counted])
    times, wins = np.unique(until_days[is_counted & is_won], return_counts=True)
    entered = np.searchsorted(entry, times, side="right")
    left = np.searchsorted(until, times, side="left")
    survival = np.cumprod(1.0 - wins / np.maximum(entered - left, wins))
    reached = np.searchsorted(times, np.asarray(horizons, dtype=np.float64), side="right")
    return np.asarray(1.0 - np.concatenate([[1.0], survival])[reached])


def _by_value(outcome: Floats, probability: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Return the weight of won and of other leads at each distinct probability, ascending."""
    _, place = np.unique(probability, return_inverse=True)
    weights = np.ones(len(outcome)) if weight is None else weight
    won = np.bincount(place, weights=weights * outcome)
    others = np.bincount(place, weights=weights * (1.0 - outcome))
    return won.astype(np.float64), others.astype(np.float64)


def _equal_bins(probability: Floats, n_bins: int) -> list[NDArray[np.intp]]:
    """Return the positions in each of `n_bins` bins of equally many leads, lowest promise first."""
    order = np.argsort(probability, kind="stable")
    return [members for members in np.array_split(order, n_bins) if len(members)]
