"""One lead's chances, contributions and acceptance, out of the same tables as many leads'.

A few reads of memory side by side instead of hundreds all over it. The numbers are added in the
order in which `AdditiveTables` adds them, so that one lead alone and the same lead among many get
results that are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.tables import AdditiveTables

__all__ = ["LookedUp", "OneLead"]


class LookedUp(NamedTuple):
    """What the tables say of one lead.

    Attributes
    ----------
    logits : list of float
        Log-odds at every horizon.
    parts : list of float
        What each input adds to the log-odds at the horizon that is explained.
    acceptance : float or None
        Log-odds that sales accepts the lead.
    """

    logits: list[float]
    parts: list[float]
    acceptance: float | None


class OneLead:
    """Looks leads up one by one.

    Parameters
    ----------
    tables : AdditiveTables
        Of a win.
    acceptance : AdditiveTables or None
        With the same inputs.
    horizon : int
        The one whose contributions are told.
    """

    def __init__(
        self, tables: AdditiveTables, acceptance: AdditiveTables | None, horizon: int
    ) -> None:
        both = [tables] if acceptance is None else [tables, acceptance]
        pairs = [pair for one in both for pair in one.pairs]
        sizes = tables.sizes
        self._n_inputs, self._n_pairs = len(sizes), len(tables.pairs)
        self._has_acceptance = acceptance is not None
        self._explained = tables.position(horizon)
        self._bases = [base for one in both for base in one.base]
        self._ends = [(pair.i, pair.j) for pair in tables.pairs]
        # Where a lead's cells lie follows from its codes by one product; whole numbers as floats,
        # because only those have a fast one.
        starts = [*_starts(sizes), *_starts([pair.first.size for pair in pairs])]
        self._starts = np.array(starts, dtype=np.float64)
        self._strides = np.zeros((len(starts), len(sizes)))
        self._strides[range(len(sizes)), range(len(sizes))] = 1.0
        for place, pair in enumerate(pairs, start=len(sizes)):
            self._strides[place, pair.i] = pair.first.shape[1]
            self._strides[place, pair.j] = 1.0
        curves = [curves for one in both for curves in one.mains]
        self._curves = np.column_stack([np.concatenate(one) for one in curves])
        sums = [(pair.first + pair.second).ravel() for pair in pairs]
        self._sums = np.concatenate([np.empty(0), *sums])
        halves = [
            np.column_stack([pair.first.ravel(), pair.second.ravel()]) for pair in tables.pairs
        ]
        self._halves = np.concatenate([np.empty((0, 2)), *halves])

    def look_up(self, codes: Sequence[int]) -> LookedUp:
        """Return what the tables say of a lead with these codes, one for each input."""
        n_inputs, n_pairs = self._n_inputs, self._n_pairs
        places = self._strides.dot(np.array(codes, dtype=np.float64))
        places += self._starts
        cells: NDArray[np.intp] = places.astype(np.intp)
        curves: list[list[float]] = self._curves.take(cells[:n_inputs], axis=0).T.tolist()
        sums: list[float] = self._sums.take(cells[n_inputs:]).tolist()
        halves = self._halves.take(cells[n_inputs : n_inputs + n_pairs], axis=0).tolist()
        together, accepted = sums[:n_pairs], sums[n_pairs:]
        n_horizons = len(curves) - self._has_acceptance
        logits = [
            _total(base, curve, together)
            for base, curve in zip(self._bases[:n_horizons], curves, strict=False)
        ]
        acceptance = _total(self._bases[-1], curves[-1], accepted) if self._has_acceptance else None
        parts = curves[self._explained]
        for (i, j), (first, second) in zip(self._ends, halves, strict=True):
            parts[i] += first
            parts[j] += second
        return LookedUp(logits, parts, acceptance)


def _total(base: float, curve: list[float], pairs: list[float]) -> float:
    total = base
    for amount in curve:
        total += amount
    for amount in pairs:
        total += amount
    return total


def _starts(sizes: Sequence[int]) -> list[int]:
    starts, total = [], 0
    for size in sizes:
        starts.append(total)
        total += size
    return starts
