"""The teacher where no dates are known: logistic regression and small boosters, averaged.

Each member errs in its own way: the logistic regression is steady on few leads and under drift, the
free boosters find what is not additive, and the boosters started from the logistic regression bend
its curves. The mean of their log-odds was never far from the best member; single members were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence
from training.boosters import grow
from training.linear import CodedInputs, LinearPart, fit_linear, log_odds

if TYPE_CHECKING:
    import lightgbm

__all__ = ["SMALL_BOOSTER", "SnapshotTeacher", "SnapshotTeacherSettings"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class SnapshotTeacherSettings:
    """Form of the teacher; the defaults were chosen on rolling validation (docs/decisions).

    Attributes
    ----------
    shares : tuple of three float
        Weights of logistic regression, free boosters and bending boosters; they sum to 1.
    ridge : float
        Penalty of the logistic regression.
    free_sizes : tuple of (int, int)
        Leaves and number of trees of the free boosters, which are averaged.
    bending_trees : int
        Trees (of depth 2) of the bending boosters.
    seeds : tuple of int
        The boosters of these seeds are averaged.
    """

    shares: tuple[float, float, float] = (0.25, 0.5, 0.25)
    ridge: float = 10.0
    free_sizes: tuple[tuple[int, int], ...] = ((7, 150), (15, 80))
    bending_trees: int = 150
    seeds: tuple[int, ...] = (1, 2, 3)


SMALL_BOOSTER: dict[str, Any] = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "cat_smooth": 10.0,
    "cat_l2": 10.0,
    "min_data_per_group": 20,
}
"""LightGBM parameters of a booster that learns labels 0 and 1, not soft ones, from few leads."""


@dataclass(frozen=True, eq=False)
class SnapshotTeacher:
    """A fitted teacher: P(won, ever) for any lead.

    Attributes
    ----------
    linear : LinearPart
        The logistic regression.
    base : float
        Log-odds of the mean outcome, where the free boosters start.
    free, bending : tuple of lightgbm.Booster
        One for each size and seed; the bending ones start from `linear`.
    shares : tuple of three float
        Weights of the members.
    """

    linear: LinearPart
    base: float
    free: tuple[lightgbm.Booster, ...]
    bending: tuple[lightgbm.Booster, ...]
    shares: tuple[float, float, float]

    @classmethod
    def fit(
        cls,
        codes: Codes,
        encoder: CodedInputs,
        outcome: Floats,
        *,
        weights: Floats | None = None,
        settings: SnapshotTeacherSettings | None = None,
    ) -> SnapshotTeacher:
        """Learn from worked leads.

        Parameters
        ----------
        codes : ndarray of int32, shape (n_leads, n_inputs)
            Codes of the leads.
        encoder : CodedInputs
            Kinds, sizes and bin medians of the inputs.
        outcome : ndarray of shape (n_leads,)
            1 won, 0 not.
        weights : ndarray of shape (n_leads,), optional
            Weight of each lead.
        settings : SnapshotTeacherSettings, optional
            Form of the teacher.

        Raises
        ------
        NotEnoughEvidence
            If all leads have the same outcome.
        """
        chosen = settings or SnapshotTeacherSettings()
        labels = np.asarray(outcome, dtype=np.float64)
        if not len(labels) or labels.min() == labels.max():
            raise NotEnoughEvidence(
                f"All {len(labels)} leads have the same outcome: there is nothing to tell apart. "
                "Check how the source map reads the status column."
            )
        linear = fit_linear(codes, encoder, labels[:, None], ridge=chosen.ridge, weights=weights)
        base = float(log_odds(np.average(labels, weights=weights)))

        def grown(
            seed: int, start: Floats, trees: int, leaves: int, depth: int
        ) -> lightgbm.Booster:
            parameters = {**SMALL_BOOSTER, "num_leaves": leaves, "max_depth": depth, "seed": seed}
            return grow(
                columns,
                labels,
                encoder,
                start=start,
                trees=trees,
                parameters=parameters,
                weights=weights,
            )

        columns = codes.astype(np.float64)
        constant, slope = np.full(len(codes), base), linear.logits(codes)[:, 0]
        free = tuple(
            grown(seed, constant, trees, leaves, -1)
            for leaves, trees in chosen.free_sizes
            for seed in chosen.seeds
        )
        bending = tuple(grown(s, slope, chosen.bending_trees, 4, 2) for s in chosen.seeds)
        return cls(linear, base, free, bending, chosen.shares)

    def members(self, codes: Codes) -> Floats:
        """Return the log-odds of the three members, shape (n_leads, 3)."""
        columns = codes.astype(np.float64)
        linear = self.linear.logits(codes)[:, 0]
        free = self.base + _mean_score(self.free, columns)
        bending = linear + _mean_score(self.bending, columns)
        return np.column_stack([linear, free, bending])

    def logits(self, codes: Codes) -> Floats:
        """Return log-odds, shape (n_leads,)."""
        blended: Floats = self.members(codes) @ np.asarray(self.shares)
        return blended

    def probabilities(self, codes: Codes) -> Floats:
        """Return P(won, ever), 0 to 1, shape (n_leads,)."""
        odds: Floats = 0.5 * (1.0 + np.tanh(0.5 * self.logits(codes)))
        return odds


def _mean_score(boosters: tuple[lightgbm.Booster, ...], columns: Floats) -> Floats:
    scores = [
        np.asarray(booster.predict(columns, raw_score=True, num_threads=1)) for booster in boosters
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean
