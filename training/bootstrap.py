"""Whether one model beats another by more than luck: paired bootstrap over leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.metrics import Interval, log_losses, roc_auc

__all__ = ["Metric", "paired_difference"]

Floats = NDArray[np.float64]
Metric = Literal["log_loss", "brier", "auc"]
_CELLS = 4_000_000


def paired_difference(
    outcome: Floats,
    first: Floats,
    second: Floats,
    *,
    metric: Metric = "log_loss",
    weight: Floats | None = None,
    strata: NDArray[np.int64] | None = None,
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return ``metric(first) - metric(second)`` with its percentile interval.

    Leads are drawn again with replacement, the same leads for both models. For a loss, below 0
    means that `first` is better.

    Parameters
    ----------
    outcome : ndarray of float, shape (n_leads,)
        1 or 0.
    first, second : ndarray of float, shape (n_leads,)
        Probabilities of the two models.
    metric : {"log_loss", "brier", "auc"}
        What is compared.
    weight : ndarray of float, optional
        Weights of the leads, e.g. for censoring.
    strata : ndarray of int, optional
        Groups, e.g. cut-offs; each draw takes as many leads from every group as it has.
    level : float
        Share of the draws inside the interval; 0.8 gives a one-sided bound of 90 % at either end.
    n_draws, seed : int
        Draws, and where their randomness starts: the same seed gives the same interval.
    """
    weights = np.ones(len(outcome)) if weight is None else weight
    if metric == "auc":
        ranked = [_auc_of(outcome, probability) for probability in (first, second)]
        draws = [
            ranked[0](counts) - ranked[1](counts)
            for counts in _draws(weights, n_draws, seed, strata)
        ]
        point = roc_auc(outcome, first, weights) - roc_auc(outcome, second, weights)
        return _interval(point, np.concatenate(draws), level)
    losses = _losses(outcome, first, metric) - _losses(outcome, second, metric)
    return _mean_interval(losses, weights, n_draws, seed, strata, level)


def _losses(outcome: Floats, probability: Floats, metric: Metric) -> Floats:
    if metric == "log_loss":
        return log_losses(outcome, probability)
    return np.asarray((probability - outcome) ** 2)


def _mean_interval(
    losses: Floats,
    weights: Floats,
    n_draws: int,
    seed: int,
    strata: NDArray[np.int64] | None = None,
    level: float = 0.95,
) -> Interval:
    drawn = _draws(weights, n_draws, seed, strata)
    means = [counts @ losses / counts.sum(axis=1) for counts in drawn]
    return _interval(float(np.average(losses, weights=weights)), np.concatenate(means), level)


def _interval(point: float, draws: Floats, level: float = 0.95) -> Interval:
    low, high = np.nanquantile(draws, (0.5 - level / 2.0, 0.5 + level / 2.0))
    return Interval(point, float(low), float(high))


def _draws(
    weights: Floats, n_draws: int, seed: int, strata: NDArray[np.int64] | None = None
) -> Iterator[Floats]:
    """Yield blocks of drawn weights, shape (draws of the block, n_leads)."""
    random = np.random.default_rng(seed)
    n = len(weights)
    block = max(1, _CELLS // n)
    for start in range(0, n_draws, block):
        size = min(block, n_draws - start)
        if strata is None:
            picks = random.integers(0, n, size=(size, n))
        else:
            groups = [np.flatnonzero(strata == group) for group in np.unique(strata)]
            picks = np.hstack([random.choice(group, (size, len(group))) for group in groups])
        flat = picks + n * np.arange(size)[:, None]
        counts = np.bincount(flat.ravel(), minlength=size * n).reshape(size, n)
        yield counts * weights


def _auc_of(outcome: Floats, probability: Floats) -> Callable[[Floats], Floats]:
    """Return a function of drawn weights, (n_draws, n_leads), that gives each draw's AUC."""
    order = np.argsort(probability, kind="stable")
    is_new = np.diff(probability[order], prepend=-np.inf) > 0
    starts = np.flatnonzero(is_new)

    def auc(counts: Floats) -> Floats:
        ranked = counts[:, order]
        won = np.add.reduceat(ranked * outcome[order], starts, axis=1)
        others = np.add.reduceat(ranked * (1.0 - outcome[order]), starts, axis=1)
        below = np.cumsum(others, axis=1) - others
        pairs = won.sum(axis=1) * others.sum(axis=1)
        ahead = (won * (below + 0.5 * others)).sum(axis=1)
        return np.asarray(np.divide(ahead, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))

    return auc
