"""How every booster of this package is grown: on codes, one thread, the same bits each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    import lightgbm

    from training.linear import CodedInputs

__all__ = ["ListedColumns", "categories_of", "grow"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

_ALWAYS: dict[str, Any] = {
    "objective": "cross_entropy",
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "boost_from_average": False,
    # Each code is its own bin, and code 0 is an ordinary value: nothing is missing in codes.
    "max_bin": 512,
    "min_data_in_bin": 1,
    "use_missing": False,
    "zero_as_missing": False,
    "feature_pre_filter": False,
}


def categories_of(encoder: CodedInputs) -> list[int]:
    """Return the positions of the inputs that are categories."""
    return [position for position, given in enumerate(encoder.inputs) if given.kind == "category"]


@dataclass(frozen=True, eq=False)
class ListedColumns:
    """Codes as columns in which each common level of a category stands alone.

    A tree that sees a category whole groups its levels, one that sees them listed asks for one
    level at a time; the two err differently.

    Attributes
    ----------
    levels : tuple of (tuple of int or None)
        For each input the codes with a column of their own; None for a number.
    """

    levels: tuple[tuple[int, ...] | None, ...]

    @classmethod
    def fit(cls, codes: Codes, encoder: CodedInputs, min_leads: int = 5) -> ListedColumns:
        """Learn from the training leads which codes are common."""
        levels: list[tuple[int, ...] | None] = []
        for position, given in enumerate(encoder.inputs):
            counts = np.bincount(codes[:, position], minlength=given.size)
            common = tuple(np.flatnonzero(counts >= min_leads).tolist())
            levels.append(common if given.kind == "category" else None)
        return cls(tuple(levels))

    def columns(self, codes: Codes) -> sparse.csr_matrix:
        """Return the columns, shape (n_leads, n_columns)."""
        blocks = [
            codes[:, [position]] if common is None else codes[:, [position]] == np.array(common)
            for position, common in enumerate(self.levels)
        ]
        # A level list may be empty; its block then has no columns.
        wide = [sparse.csr_matrix(block.astype(np.float64)) for block in blocks if block.size]
        if not wide:
            return sparse.csr_matrix((len(codes), 0))
        return sparse.csr_matrix(sparse.hstack(wide))


def grow(
    columns: Floats | sparse.csr_matrix,
    labels: Floats,
    *,
    categories: Sequence[int] = (),
    start: Floats,
    trees: int,
    parameters: dict[str, Any],
    weights: Floats | None = None,
    pairs: Sequence[tuple[int, ...]] | None = None,
) -> lightgbm.Booster:
    """Grow a cross-entropy booster from the log-odds `start`.

    Parameters
    ----------
    columns : ndarray or csr_matrix of shape (n_rows, n_columns)
        Codes as floats, or listed levels; a further column may be the horizon's index.
    labels : ndarray of shape (n_rows,)
        Between 0 and 1.
    categories : sequence of int
        Columns that are category codes.
    start : ndarray of shape (n_rows,)
        Log-odds before the first tree; they are not part of the booster.
    trees : int
        Number of trees.
    parameters : dict
        LightGBM parameters beside the fixed ones.
    weights : ndarray of shape (n_rows,), optional
        Weight of each row.
    pairs : sequence of tuple of int, optional
        Columns that may meet in one tree; all by default.
    """
    import lightgbm

    chosen = {**_ALWAYS, **parameters}
    if pairs is not None:
        chosen["interaction_constraints"] = [list(group) for group in pairs]
    rows = lightgbm.Dataset(
        columns,
        label=labels,
        weight=weights,
        init_score=start,
        # Names carry no meaning: LightGBM predicts by position and refuses some characters.
        feature_name=[f"f{position}" for position in range(columns.shape[1])],
        categorical_feature=list(categories),
        params=chosen,
    )
    return lightgbm.train(chosen, rows, num_boost_round=trees)
