"""What recent leads count for more: half-lives, and windows outside which nothing is observed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.splits import time_order

if TYPE_CHECKING:
    from features.leads import LeadHistory
    from training.labels import HistoryLabels

__all__ = ["lead_weights", "leads_since", "observed_within"]

Floats = NDArray[np.float64]


def observed_within(labels: HistoryLabels, window_days: float | None) -> HistoryLabels:
    """Return the labels as if outcomes had been recorded for the last `window_days` days only.

    Leads that arrived earlier come under observation late, as with the start of recording (left
    truncation): what they did before is forgotten, what they did since still teaches the periods
    that younger leads have not reached.
    """
    if window_days is None:
        return labels
    began = np.nan_to_num(labels.follow_up_days - window_days)
    return replace(labels, entry_days=np.maximum(labels.entry_days, began))


def lead_weights(
    age: Floats, *, half_life_days: float | None, window_days: float | None
) -> Floats | None:
    """Return what each lead counts, 0 to 1; None where all count alike.

    Parameters
    ----------
    age : ndarray of float, shape (n_leads,)
        Days since arrival; in a snapshot, whose times may be missing, leads that came later.
    half_life_days : float or None
        Age at which a lead counts half.
    window_days : float or None
        Age from which a lead counts nothing.
    """
    if half_life_days is None and window_days is None:
        return None
    weights = np.ones(len(age)) if half_life_days is None else 0.5 ** (age / half_life_days)
    return weights if window_days is None else np.where(age < window_days, weights, 0.0)


def leads_since(history: LeadHistory, rows: NDArray[np.bool_]) -> Floats:
    """Return for each lead how many of `rows` came later; 0 for those that are not among them."""
    order = time_order(history)
    order = order[rows[order]]
    later = np.zeros(len(rows))
    later[order] = np.arange(len(order))[::-1]
    return later
