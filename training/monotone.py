"""Numbers that may move the score one way only: in the start, in the trees, in the tables.

The linear start is projected, LightGBM keeps the trees, and the tables are laid out so that every
sum that serving computes keeps the order too, to the last bit. Missing (code 0) stands aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.tables import AdditiveTables, PairTable

if TYPE_CHECKING:
    from training.linear import CodedInputs, LinearPart

__all__ = ["directions_of", "kept_in_order", "start_in_order"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

GRID = 2.0**44
"""Cells become multiples of 2⁻⁴⁴ (6e-14): sums of such numbers below 512 have no rounding."""


def directions_of(encoder: CodedInputs) -> tuple[int, ...]:
    """Return for each input 1 (rising), −1 (falling) or 0 (free); empty where all are free."""
    agreed = encoder.definition
    if agreed is None:
        return ()
    named = {name: field.monotone for name, field in agreed.fields.items()}
    named |= {name: behaviour.monotone for name, behaviour in agreed.behaviours.items()}
    signs = {"rising": 1, "falling": -1, None: 0}
    directions = tuple(signs[named[given.field]] for given in encoder.inputs)
    return directions if any(directions) else ()


def start_in_order(
    part: LinearPart, codes: Codes, directions: Sequence[int], weights: Floats | None = None
) -> LinearPart:
    """Return the linear part with each constrained curve moved to the nearest one in order.

    Nearest is the least sum of squares over the leads (isotonic regression, pool adjacent
    violators: Barlow et al., "Statistical Inference under Order Restrictions", 1972); the mean over
    the leads that have the number stays.
    """
    from sklearn.isotonic import isotonic_regression

    curves = list(part.curves)
    for position, direction in enumerate(directions):
        if not direction or len(curves[position]) < 2:
            continue
        curve = curves[position].copy()
        leads = np.bincount(codes[:, position], weights=weights, minlength=len(curve))[1:]
        curve[1:] = isotonic_regression(
            curve[1:], sample_weight=leads + 1e-6, increasing=direction > 0
        )
        curves[position] = curve
    means = np.array([curve[codes[:, i]].mean() for i, curve in enumerate(curves)])
    return replace(part, curves=tuple(curves), means=means)


def kept_in_order(tables: AdditiveTables, directions: Sequence[int]) -> AdditiveTables:
    """Return the same tables, laid out so that rounding cannot break the order either.

    In tables read off a monotone booster only the *sum* of a number's curve and its maps is in
    order. Steps are moved between them, as functions of the number alone: they stay with the same
    input, so contributions and log-odds are as before, but for the grid. Then curve and maps are
    each in order, and adding floats keeps an order that each summand has.
    """
    mains = [[_on_grid(curve) for curve in curves] for curves in tables.mains]
    pairs = [
        PairTable(pair.i, pair.j, _on_grid(pair.first), _on_grid(pair.second))
        for pair in tables.pairs
    ]
    for position, direction in enumerate(directions):
        if not direction:
            continue
        places = [k for k, pair in enumerate(pairs) if position in (pair.i, pair.j)]
        maps = [pairs[k].first + pairs[k].second for k in places]
        maps = [
            together if pairs[k].i == position else together.T
            for k, together in zip(places, maps, strict=True)
        ]
        moved = _moved([curves[position] for curves in mains], maps, direction)
        for k, amount in zip(places, moved, strict=True):
            pair = pairs[k]
            pairs[k] = (
                replace(pair, first=pair.first - amount[:, None])
                if pair.i == position
                else replace(pair, second=pair.second - amount)
            )
        for curves in mains:
            curve = curves[position] + sum(moved)
            # What is out of order now is the grid's doing: some 1e-12 at the most.
            curve[1:] = direction * np.maximum.accumulate(direction * curve[1:])
            curves[position] = curve
    return AdditiveTables(tables.horizons, tables.base, tuple(map(tuple, mains)), tuple(pairs))


def _moved(curves: Sequence[Floats], maps: Sequence[Floats], direction: int) -> list[Floats]:
    """Return for each map what the curves take over from it, for each code of the number.

    No more is moved than must be: a map hands over its steps the wrong way, and as much of its
    steps the right way as the curve lacks at some horizon.
    """
    own = np.min([direction * np.diff(curve[1:]) for curve in curves], axis=0)
    least = [(direction * np.diff(together[1:], axis=0)).min(axis=1) for together in maps]
    taken = [np.minimum(step, 0.0) for step in least]
    for k, step in enumerate(least):
        lacks = np.maximum(-(own + sum(taken)), 0.0)
        taken[k] = taken[k] + np.minimum(lacks, np.maximum(step, 0.0))
    return [np.concatenate([[0.0, 0.0], direction * np.cumsum(step)]) for step in taken]


def _on_grid(cells: Floats) -> Floats:
    rounded: Floats = np.round(cells * GRID) / GRID
    return rounded
