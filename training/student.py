"""The student: one additive booster that learns the teacher's shifted probabilities, and is served.

Started from a linear fit of the same soft labels and kept to trees of two fields, it is a sum of
curves and pair maps, so that prediction and exact explanation are look-ups (`training.glassbox`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.encoder import MISSING
from features.tables import AdditiveTables
from training.boosters import categories_of, grow
from training.glassbox import strongest_pairs, tables_from
from training.linear import CodedInputs, LinearPart, constant_part, fit_linear
from training.monotone import directions_of, kept_in_order, start_in_order

if TYPE_CHECKING:
    import lightgbm

__all__ = ["Student", "StudentSettings", "count_crossings", "fit_student"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class StudentSettings:
    """The form of the student; the defaults are the ones that validation chose (docs/decisions).

    Attributes
    ----------
    trees, leaves, depth : int
        Size of the booster; ``depth`` -1 leaves it to `leaves`, and such a student has no tables.
    learning_rate, l2 : float
        Shrinkage of each tree and penalty on its leaf values.
    min_rows : int
        Rows (lead × horizon) that a leaf needs.
    pairs : int or None
        Most pairs of inputs that may act together; None for no limit.
    scout_trees : int
        Trees of the first fit that finds the strongest pairs.
    starts_linear : bool
        Whether the booster starts from a linear fit of the soft labels.
    ridge : float
        Penalty of that fit.
    is_monotone : bool
        Whether trees are kept from falling with the horizon.
    seed : int
        Seed of the booster.
    """

    trees: int = 800
    leaves: int = 4
    depth: int = 2
    learning_rate: float = 0.1
    l2: float = 1.0
    min_rows: int = 20
    pairs: int | None = 20
    scout_trees: int = 200
    starts_linear: bool = True
    ridge: float = 1.0
    is_monotone: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Student:
    """A fitted student: the linear part, the booster on top, and the tables that are both.

    Attributes
    ----------
    booster : lightgbm.Booster
        Grown from the linear part's log-odds; kept as the record and the oracle.
    linear : LinearPart
        Where it started.
    horizons : tuple of int
        Days, ascending.
    sizes : tuple of int
        Number of codes of each input.
    directions : tuple of int
        For each input 1 (never falling), −1 (never rising) or 0; empty where all are free.
    """

    booster: lightgbm.Booster
    linear: LinearPart
    horizons: tuple[int, ...]
    sizes: tuple[int, ...]
    directions: tuple[int, ...] = ()

    def logits(self, codes: Codes) -> Floats:
        """Return log-odds straight from booster and linear part, shape (n_leads, n_horizons)."""
        logits = self.linear.logits(codes)
        for h in range(len(self.horizons)):
            columns = _columns(codes, len(self.horizons), h, self.directions)
            logits[:, h] += np.asarray(self.booster.predict(columns, raw_score=True, num_threads=1))
        return logits

    @cached_property
    def tables(self) -> AdditiveTables:
        """The look-up tables that are served; ValueError where trees hold more than two fields."""
        tables = tables_from(self.booster, self.sizes, self.horizons, self.linear)
        return kept_in_order(tables, self.directions) if self.directions else tables


def fit_student(
    codes: Codes,
    encoder: CodedInputs,
    soft_labels: Floats,
    horizons: Sequence[int],
    *,
    weights: Floats | None = None,
    settings: StudentSettings | None = None,
) -> Student:
    """Learn soft labels on (accepted + rejected leads) × horizons.

    A number that the definition calls rising or falling moves the log-odds that way only, at every
    horizon and whatever the other fields are; missing stands aside.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of the decided leads.
    encoder : CodedInputs
        Kinds, sizes and bin medians of the inputs, and the definition behind them.
    soft_labels : ndarray of shape (n_leads, n_horizons)
        The teacher's probability for each lead, shifted by what its reason means; 0 to 1.
    horizons : sequence of int
        Days, ascending; one horizon has no column of its own in the booster.
    weights : ndarray of shape (n_leads,), optional
        Weight of each lead.
    settings : StudentSettings, optional
        Form of the student.

    Raises
    ------
    ValueError
        If shapes disagree or a label lies outside 0 to 1.
    """
    chosen = settings or StudentSettings()
    _check(codes, encoder, soft_labels, horizons)
    linear = (
        fit_linear(codes, encoder, soft_labels, ridge=chosen.ridge, weights=weights)
        if chosen.starts_linear
        else constant_part(encoder, soft_labels, weights)
    )
    sizes = tuple(given.size for given in encoder.inputs)
    directions = directions_of(encoder)
    if directions:
        linear = start_in_order(linear, codes, directions, weights)

    def fitted(trees: int, pairs: Sequence[tuple[int, ...]] | None) -> Student:
        n_horizons = len(horizons)
        booster = grow(
            np.concatenate([_columns(codes, n_horizons, h, directions) for h in range(n_horizons)]),
            soft_labels.T.ravel(),
            categories=categories_of(encoder),
            start=linear.logits(codes).T.ravel(),
            trees=trees,
            parameters=_parameters(chosen, len(sizes), n_horizons, directions),
            weights=None if weights is None else np.tile(weights, n_horizons),
            pairs=pairs,
        )
        return Student(booster, linear, tuple(horizons), sizes, directions)

    if chosen.pairs is None:
        return fitted(chosen.trees, None)
    scout = fitted(chosen.scout_trees, None)
    together = strongest_pairs(scout.tables, codes, chosen.pairs)
    # Every input keeps a group of its own with the horizon, else it could not be used at all.
    alone = [(i,) if len(horizons) == 1 else (i, len(sizes)) for i in range(len(sizes))]
    return fitted(chosen.trees, [*alone, *together])


def count_crossings(logits: Floats) -> int:
    """Return how many leads have a later horizon below an earlier one, by more than rounding."""
    return int((np.diff(logits, axis=1) < -1e-9).any(axis=1).sum())


def _parameters(
    settings: StudentSettings, n_inputs: int, n_horizons: int, directions: Sequence[int]
) -> dict[str, object]:
    parameters: dict[str, object] = {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "max_depth": settings.depth,
        "lambda_l2": settings.l2,
        "min_data_in_leaf": settings.min_rows,
        "seed": settings.seed,
    }
    timed = [int(settings.is_monotone)] if n_horizons > 1 else []
    if directions or any(timed):
        parameters["monotone_constraints"] = [*(directions or [0] * n_inputs), *timed]
    if directions:
        parameters["use_missing"] = True
    return parameters


def _columns(codes: Codes, n_horizons: int, h: int, directions: Sequence[int]) -> Floats:
    """Return codes as floats, with the horizon's index as last column where there are several.

    Missing is NaN in a number with a direction, so that it is no smallest number: a tree sends it
    to the side that fits it best.
    """
    columns = codes.astype(np.float64)
    for position in np.flatnonzero(directions):
        columns[codes[:, position] == MISSING, position] = np.nan
    if n_horizons == 1:
        return columns
    return np.column_stack([columns, np.full(len(codes), float(h))])


def _check(
    codes: Codes, encoder: CodedInputs, soft_labels: Floats, horizons: Sequence[int]
) -> None:
    expected = (len(codes), len(horizons))
    if codes.ndim != 2 or codes.shape[1] != len(encoder.inputs):
        raise ValueError(f"codes must have shape (n, {len(encoder.inputs)}), got {codes.shape}")
    if soft_labels.shape != expected:
        raise ValueError(f"soft_labels must have shape {expected}, got {soft_labels.shape}")
    if not ((soft_labels >= 0) & (soft_labels <= 1)).all():
        raise ValueError("soft_labels must be probabilities, 0 to 1")
