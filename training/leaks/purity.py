"""How purely a value tells the outcome, against chance and against what honest fields know.

A value is compared with the other leads of its column: odds of a win there against odds elsewhere,
with the exact (Clopper-Pearson) bound of the value's rate. Honest values may be strong; a value is
called only when even the careful end of its odds ratio is beyond what honest values reach, and what
the clean fields know of the same leads does not explain it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, betaincinv, expit

from training.leaks.columns import FEWEST, Codes, Flags, Floats

__all__ = ["CHANCE", "Tally", "auc_of", "joint_chance", "know", "tally"]

CHANCE = 0.01
"""Chance that a column without any relation is called for one of its values, shared out over the
values that could be called (Bonferroni, counted as in Tarone 1990)."""

_FOLDS = 5
_PRIOR = 20.0
"""Leads at the overall rate that are added to each value's own, so that rare values say little."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Outcomes by code of one column; all arrays of shape (size,).

    Attributes
    ----------
    n, k : ndarray of float
        Leads whose outcome is told, and wins among them.
    expected : ndarray of float
        Rate that a value would have without knowing the future, 0 to 1.
    n_judged : int
        Values that could be found at all, over which chance is shared out.
    """

    n: Floats
    k: Floats
    expected: Floats
    n_judged: int

    @property
    def rate(self) -> Floats:
        """Wins for each lead; NaN for a code without leads."""
        blank = np.full(len(self.n), np.nan)
        return np.asarray(np.divide(self.k, self.n, out=blank, where=self.n > 0))

    @property
    def enough(self) -> Flags:
        """Codes with enough leads to be judged."""
        return np.asarray(self.n >= FEWEST)

    @property
    def odds_low(self) -> Floats:
        """Careful (lower) end of the odds ratio against what is expected."""
        level = CHANCE / max(self.n_judged, 1)
        low = np.where(self.k > 0, betaincinv(self.k, self.n - self.k + 1, level), 0.0)
        return _odds(low) / _odds(self.expected)

    @property
    def odds_high(self) -> Floats:
        """Careful (upper) end of the odds ratio against what is expected."""
        level = CHANCE / max(self.n_judged, 1)
        lost = self.n - self.k
        high = np.where(lost > 0, 1 - betaincinv(lost, self.k + 1, level), 1.0)
        return _odds(high) / _odds(self.expected)

    @property
    def too_few_wins(self) -> Floats:
        """Exact chance of so few wins at the expected rate, over all values of the column."""
        chance = bdtr(self.k, self.n.astype(np.int64), self.expected)
        return np.asarray(np.minimum(chance * max(self.n_judged, 1), 1.0))


def tally(codes: Codes, outcome: Floats, among: Flags, *, known: Floats | None = None) -> Tally:
    """Count the outcomes of a column by code.

    Parameters
    ----------
    codes : Codes
        Of the column.
    outcome : ndarray of shape (n,)
        1, 0, or NaN where nothing is told.
    among : ndarray of bool, shape (n,)
        The leads that a value is compared within.
    known : ndarray of shape (n,), optional
        Each lead's chance of a 1 by the clean fields. Without it a value is expected to be as the
        other leads are.
    """
    told = among & ~np.isnan(outcome)
    code, won = codes.code[told], outcome[told]
    n = np.bincount(code, minlength=codes.size).astype(float)
    k = np.bincount(code, won, minlength=codes.size).astype(float)
    others_n, others_k = n.sum() - n, k.sum() - k
    expected = (others_k + 0.5) / (others_n + 1.0)
    if known is not None:
        sums = np.bincount(code, known[told], minlength=codes.size)
        others = (sums.sum() - sums + 0.5) / (others_n + 1.0)
        own = np.divide(sums, n, out=others.copy(), where=n > 0)
        ratio = _odds(np.clip(own, 1e-6, 1 - 1e-6)) / _odds(np.clip(others, 1e-6, 1 - 1e-6))
        odds = ratio * _odds(expected)
        expected = odds / (1 + odds)
        return Tally(n, k, expected, 1)  # it answers one question: is that value explained?
    return Tally(n, k, expected, _n_findable(n, float(k.sum())))


def _n_findable(n: Floats, k: float) -> int:
    """Values whose purest outcome could be told from chance (Tarone 1990)."""
    total = max(float(n.sum()), 1.0)
    base = min(max(k / total, 1e-6), 1 - 1e-6)
    purest = np.minimum((1 - base) ** n, base**n)
    return int((np.asarray(n >= FEWEST) & (purest < CHANCE)).sum())


def _odds(rate: Floats) -> Floats:
    return rate / np.maximum(1 - rate, 1e-12)


def know(codes: Codes, outcome: Floats) -> Floats:
    """Return the log-odds of each lead by its code, learnt from the other folds, shape (n,).

    Rates are drawn towards the overall rate by `_PRIOR` leads.
    """
    told = ~np.isnan(outcome)
    fold = np.arange(len(outcome)) * 2_654_435_761 // 2**7 % _FOLDS
    cell = codes.code * _FOLDS + fold
    size = codes.size * _FOLDS
    n = np.bincount(cell[told], minlength=size).reshape(-1, _FOLDS).astype(float)
    k = np.bincount(cell[told], outcome[told], minlength=size).reshape(-1, _FOLDS)
    n, k = n.sum(axis=1, keepdims=True) - n, k.sum(axis=1, keepdims=True) - k
    base = (k.sum(axis=0) + 0.5) / (n.sum(axis=0) + 1.0)
    rate = (k + _PRIOR * base) / (n + _PRIOR)
    table = np.log(rate / (1 - rate)) - np.log(base / (1 - base))
    return np.asarray(table.reshape(-1)[cell])


def joint_chance(columns: list[Floats], outcome: Floats, rounds: int = 8) -> Floats:
    """Return each lead's chance of a 1 by the columns' log-odds together, shape (n,).

    Logistic regression with a ridge, by Newton steps.
    """
    told = ~np.isnan(outcome)
    base = (np.nansum(outcome) + 0.5) / (told.sum() + 1.0)
    X = np.column_stack([np.ones(len(outcome)), *columns])
    weight = np.zeros(X.shape[1])
    weight[0] = np.log(base / (1 - base))
    ridge = np.full(X.shape[1], 1.0)
    ridge[0] = 0.0
    inside, y = X[told], outcome[told]
    for _ in range(rounds):
        chance = expit(inside @ weight)
        slope = inside.T @ (y - chance) - ridge * weight
        bend = (inside * (chance * (1 - chance))[:, None]).T @ inside + np.diag(ridge + 1e-9)
        step = np.linalg.solve(bend, slope)
        weight = weight + step
        if float(np.abs(step).max()) < 1e-4:
            break
    return np.asarray(expit(X @ weight))


def auc_of(score: Floats, outcome: Floats) -> float:
    """Return the chance that a won lead scores above one that is not; NaN without both."""
    told = ~np.isnan(outcome)
    values, place = np.unique(score[told], return_inverse=True)
    won = np.bincount(place.reshape(-1), outcome[told], minlength=len(values))
    lost = np.bincount(place.reshape(-1), 1 - outcome[told], minlength=len(values))
    if won.sum() == 0 or lost.sum() == 0:
        return float("nan")
    below = np.cumsum(lost) - lost / 2
    return float((won @ below) / (won.sum() * lost.sum()))
