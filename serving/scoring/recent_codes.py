"""The codes of the leads scored lately, counted in memory: what drift is measured on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.drift_measures import bands_of, counts_by_band, psi
from features.scorer import LeadScorer

__all__ = ["RecentCodes", "drift_of"]

SPAN = 4_096
"""Leads after which the older half is forgotten."""
_MOST_AT_ONCE = 256
LEAST = 200
"""Leads under which no distance is told: chance alone would look like drift."""


class RecentCodes:
    """Counts codes by input over the last `SPAN` to twice as many leads.

    Where many come at once, evenly spaced ones are taken: a distribution needs hundreds, not all.
    """

    def __init__(self) -> None:
        self.digest = ""
        self._sizes: tuple[int, ...] = ()
        self._now: list[np.ndarray] = []
        self._before: list[np.ndarray] = []
        self._n = 0

    def begin(self, digest: str, sizes: Sequence[int]) -> None:
        """Start anew for another model.

        Parameters
        ----------
        digest : str
            Of the model.
        sizes : sequence of int
            Number of codes of each input.
        """
        self.digest, self._sizes, self._n = digest, tuple(sizes), 0
        self._now, self._before = self._empty(), self._empty()

    def _empty(self) -> list[np.ndarray]:
        return [np.zeros(size, dtype=np.int64) for size in self._sizes]

    def add(self, codes: Sequence[Sequence[int]]) -> None:
        """Count leads; those of a model with other inputs are passed over."""
        taken = [row for row in codes if len(row) == len(self._sizes)]
        if not taken or not self._sizes:
            return
        step = -(-len(taken) // _MOST_AT_ONCE)
        columns = np.asarray(taken[::step], dtype=np.int64).T
        for place, (column, size) in enumerate(zip(columns, self._sizes, strict=True)):
            self._now[place] += np.bincount(column, minlength=size)[:size]
        self._n += columns.shape[1]
        if self._n >= SPAN:
            self._now, self._before, self._n = self._empty(), self._now, 0

    @property
    def counts(self) -> list[list[int]]:
        """Leads by input and code."""
        both = zip(self._now, self._before, strict=True)
        return [(now + before).tolist() for now, before in both]


def drift_of(scorer: LeadScorer, counts: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the population stability index of each input against the leads learnt from.

    Empty when too few were scored, or when the model does not keep what it learnt from looked like.

    Parameters
    ----------
    scorer : LeadScorer
        The model; ``reference["recent"]["counts"]``, or ``reference["counts"]`` of an older one.
    counts : sequence of sequence of float
        Leads scored lately, by input and code.
    """
    recent = scorer.reference.get("recent") or {}
    before = recent.get("counts") or scorer.reference.get("counts") or []
    inputs = scorer.encoder.inputs
    if not (len(before) == len(counts) == len(inputs)) or sum(counts[0]) < LEAST:
        return {}
    found = {}
    for given, past, now in zip(inputs, before, counts, strict=True):
        if len(past) == len(now) == given.size:
            past_counts = np.asarray(past, dtype=np.float64)
            bands = bands_of(given, past_counts, float(sum(now)))
            found[given.name] = psi(
                counts_by_band(bands, past_counts),
                counts_by_band(bands, np.asarray(now, dtype=np.float64)),
            )
    return found
