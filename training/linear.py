"""The linear half of teacher and student: one ridge logistic regression on codes and soft labels.

Trees approximate a slope by steps and stop where the training leads stop; a linear part goes on. It
is a sum of one curve per input, so it folds into the look-up tables without a remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from features.encoder import Input

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["CodedInputs", "LinearPart", "constant_part", "fit_linear", "log_odds"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

RANK_KNOTS = (0.2, 0.4, 0.6, 0.8)
"""Where the slope of a number may change, as shares of the training leads below."""

DECIMALS = 10
"""Curves are rounded to this, so that the last bits of a matrix product decide nothing after it."""


class CodedInputs(Protocol):
    """What a learner needs to know of an encoder."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs, in the order of the codes."""

    @property
    def definition(self) -> LeadDefinition | None:
        """The agreement that says which numbers are monotone; None where nothing was agreed."""

    def centres(self, position: int) -> Floats:
        """Return the median training value of each code of a number input; NaN where missing."""


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Log-odds that are a sum of one curve per input, equal at all horizons but for a constant.

    Attributes
    ----------
    intercepts : ndarray of shape (n_horizons,)
        Log-odds at each horizon where all curves are 0.
    curves : tuple of ndarray of shape (size_i,)
        What each code of each input adds.
    means : ndarray of shape (n_inputs,)
        Mean of each curve over the training leads: its share of the SHAP base.
    """

    intercepts: Floats
    curves: tuple[Floats, ...]
    means: Floats

    def slope(self, codes: Codes) -> Floats:
        """Return the sum of the curves for each lead, shape (n_leads,)."""
        total = np.zeros(len(codes))
        for position, curve in enumerate(self.curves):
            total += curve[codes[:, position]]
        return total

    def logits(self, codes: Codes) -> Floats:
        """Return log-odds at every horizon, shape (n_leads, n_horizons)."""
        return self.slope(codes)[:, None] + self.intercepts


def log_odds(probability: Floats | np.float64) -> Floats:
    """Return the log-odds of probabilities; 0 and 1 are moved inside by 1e-9."""
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))


def constant_part(
    encoder: CodedInputs, soft_labels: Floats, weights: Floats | None = None
) -> LinearPart:
    """Return a linear part that knows nothing but the mean label of each horizon."""
    rates = np.average(soft_labels, axis=0, weights=weights)
    curves = tuple(np.zeros(given.size) for given in encoder.inputs)
    return LinearPart(log_odds(rates), curves, np.zeros(len(curves)))


def fit_linear(
    codes: Codes,
    encoder: CodedInputs,
    soft_labels: Floats,
    *,
    ridge: float,
    weights: Floats | None = None,
) -> LinearPart:
    """Fit one logistic regression to soft labels: common slopes, one constant per horizon.

    Numbers enter as standardised log1p of the bin's median, as a broken line in the code's rank
    among training leads, and with a flag for missing; categories enter one-hot. Found by Newton's
    method.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of the training leads.
    encoder : CodedInputs
        Kinds, sizes and bin medians of the inputs.
    soft_labels : ndarray of shape (n_leads, n_horizons)
        Probabilities, or labels 0 and 1.
    ridge : float
        Penalty ``ridge / 2 · |slopes|²`` beside the log loss summed over rows; above 0.
    weights : ndarray of shape (n_leads,), optional
        Weight of each lead; 1 by default.
    """
    weighting = np.ones(len(codes)) if weights is None else weights
    designs = [
        _design(encoder, position, codes[:, position], weighting)
        for position in range(len(encoder.inputs))
    ]
    rows = np.concatenate([design[codes[:, i]] for i, design in enumerate(designs)], axis=1)
    intercepts, slopes = _newton(rows, soft_labels, weighting, ridge)
    ends = np.cumsum([0, *(design.shape[1] for design in designs)])
    curves = tuple(
        np.round(design @ slopes[start:end], DECIMALS)
        for design, (start, end) in zip(designs, pairwise(ends), strict=True)
    )
    means = np.array([curve[codes[:, i]].mean() for i, curve in enumerate(curves)])
    return LinearPart(np.round(intercepts, DECIMALS), curves, means)


def _design(encoder: CodedInputs, position: int, codes: Codes, weights: Floats) -> Floats:
    """Return the columns of one input for each of its codes, shape (size, n_columns)."""
    given = encoder.inputs[position]
    if given.kind == "category":
        return np.eye(given.size)
    counts = np.bincount(codes, weights=weights, minlength=given.size)
    counts[0] = 0.0
    values = encoder.centres(position)
    below = np.cumsum(counts) - counts / 2
    rank = below / (counts.sum() or 1.0)
    shapes = [np.sign(values) * np.log1p(np.abs(values)), rank]
    shapes += [np.maximum(rank - knot, 0.0) for knot in RANK_KNOTS]
    columns = [np.eye(given.size)[0]]
    for shape in shapes:
        present = np.where(counts > 0, shape, 0.0)
        mean = np.average(present, weights=counts) if counts.any() else 0.0
        spread = np.sqrt(np.average((present - mean) ** 2, weights=counts)) if counts.any() else 0.0
        if spread > 1e-9:
            column = (shape - mean) / spread
            column[0] = 0.0
            columns.append(column)
    return np.stack(columns, axis=1)


def _newton(rows: Floats, labels: Floats, weights: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Minimise the penalised log loss; return intercepts (n_horizons,) and slopes (n_columns,)."""
    n_columns, n_horizons = rows.shape[1], labels.shape[1]
    anchor = log_odds(np.average(labels, axis=0, weights=weights))
    point = np.concatenate([anchor, np.zeros(n_columns)])
    # The constants are held by a thread: it keeps them finite where all labels are equal.
    penalty = np.concatenate([np.full(n_horizons, 1e-6), np.full(n_columns, ridge)])
    centre = np.concatenate([anchor, np.zeros(n_columns)])

    def loss(at: Floats) -> float:
        logits = (rows @ at[n_horizons:])[:, None] + at[:n_horizons]
        misfit = weights @ (np.logaddexp(0.0, logits) - labels * logits).sum(axis=1)
        return float(misfit + penalty @ (at - centre) ** 2 / 2)

    best = loss(point)
    for _ in range(60):
        logits = (rows @ point[n_horizons:])[:, None] + point[:n_horizons]
        chance = 0.5 * (1.0 + np.tanh(0.5 * logits))
        excess = weights[:, None] * (chance - labels)
        curvature = weights[:, None] * chance * (1 - chance)
        gradient = np.concatenate([excess.sum(axis=0), rows.T @ excess.sum(axis=1)])
        gradient += penalty * (point - centre)
        cross = curvature.T @ rows
        hessian = np.block(
            [
                [np.diag(curvature.sum(axis=0)), cross],
                [cross.T, rows.T @ (rows * curvature.sum(axis=1)[:, None])],
            ]
        ) + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (reached := loss(point - size * step)) > best and size > 1e-4:
            size /= 2
        if reached > best:
            break
        point, best = point - size * step, reached
        if np.abs(step).max() < 1e-10:
            break
    return point[:n_horizons], point[n_horizons:]
