"""How far the leads of today are from those of before: measures on counts of codes, numpy only.

Whether a distance is more than chance is asked in training (`training.drift`); what is here needs
two columns of counts and nothing else, so that it can be shown wherever codes are recorded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.inputs import OTHER, Input

__all__ = [
    "bands_of",
    "counts_by_band",
    "homogeneity",
    "largest_step",
    "psi",
    "shares",
]

Counts = NDArray[np.float64]
Places = NDArray[np.intp]

MIN_EXPECTED = 5.0
"""Leads a band of a category must promise, for the chi-square law to hold (Cochran 1954)."""

_BANDS = 10


def shares(counts: Counts) -> Counts:
    """Return counts as shares, 0 to 1; all 0 where there are none."""
    total = counts.sum()
    return np.asarray(counts / total) if total > 0 else np.zeros(len(counts))


def bands_of(given: Input, before: Counts, n: float) -> Places:
    """Return the band of each code of an input, shape (n_codes,).

    A number gets ten bands of about equally many leads, and one for missing. A category keeps each
    value that promises five leads or more among `n`; all rarer ones share band 0.

    Parameters
    ----------
    given : Input
        The input.
    before : ndarray of float, shape (n_codes,)
        Leads of before, by code.
    n : float
        Leads that will be compared with them.
    """
    if given.kind == "number":
        present = before[1:]
        middles = (np.cumsum(present) - present / 2) / max(present.sum(), 1.0)
        steps = np.minimum((_BANDS * middles).astype(np.intp), _BANDS - 1)
        return np.concatenate([[0], 1 + np.unique(steps, return_inverse=True)[1]])
    promised = shares(before) * n
    is_own = promised >= MIN_EXPECTED
    is_own[OTHER] = False
    if 0 < promised[~is_own].sum() < MIN_EXPECTED and is_own.sum() > 1:
        # Too few to stand alone: they go with the rarest of the others.
        is_own[np.flatnonzero(is_own)[np.argmin(promised[is_own])]] = False
    return np.where(is_own, np.cumsum(is_own), 0).astype(np.intp)


def counts_by_band(bands: Places, counts: Counts) -> Counts:
    """Return counts of codes added up by band, shape (n_bands,)."""
    return np.asarray(np.bincount(bands, weights=counts), dtype=np.float64)


def psi(before: Counts, now: Counts) -> float:
    """Return the population stability index of two columns of counts over the same bands.

    ``Σ (q − p) ln(q / p)`` over shares, with half a lead added to every band. By custom below 0.1
    is little, above 0.25 much; chance alone gives about (bands − 1) · (1/n_before + 1/n_now).

    Examples
    --------
    >>> round(psi(np.array([50.0, 50.0]), np.array([70.0, 30.0])), 2)
    0.17
    """
    p, q = shares(before + 0.5), shares(now + 0.5)
    return float(((q - p) * np.log(q / p)).sum())


def homogeneity(before: Counts, now: Counts) -> tuple[float, int]:
    """Return Pearson's chi-square of two columns of counts, and its degrees of freedom.

    Asks whether both come from the same shares; bands that are empty on both sides drop out.
    """
    both = before + now
    is_there = both > 0
    n_before, n_now = before.sum(), now.sum()
    if is_there.sum() < 2 or n_before <= 0 or n_now <= 0:
        return 0.0, 0
    gap = before[is_there] / n_before - now[is_there] / n_now
    scale = both[is_there] / (n_before + n_now) * (1.0 / n_before + 1.0 / n_now)
    return float((gap**2 / scale).sum()), int(is_there.sum()) - 1


def largest_step(before: Counts, now: Counts) -> tuple[float, int]:
    """Return Kolmogorov and Smirnov's distance of two columns of ordered counts, and where it is.

    Returns
    -------
    distance : float
        Largest gap of the shares at or above a place, 0 to 1.
    place : int
        The first code above the gap.
    """
    gap = np.abs(np.cumsum(shares(before)) - np.cumsum(shares(now)))[:-1]
    if not len(gap):
        return 0.0, 0
    return float(gap.max()), int(gap.argmax()) + 1
