"""What the gate measures on leads that both models were asked about: paired differences.

The difference of two models is taken over the whole curve, not at one horizon: the log loss of a
lead is the sum, over the published horizons, of the log loss of "won by this one, given that it was
not won by the one before". For a lead that was followed to the last horizon that is exactly minus
the log of the chance that the model gave to what happened, so nothing is counted twice; a lead that
was followed for a part of the time counts for that part. Each interval carries its censoring weight
(`training.metrics.censoring_weights`).

Why this one. The mean difference over leads is what "better" means, so the test of it must hold for
any two models of equal loss, also for two that err in different places; sharper tests (whether a
step towards the challenger would help) promote half of those. With a true challenger the best test
there is (Neyman and Pearson: the ratio of likelihoods) has a distance from zero of
``sqrt(n · KL / 2)`` standard errors, and this statistic *is* that ratio. What can be gained is
leads and intervals: all cut-offs, all published horizons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.metrics import log_losses

__all__ = ["curve_differences", "resampled_means"]

Floats = NDArray[np.float64]
_CELLS = 4_000_000


def curve_differences(
    outcome: Floats, weight: Floats, first: Floats, second: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each lead's difference of log loss over the curve, first minus second.

    Parameters
    ----------
    outcome, weight : ndarray of shape (n_leads, n_horizons)
        1 or 0 by each horizon, and the censoring weight; 0 where it cannot be told.
    first, second : ndarray of shape (n_leads, n_horizons)
        Chances of two models, rising with the horizon; NaN where one does not speak of it.

    Returns
    -------
    difference : ndarray of float, shape (n_leads,)
        In nats, weighted; below 0 the first model did better. 0 where nothing can be told.
    told : ndarray of bool, shape (n_leads,)
        Leads of which at least one interval counts.
    """
    n = len(outcome)
    difference, told = np.zeros(n), np.zeros(n, dtype=bool)
    before = np.zeros((2, n))
    was_won = np.zeros(n, dtype=bool)
    for h in range(outcome.shape[1]):
        counts = (weight[:, h] > 0) & ~np.isnan(first[:, h]) & ~np.isnan(second[:, h]) & ~was_won
        won = outcome[counts, h]
        losses = [
            log_losses(won, (chance[counts, h] - earlier[counts]) / (1.0 - earlier[counts]))
            for chance, earlier in zip((first, second), before, strict=True)
        ]
        difference[counts] += weight[counts, h] * (losses[0] - losses[1])
        told |= counts
        before[:, counts] = np.stack([first[counts, h], second[counts, h]])
        was_won[counts] |= won == 1.0
    return difference, told


def resampled_means(
    values: Floats, strata: NDArray[np.int64], *, n_draws: int = 2000, seed: int = 0
) -> Floats:
    """Return means of leads drawn again with replacement, from each stratum as many as it has.

    The non-parametric bootstrap (Efron 1979), stratified by cut-off, shape (n_draws,).
    """
    random = np.random.default_rng(seed)
    total = np.zeros(n_draws)
    for stratum in np.unique(strata):
        members = values[strata == stratum]
        block = max(1, _CELLS // len(members))
        for start in range(0, n_draws, block):
            size = min(block, n_draws - start)
            picks = random.integers(0, len(members), size=(size, len(members)))
            total[start : start + size] += members[picks].sum(axis=1)
    return total / len(values)
