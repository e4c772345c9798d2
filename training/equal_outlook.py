"""Comparing what sales does with leads of equal outlook, in doubt about that outlook.

An answer (accepted or not, this reason or not) is a smooth curve of the outlook. A group's place
off that curve is one coefficient of a logistic regression. The outlook of a group is itself an
estimate: it is put right by the step of `training.doubt`, and its variance enters through the slope
of the curve (delta method).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.doubt import Doubt
from training.snapshot_teacher import SnapshotTeacher
from training.teacher import HazardTeacher

__all__ = ["EqualOutlook", "FittedCurve"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

_KNOTS = (0.1, 0.5, 0.9)
_RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class EqualOutlook:
    """Leads laid out by their outlook.

    Attributes
    ----------
    curve, slopes : ndarray of shape (n_leads, n_columns)
        A broken line in the outlook as columns, and the derivative of each.
    columns : sparse array, shape (n_leads, n_steps)
        What each lead puts into the columns of `doubt`.
    doubt : Doubt
        Of the teacher whose outlook it is.
    """

    curve: Floats
    slopes: Floats
    columns: sparse.csr_array
    doubt: Doubt

    @classmethod
    def of(cls, teacher: HazardTeacher | SnapshotTeacher, codes: Codes, doubt: Doubt) -> Self:
        """Lay out leads by the teacher's chance at its longest horizon."""
        if isinstance(teacher, SnapshotTeacher):
            outlook = teacher.logits(codes)
        else:
            outlook = teacher.log_cumulative_hazards(codes, (teacher.cuts[-1],))[:, 0]
        knots = np.quantile(outlook, _KNOTS)
        ones, zeros = np.ones(len(outlook)), np.zeros(len(outlook))
        broken = [np.maximum(outlook - knot, 0.0) for knot in knots]
        above = [(outlook > knot).astype(np.float64) for knot in knots]
        curve = np.column_stack([ones, outlook, *broken])
        return cls(curve, np.column_stack([zeros, ones, *above]), doubt.matrix(codes), doubt)

    def only(self, rows: NDArray[np.bool_]) -> EqualOutlook:
        """Return the layout of some of the leads."""
        return EqualOutlook(self.curve[rows], self.slopes[rows], self.columns[rows], self.doubt)

    def fit(self, answer: Floats, groups: Floats) -> FittedCurve:
        """Fit the curve of an answer (1 or 0) beside the groups, shape (n_leads, n_groups)."""
        held = np.column_stack([self.curve, groups])
        point = np.zeros(held.shape[1])

        def loss(at: Floats) -> float:
            logits = held @ at
            misfit = np.logaddexp(0.0, logits) - answer * logits
            return float(misfit.sum() + 0.5 * _RIDGE * at @ at)

        best = loss(point)
        for _ in range(50):
            chance = _chance(held @ point)
            weight = chance * (1.0 - chance)
            curvature = held.T @ (held * weight[:, None]) + _RIDGE * np.eye(len(point))
            move = np.linalg.solve(curvature, held.T @ (answer - chance) - _RIDGE * point)
            size = 1.0
            while (reached := loss(point + size * move)) > best and size > 1e-6:
                size /= 2.0
            if reached > best:
                break
            point, best = point + size * move, reached
            if np.abs(move).max() < 1e-9:
                break
        return FittedCurve(self, held, point, answer)


@dataclass(frozen=True, eq=False)
class FittedCurve:
    """The curve of one answer, with the groups that it already knows.

    Attributes
    ----------
    layout : EqualOutlook
        The leads.
    held : ndarray of shape (n_leads, n_columns)
        Columns of the curve, then of the groups.
    point : ndarray of shape (n_columns,)
        Their coefficients.
    answer : ndarray of shape (n_leads,)
        1 or 0.
    """

    layout: EqualOutlook
    held: Floats
    point: Floats
    answer: Floats

    def log_loss(self) -> float:
        """Return the log loss of the answers, summed."""
        logits = self.held @ self.point
        return float((np.logaddexp(0.0, logits) - self.answer * logits).sum())

    def off(self, groups: Floats) -> tuple[Floats, Floats]:
        """Return how far further groups lie off the curve, in log-odds, and the standard deviation.

        By one Newton step for each group (score test): `groups` has shape (n_leads, n_groups).
        """
        return self._off(self.held, self.point, groups)

    def last(self) -> tuple[float, float]:
        """Return the same for the last group that the curve knows, from the fit itself."""
        lift, spread = self._off(self.held[:, :-1], self.point[:-1], self.held[:, -1:])
        return float(self.point[-1] + lift[0]), float(spread[0])

    def gap(self, lift: float) -> float:
        """Return by how much a lift of the last group's log-odds moves its mean answer.

        The mean answer as fitted, less what it would be with the lift taken back.
        """
        own = self.held[:, -1] == 1.0
        logits = (self.held @ self.point)[own]
        return float((_chance(logits) - _chance(logits - lift)).mean())

    def _off(self, held: Floats, point: Floats, groups: Floats) -> tuple[Floats, Floats]:
        chance = _chance(self.held @ self.point)
        weight = (chance * (1.0 - chance))[:, None]
        curvature = held.T @ (held * weight) + _RIDGE * np.eye(held.shape[1])
        apart = groups - held @ np.linalg.solve(curvature, held.T @ (groups * weight))
        information = np.maximum((groups * apart * weight).sum(axis=0), 1e-9)
        slopes = self.layout.slopes
        slope = (slopes @ point[: slopes.shape[1]])[:, None]
        direction = self.layout.columns.T @ (apart * weight * slope) / information
        lift = apart.T @ (self.answer - chance) / information - direction.T @ self.layout.doubt.step
        return lift, np.sqrt(1.0 / information + self.layout.doubt.variance(direction))


def _chance(logits: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
