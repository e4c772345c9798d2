"""The reason policy: from the teacher's probabilities to what the student learns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from training.labels import HistoryLabels, SnapshotLabels

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from training.shifts import ReasonShifts

__all__ = ["SoftLabels", "soft_labels"]


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What the student learns from.

    Attributes
    ----------
    rows : ndarray of int, shape (n_rows,)
        Positions in ``history.leads`` of worked and rejected leads, ascending.
    probabilities : ndarray of float, shape (n_rows, n_horizons)
        The teacher's probability, shifted by the reason where sales turned the lead away; 0 for a
        reason treated as ``zero``. Never falls from one horizon to the next.
    """

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def soft_labels(
    probabilities: NDArray[np.float64],
    labels: HistoryLabels | SnapshotLabels,
    definition: LeadDefinition,
    shifts: ReasonShifts | None = None,
) -> SoftLabels:
    """Return the teacher's probabilities of worked and rejected leads after the reason policy.

    A lead that was taken back after a rejection keeps the shift of its reason: what sales heard at
    the start is as true of it as of the others with that reason. ``zero`` ends with being taken
    back.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n_leads, n_horizons)
        The teacher's probabilities (0 to 1) for all leads; in snapshot mode one column.
    labels : HistoryLabels or SnapshotLabels
        Labels of the same leads.
    definition : LeadDefinition
        Gives the shift of each reason at each horizon, in log-odds.
    shifts : ReasonShifts, optional
        What the audit lane says they are; where it says nothing, the definition's hold.

    Raises
    ------
    ValueError
        If the number of rows or horizons does not fit.
    """
    horizons = (EVER,) if isinstance(labels, SnapshotLabels) else definition.horizons
    expected = (len(labels.state), len(horizons))
    if probabilities.shape != expected:
        raise ValueError(
            f"probabilities have shape {probabilities.shape}; expected {expected}: "
            "one row for each lead, one column for each horizon"
        )
    rows = np.flatnonzero(np.isin(labels.state, ("worked", "rejected")))
    labelled = probabilities[rows].astype(np.float64)
    for code, reason in definition.reasons.items():
        concerned = labels.turned_away[rows] & (labels.reason[rows] == code)
        if reason.conversion == "zero":
            labelled[concerned & (labels.state[rows] == "rejected")] = 0.0
        elif isinstance(reason.conversion, tuple):
            measured = definition.shift if shifts is None else partial(shifts.shift, definition)
            factors = np.exp([measured(code, horizon) for horizon in horizons])
            shifted = labelled[concerned]
            labelled[concerned] = factors * shifted / (1.0 - shifted + factors * shifted)
    return SoftLabels(rows, np.maximum.accumulate(labelled, axis=1))
