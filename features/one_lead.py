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

_AT_ONCE = 128
"""Leads whose cells are read together: all that is made for them stays in the processor's cache."""


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
    """Looks leads up one by one, or some hundreds of them at once.

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
        self._n_inputs, self._n_horizons = len(tables.sizes), len(tables.horizons)
        self._has_acceptance = acceptance is not None
        first_part = self._n_horizons + self._has_acceptance
        self._n_sums = first_part + self._n_inputs
        cells = _Cells(tables.sizes)
        for h, (base, curves) in enumerate(zip(tables.base, tables.mains, strict=True)):
            cells.add_all(h, base, curves, tables.pairs)
        if acceptance is not None:
            cells.add_all(
                self._n_horizons, acceptance.base[0], acceptance.mains[0], acceptance.pairs
            )
        for i, curve in enumerate(tables.mains[tables.position(horizon)]):
            cells.add_curve(first_part + i, i, curve)
        for pair in tables.pairs:
            cells.add_map(first_part + pair.i, pair, pair.first)
            cells.add_map(first_part + pair.j, pair, pair.second)
        self._sum, self._row, self._width, self._column, self._start = cells.places()
        self._cells = cells.laid_out()

    def look_up(self, codes: Sequence[int]) -> LookedUp:
        """Return what the tables say of a lead with these codes, one for each input."""
        read = self._read(np.fromiter(codes, np.intp, self._n_inputs))
        # Adds one by one, in the order in which the cells are laid, as a loop would.
        sums: list[float] = np.bincount(self._sum, read, self._n_sums).tolist()
        n = self._n_horizons
        if not self._has_acceptance:
            return LookedUp(sums[:n], sums[n:], None)
        return LookedUp(sums[:n], sums[n + 1 :], sums[n])

    def look_up_each(
        self, codes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Return what `look_up` says of each row: log-odds, parts, acceptance."""
        sums = np.empty((len(codes), self._n_sums))
        for start in range(0, len(codes), _AT_ONCE):
            given = codes[start : start + _AT_ONCE].astype(np.intp)
            places = self._sum + self._n_sums * np.arange(len(given))[:, None]
            added = np.bincount(places.ravel(), self._read(given).ravel(), places.max() + 1)
            sums[start : start + _AT_ONCE] = added.reshape(len(given), self._n_sums)
        n = self._n_horizons
        if not self._has_acceptance:
            return sums[:, :n], sums[:, n:], None
        return sums[:, :n], sums[:, n + 1 :], sums[:, n]

    def _read(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the cells that belong to codes, along the last axis."""
        places = codes.take(self._row, axis=-1)
        places *= self._width
        places += codes.take(self._column, axis=-1)
        places += self._start
        read: NDArray[np.float64] = self._cells.take(places)
        return read


class _Cells:
    """Lays tables one behind the other, and keeps where a lead's cell of each lies.

    It lies at start + width x one code + another code.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._places: list[tuple[int, int, int, int, int]] = []
        self._tables: dict[int, tuple[int, NDArray[np.float64]]] = {}
        self._end = 0

    def add_all(
        self,
        to: int,
        base: float,
        curves: Sequence[NDArray[np.float64]],
        pairs: Sequence[PairTable],
    ) -> None:
        """Lay all that is added to a log-odds; `to` is the place of the sum."""
        # The same whatever the first input's code.
        self.add_curve(to, 0, np.full(self._sizes[0], base))
        for i, curve in enumerate(curves):
            self.add_curve(to, i, curve)
        for pair in pairs:
            self.add_map(to, pair, pair.together)

    def add_curve(self, to: int, i: int, curve: NDArray[np.float64]) -> None:
        """Lay what the codes of an input add."""
        self._lay(to, 0, 0, i, curve)

    def add_map(self, to: int, pair: PairTable, cells: NDArray[np.float64]) -> None:
        """Lay what pairs of codes add."""
        self._lay(to, pair.i, cells.shape[1], pair.j, cells)

    def _lay(self, to: int, row: int, width: int, column: int, table: NDArray[np.float64]) -> None:
        if id(table) not in self._tables:  # what every horizon adds is kept once
            self._tables[id(table)] = self._end, table
            self._end += table.size
        self._places.append((to, row, width, column, self._tables[id(table)][0]))

    def places(self) -> NDArray[np.intp]:
        """Return sum, row input, width, column input and start of each table, as five rows."""
        return np.array(self._places, dtype=np.intp).T.copy()

    def laid_out(self) -> NDArray[np.float64]:
        """Return all cells."""
        return np.concatenate([table.ravel() for _, table in self._tables.values()])
