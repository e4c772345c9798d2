"""How every booster of this package is grown: on codes, one thread, the same bits each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

    from training.linear import CodedInputs

__all__ = ["grow"]

Floats = NDArray[np.float64]

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


def grow(
    columns: Floats,
    labels: Floats,
    encoder: CodedInputs,
    *,
    start: Floats,
    trees: int,
    parameters: dict[str, Any],
    weights: Floats | None = None,
    pairs: Sequence[tuple[int, ...]] | None = None,
) -> lightgbm.Booster:
    """Grow a cross-entropy booster from the log-odds `start`.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_inputs) or (n_rows, n_inputs + 1)
        Codes as floats; a further column is the horizon's index.
    labels : ndarray of shape (n_rows,)
        Between 0 and 1.
    encoder : CodedInputs
        Says which inputs are categories.
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
        categorical_feature=[
            i for i, given in enumerate(encoder.inputs) if given.kind == "category"
        ],
        params=chosen,
    )
    return lightgbm.train(chosen, rows, num_boost_round=trees)
