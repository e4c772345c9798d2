"""LightGBM as a good data scientist would use it: the opponent that the served model has to match.

Sizes are chosen on the newest fifth of the training leads, trees by early stopping there, and the
choice is fitted again on all training leads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.errors import NotEnoughEvidence
from training.columns import Codebook

__all__ = ["GRID", "TunedBooster", "booster_columns", "tune_booster"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

GRID: tuple[dict[str, Any], ...] = tuple(
    {"num_leaves": leaves, "min_data_in_leaf": least, "feature_fraction": share}
    for leaves, least, share in product((4, 8, 16), (20, 60), (0.5, 0.9))
)
_FIXED: dict[str, Any] = {
    "learning_rate": 0.05,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 255,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_MOST_TREES = 1500
_PATIENCE = 60
_RARE = 5


@dataclass(frozen=True, eq=False)
class TunedBooster:
    """The booster that validation chose.

    Attributes
    ----------
    booster : lightgbm.Booster
        Fitted on all training rows.
    chosen : dict
        Parameters of the grid and the number of trees.
    validation_loss : float
        Its loss on the newest fifth before it was fitted again.
    """

    booster: lightgbm.Booster
    chosen: dict[str, Any]
    validation_loss: float

    def raw_scores(self, columns: sparse.csr_array) -> Floats:
        """Return log-odds (binary) or log rates (Poisson) without the start, shape (n_rows,)."""
        return np.asarray(
            self.booster.predict(sparse.csr_matrix(columns), raw_score=True, num_threads=1)
        )


def booster_columns(codes: Codes, codebook: Codebook, train: Mask) -> sparse.csr_array:
    """Return the columns that suit LightGBM best here, shape (n_leads, n_columns).

    Numbers by rank of their bin, NaN where missing; categories one-hot, values of fewer than five
    training leads without a column. On the real tasks this beat LightGBM's own way with categories.
    """
    blocks = []
    for position, given in enumerate(codebook.inputs):
        column = codes[:, position]
        if given.kind == "number":
            ranks = np.where(column == 0, np.nan, column)
            blocks.append(sparse.csr_array(ranks[:, None]))
        else:
            counts = np.bincount(column[train], minlength=given.size)
            blocks.append(sparse.csr_array(np.eye(given.size)[:, counts >= _RARE])[column])
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def tune_booster(
    columns: sparse.csr_array,
    target: Floats,
    newest: Mask,
    *,
    objective: str = "binary",
    start: Floats | None = None,
    seed: int = 0,
    candidates: Sequence[Mapping[str, Any]] = GRID,
) -> TunedBooster:
    """Choose and fit a booster.

    Parameters
    ----------
    columns : sparse array, shape (n_rows, n_columns)
        Training rows.
    target : ndarray of float, shape (n_rows,)
        Outcome 1 or 0, or a count.
    newest : ndarray of bool, shape (n_rows,)
        Rows kept for choosing, the newest of the training leads.
    objective : str
        LightGBM's ``binary`` or ``poisson``; also the measure of the choice.
    start : ndarray of float, optional
        Initial score of each row, e.g. the logarithm of exposure.
    seed : int
        Same rows and seed, same booster.
    candidates : sequence of mapping
        LightGBM parameters to choose from.

    Raises
    ------
    NotEnoughEvidence
        If one of the two parts has no win.
    """
    if target[newest].sum() == 0 or target[~newest].sum() == 0:
        raise NotEnoughEvidence(
            "Choosing a booster needs wins among the newest fifth of leads and among the others."
        )
    fixed = {**_FIXED, "objective": objective, "metric": objective, "seed": seed}

    def rows(chosen: Mask | slice, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            sparse.csr_matrix(columns[chosen]),
            label=target[chosen],
            init_score=None if start is None else start[chosen],
            reference=reference,
            params=fixed,
        )

    best_loss, best = np.inf, dict[str, Any]()
    for sizes in candidates:
        older = rows(~newest)
        booster = lightgbm.train(
            {**fixed, **sizes},
            older,
            num_boost_round=_MOST_TREES,
            valid_sets=[rows(newest, older)],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )
        loss = float(booster.best_score["valid_0"][_measure_of(objective)])
        if loss < best_loss:
            best_loss, best = loss, {**sizes, "trees": booster.best_iteration}
    # A fifth more leads bear a few more trees.
    trees = max(1, round(1.2 * best["trees"]))
    sizes = {name: value for name, value in best.items() if name != "trees"}
    booster = lightgbm.train({**fixed, **sizes}, rows(slice(None)), num_boost_round=trees)
    return TunedBooster(booster, {**sizes, "trees": trees}, best_loss)


def _measure_of(objective: str) -> str:
    """Return the name under which LightGBM reports an objective's own loss."""
    return {"binary": "binary_logloss"}.get(objective, objective)
