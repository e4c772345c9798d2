"""The teacher where no dates are known: small boosters and a logistic regression, averaged.

Each member errs in its own way: one booster groups the levels of categories, one sees them listed
one by one, one bends the logistic regression, which is steady under drift. The mean of their
log-odds was never far behind the best member; every member was, somewhere (docs/decisions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughEvidence
from training.boosters import ListedColumns, categories_of, grow
from training.linear import CodedInputs, LinearPart, fit_linear, log_odds

if TYPE_CHECKING:
    import lightgbm

__all__ = ["SMALL_BOOSTER", "Shares", "SnapshotTeacher", "SnapshotTeacherSettings"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Shares = tuple[float, float, float, float]
"""Weights of logistic regression, grouping, listing and bending boosters; they sum to 1."""


@dataclass(frozen=True)
class SnapshotTeacherSettings:
    """Form of the teacher; the defaults were chosen on rolling validation (docs/decisions).

    Attributes
    ----------
    shares : tuple of four float
        Weights of logistic regression, grouping, listing and bending boosters; they sum to 1.
    ridge : float
        Penalty of the logistic regression.
    grouping_trees, listing_trees, bending_trees : int
        Trees of each booster.
    seeds : tuple of int
        The boosters of these seeds are averaged.
    """

    shares: Shares = (0.0, 0.2, 0.4, 0.4)
    ridge: float = 10.0
    grouping_trees: int = 150
    listing_trees: int = 120
    bending_trees: int = 90
    seeds: tuple[int, ...] = (1, 2)


SMALL_BOOSTER: dict[str, Any] = {
    "num_leaves": 7,
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

_LISTED: dict[str, Any] = {**SMALL_BOOSTER, "feature_fraction": 0.5, "lambda_l2": 1.0}


@dataclass(frozen=True, eq=False)
class SnapshotTeacher:
    """A fitted teacher: P(won, ever) for any lead.

    Attributes
    ----------
    linear : LinearPart
        The logistic regression.
    base : float
        Log-odds of the mean outcome, where grouping and listing boosters start.
    listed : ListedColumns
        What listing and bending boosters see.
    grouping, listing, bending : tuple of lightgbm.Booster
        One for each seed; the bending ones start from `linear`.
    shares : tuple of four float
        Weights of the members.
    """

    linear: LinearPart
    base: float
    listed: ListedColumns
    grouping: tuple[lightgbm.Booster, ...]
    listing: tuple[lightgbm.Booster, ...]
    bending: tuple[lightgbm.Booster, ...]
    shares: Shares

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
        listed = ListedColumns.fit(codes, encoder)
        whole, apart = codes.astype(np.float64), listed.columns(codes)
        constant, slope = np.full(len(codes), base), linear.logits(codes)[:, 0]

        def grown(
            columns: Any, start: Floats, trees: int, form: dict[str, Any], kinds: Sequence[int]
        ) -> tuple[lightgbm.Booster, ...]:
            return tuple(
                grow(
                    columns,
                    labels,
                    categories=kinds,
                    start=start,
                    trees=trees,
                    parameters={**form, "seed": seed},
                    weights=weights,
                )
                for seed in chosen.seeds
            )

        return cls(
            linear,
            base,
            listed,
            grown(whole, constant, chosen.grouping_trees, SMALL_BOOSTER, categories_of(encoder)),
            grown(apart, constant, chosen.listing_trees, _LISTED, ()),
            grown(apart, slope, chosen.bending_trees, _LISTED, ()),
            chosen.shares,
        )

    def members(self, codes: Codes) -> Floats:
        """Return the log-odds of the four members, shape (n_leads, 4)."""
        whole, apart = codes.astype(np.float64), self.listed.columns(codes)
        linear = self.linear.logits(codes)[:, 0]
        grouping = self.base + _mean_score(self.grouping, whole)
        listing = self.base + _mean_score(self.listing, apart)
        bending = linear + _mean_score(self.bending, apart)
        return np.column_stack([linear, grouping, listing, bending])

    def logits(self, codes: Codes) -> Floats:
        """Return log-odds, shape (n_leads,)."""
        blended: Floats = self.members(codes) @ np.asarray(self.shares)
        return blended

    def probabilities(self, codes: Codes) -> Floats:
        """Return P(won, ever), 0 to 1, shape (n_leads,)."""
        chances: Floats = 0.5 * (1.0 + np.tanh(0.5 * self.logits(codes)))
        return chances


def _mean_score(boosters: tuple[lightgbm.Booster, ...], columns: Any) -> Floats:
    scores = [
        np.asarray(booster.predict(columns, raw_score=True, num_threads=1)) for booster in boosters
    ]
    mean: Floats = np.mean(scores, axis=0)
    return mean
