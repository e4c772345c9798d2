"""What a teacher leaves in doubt: its level for a group of leads, and how sure that level is.

A teacher is held back on purpose, so it is too low where leads win often and too high where they
seldom do. One more linear step from its promises to the wins it has learnt from, held by a thread,
shows how far, and the curvature of that step shows how sure it is (a Poisson or logistic regression
with the teacher as offset; the interval is the delta method's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.errors import NotEnoughEvidence
from training.columns import RARE, Codebook, LinearColumns
from training.labels import HistoryLabels, SnapshotLabels
from training.snapshot_teacher import SnapshotTeacher
from training.teacher import HazardTeacher

__all__ = ["Doubt", "expected_wins", "hazards_until"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]

_RIDGE = 3.0
"""Penalty of the step; it keeps columns with few leads in bounds, and no others."""

_FURTHEST = 2.0
_BANDS = 10


@dataclass(frozen=True, eq=False)
class Doubt:
    """The step from a teacher to the wins of the leads it has learnt from.

    Attributes
    ----------
    columns : LinearColumns
        What each lead puts into the step's columns, one for each category and each tenth of a
        number; a constant follows them.
    step : ndarray of shape (n_columns + 1,)
        What each column adds to the teacher's log hazard (log-odds in snapshot mode).
    covariance : ndarray of shape (n_columns + 1, n_columns + 1)
        Of `step`, and so of the teacher's own level along those columns.
    """

    columns: LinearColumns
    step: Floats
    covariance: Floats

    @classmethod
    def measure(
        cls,
        teacher: HazardTeacher | SnapshotTeacher,
        codes: Codes,
        codebook: Codebook,
        labels: HistoryLabels | SnapshotLabels,
        rows: Mask,
    ) -> Self:
        """Take the step on the worked leads among `rows` that sales had not turned away before."""
        used = labels.worked & ~labels.turned_away & rows
        if not used.any():
            raise NotEnoughEvidence("No lead was accepted and worked, so no doubt can be measured.")
        own = codes[used]
        won, expected = expected_wins(teacher, own, labels, used)
        columns = _banded(own, codebook)
        matrix = _design(columns, own)
        step = np.zeros(matrix.shape[1])
        penalty = np.full(matrix.shape[1], _RIDGE)
        penalty[-1] = 1e-6
        is_chance = isinstance(teacher, SnapshotTeacher)
        for _ in range(25):
            shift = np.clip(matrix @ step, -_FURTHEST, _FURTHEST)
            mean = _moved_chance(expected, shift) if is_chance else expected * np.exp(shift)
            spread = mean * (1.0 - mean) if is_chance else mean
            curvature = (matrix.T @ matrix.multiply(spread[:, None])).toarray() + np.diag(penalty)
            move = np.linalg.solve(curvature, matrix.T @ (won - mean) - penalty * step)
            step = step + move
            if np.abs(move).max() < 1e-8:
                break
        return cls(columns, step, np.linalg.inv(curvature))

    def matrix(self, codes: Codes) -> sparse.csr_array:
        """Return the columns of leads with the constant, shape (n_leads, n_columns + 1)."""
        return _design(self.columns, codes)

    def level(self, codes: Codes, weight: Floats) -> tuple[float, float]:
        """Return what the step adds to the level of some leads together, and how sure that is.

        To be added to the logarithm of the wins expected of them, `weight` being each lead's; the
        second figure is a standard deviation.
        """
        share = weight / max(float(weight.sum()), 1e-12)
        direction = np.asarray(self.matrix(codes).T @ share)
        return float(direction @ self.step), float(np.sqrt(self.variance(direction)))

    def variance(self, direction: Floats) -> Floats:
        """Return the variance of ``direction @ step``; one for each column of a matrix."""
        return np.asarray((direction * (self.covariance @ direction)).sum(axis=0))


def expected_wins(
    teacher: HazardTeacher | SnapshotTeacher,
    codes: Codes,
    labels: HistoryLabels | SnapshotLabels,
    rows: Mask,
) -> tuple[Floats, Floats]:
    """Return whether each lead of `rows` won while observed, and how often it was expected to.

    Parameters
    ----------
    teacher : HazardTeacher or SnapshotTeacher
        Expected is its cumulative hazard over the lead's own time under observation, or its chance.
    codes : ndarray of int32, shape (n_rows, n_inputs)
        Codes of the leads of `rows`.
    labels : HistoryLabels or SnapshotLabels
        Of all leads.
    rows : ndarray of bool, shape (n_leads,)
        Leads to count.
    """
    if isinstance(teacher, SnapshotTeacher) or isinstance(labels, SnapshotLabels):
        assert isinstance(teacher, SnapshotTeacher)
        assert isinstance(labels, SnapshotLabels)
        return (labels.outcome[rows] == 1.0).astype(np.float64), teacher.probabilities(codes)
    entry, until, won = observed_days(labels, rows, teacher.cuts[-1])
    hazards = hazards_until(teacher, codes, np.column_stack([entry, until]))
    return won.astype(np.float64), np.maximum(hazards[:, 1] - hazards[:, 0], 1e-12)


def observed_days(
    labels: HistoryLabels, rows: Mask, longest: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return entry, end of observation within `longest` days, and whether it ended with a win."""
    entry = np.minimum(labels.entry_days[rows], longest)
    until = np.maximum(np.minimum(labels.until_days[rows], longest), entry)
    won = labels.won_days[rows]
    return entry, until, (won >= labels.entry_days[rows]) & (won <= longest)


def hazards_until(teacher: HazardTeacher, codes: Codes, days: Floats) -> Floats:
    """Return cumulative hazards at each lead's own days, shape of `days`: (n_leads, n_days)."""
    cuts = np.asarray(teacher.cuts)
    by_cut = np.exp(teacher.log_cumulative_hazards(codes, teacher.cuts[1:]))
    by_cut = np.column_stack([np.zeros(len(codes)), by_cut])
    place = np.clip(np.searchsorted(cuts, days, side="right") - 1, 0, len(cuts) - 2)
    share = np.clip((days - cuts[place]) / np.diff(cuts)[place], 0.0, 1.0)
    row = np.arange(len(codes))[:, None]
    return np.asarray(by_cut[row, place] * (1.0 - share) + by_cut[row, place + 1] * share)


def _design(columns: LinearColumns, codes: Codes) -> sparse.csr_array:
    constant = sparse.csr_array(np.ones((len(codes), 1)))
    return sparse.csr_array(sparse.hstack([columns.matrix(codes), constant], format="csr"))


def _banded(codes: Codes, codebook: Codebook) -> LinearColumns:
    """Return one column for each category code and each tenth of a number that leads carry."""
    tables = []
    for position, given in enumerate(codebook.inputs):
        counts = np.bincount(codes[:, position], minlength=given.size)
        band = np.arange(given.size)
        if given.kind == "number":
            below = np.cumsum(counts[1:]) - counts[1:] / 2
            tenth = np.floor(_BANDS * below / max(int(counts[1:].sum()), 1)).astype(np.int64)
            band[1:] = 1 + np.unique(tenth, return_inverse=True)[1]
        table = np.eye(int(band.max()) + 1)[band]
        tables.append(table[:, counts @ table >= RARE])
    starts = np.cumsum([0, *(table.shape[1] for table in tables)])[:-1]
    return LinearColumns(tuple(tables), tuple(starts.tolist()), ())


def _moved_chance(chance: Floats, shift: Floats) -> Floats:
    odds = chance / np.maximum(1.0 - chance, 1e-12) * np.exp(shift)
    return np.asarray(odds / (1.0 + odds))
