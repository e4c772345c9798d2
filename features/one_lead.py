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

from features.tables import AdditiveTables, PairTable

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
        sizes, n_inputs = tables.sizes, len(tables.sizes)
        self._ends = [(pair.i, pair.j) for pair in tables.pairs]
        self._bases = tables.base
        self._base = None if acceptance is None else acceptance.base[0]
        self._n_inputs, self._n_pairs = n_inputs, len(tables.pairs)
        self._explained = tables.position(horizon)
        cells = _Cells(sizes)
        for curves in tables.mains:
            cells.add_curves(curves)
        for part in ("first", "second"):
            for pair in tables.pairs:
                cells.add_map(pair, getattr(pair, part))
        for one in (tables, acceptance):
            if one is not None:
                if one is acceptance:
                    cells.add_curves(one.mains[0])
                for pair in one.pairs:
                    cells.add_map(pair, pair.first + pair.second)
        self._strides, self._starts, self._cells = cells.laid_out()

    def look_up(self, codes: Sequence[int]) -> LookedUp:
        """Return what the tables say of a lead with these codes, one for each input."""
        n_inputs, n_pairs = self._n_inputs, self._n_pairs
        # Where the cells lie follows from the codes by one product: of whole numbers as floats,
        # because only those have a fast one.
        places = self._strides.dot(np.array(codes, dtype=np.float64))
        places += self._starts
        read: list[float] = self._cells.take(places.astype(np.intp)).tolist()
        halves = n_inputs * len(self._bases)
        together = halves + 2 * n_pairs
        sums = read[together : together + n_pairs]
        logits = []
        end = 0
        for base in self._bases:
            total = base
            start, end = end, end + n_inputs
            for amount in read[start:end]:
                total += amount
            for amount in sums:
                total += amount
            logits.append(total)
        acceptance = self._base
        if acceptance is not None:
            for amount in read[together + n_pairs :]:
                acceptance += amount
        start = self._explained * n_inputs
        parts = read[start : start + n_inputs]
        for (i, j), first, second in zip(
            self._ends,
            read[halves : halves + n_pairs],
            read[halves + n_pairs : together],
            strict=True,
        ):
            parts[i] += first
            parts[j] += second
        return LookedUp(logits, parts, acceptance)


class _Cells:
    """Lays tables one behind the other, and keeps where a lead's cell of each lies."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._n_inputs = len(sizes)
        self._strides: list[dict[int, int]] = []
        self._tables: list[NDArray[np.float64]] = []

    def add_curves(self, curves: Sequence[NDArray[np.float64]]) -> None:
        for i, curve in enumerate(curves):
            self._strides.append({i: 1})
            self._tables.append(curve)

    def add_map(self, pair: PairTable, cells: NDArray[np.float64]) -> None:
        self._strides.append({pair.i: cells.shape[1], pair.j: 1})
        self._tables.append(cells.ravel())

    def laid_out(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return strides, shape (n_tables, n_inputs), where each table starts, and all cells."""
        strides = np.zeros((len(self._strides), self._n_inputs))
        for place, own in enumerate(self._strides):
            for position, stride in own.items():
                strides[place, position] = stride
        ends = np.cumsum([table.size for table in self._tables], dtype=np.float64)
        starts = np.concatenate([[0.0], ends[:-1]])
        return strides, starts, np.concatenate(self._tables)
