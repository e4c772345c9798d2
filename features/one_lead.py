"""One lead's chances, contributions and acceptance, out of the same tables as many leads'.

A few reads of memory side by side instead of hundreds all over it. The numbers are added in the
order in which `AdditiveTables` adds them, so that one lead alone and the same lead among many get
results that are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        n_inputs, n_pairs = len(tables.sizes), len(tables.pairs)
        self._ends = [(pair.i, pair.j) for pair in tables.pairs]
        self._has_acceptance = acceptance is not None
        cells = _Cells(n_inputs)
        together = [(pair, pair.first + pair.second) for pair in tables.pairs]
        for base, curves in zip(tables.base, tables.mains, strict=True):
            cells.add_sum(base, curves, together)
        self._shape = len(tables.horizons), 1 + n_inputs + n_pairs
        self._n_first = self._shape[0] * self._shape[1]
        cells.add_maps((pair, pair.first) for pair in tables.pairs)
        cells.add_maps((pair, pair.second) for pair in tables.pairs)
        self._n_halves = self._n_first + 2 * n_pairs
        if acceptance is not None:
            accepted = [(pair, pair.first + pair.second) for pair in acceptance.pairs]
            cells.add_sum(acceptance.base[0], acceptance.mains[0], accepted)
        start = tables.position(horizon) * self._shape[1] + 1
        self._own = slice(start, start + n_inputs)
        self._of_row, self._width, self._of_column, self._starts, self._cells = cells.laid_out()

    def look_up(self, codes: Sequence[int]) -> LookedUp:
        """Return what the tables say of a lead with these codes, one for each input."""
        given = np.array([*codes, 0], dtype=np.intp)
        places = given.take(self._of_row)
        places *= self._width
        places += given.take(self._of_column)
        places += self._starts
        read = self._cells.take(places)
        # Running sums add from the first to the last, as a loop would.
        logits = read[: self._n_first].reshape(self._shape)
        acceptance = None
        if self._has_acceptance:
            acceptance = float(np.add.accumulate(read[self._n_halves :])[-1])
        parts: list[float] = read[self._own].tolist()
        halves: list[float] = read[self._n_first : self._n_halves].tolist()
        seconds = halves[len(self._ends) :]
        for (i, j), first, second in zip(self._ends, halves, seconds, strict=False):
            parts[i] += first
            parts[j] += second
        return LookedUp(np.add.accumulate(logits, axis=1)[:, -1].tolist(), parts, acceptance)


class _Cells:
    """Lays tables one behind the other, and keeps where a lead's cell of each lies.

    It lies at start + width x one code + another code; the code behind the last input's is 0.
    """

    def __init__(self, n_inputs: int) -> None:
        self._nowhere = n_inputs
        self._places: list[tuple[int, int, int, int]] = []
        self._tables: dict[int, tuple[int, NDArray[np.float64]]] = {}
        self._end = 0

    def add_sum(
        self,
        base: float,
        curves: Sequence[NDArray[np.float64]],
        maps: Iterable[tuple[PairTable, NDArray[np.float64]]],
    ) -> None:
        """Lay what is added to `base`, behind it."""
        self._lay(np.array([base]), self._nowhere, 0, self._nowhere)
        for i, curve in enumerate(curves):
            self._lay(curve, self._nowhere, 0, i)
        self.add_maps(maps)

    def add_maps(self, maps: Iterable[tuple[PairTable, NDArray[np.float64]]]) -> None:
        for pair, cells in maps:
            self._lay(cells, pair.i, cells.shape[1], pair.j)

    def _lay(self, table: NDArray[np.float64], row: int, width: int, column: int) -> None:
        if id(table) not in self._tables:  # what every horizon adds is kept once
            self._tables[id(table)] = self._end, table
            self._end += table.size
        self._places.append((row, width, column, self._tables[id(table)][0]))

    def laid_out(
        self,
    ) -> tuple[
        NDArray[np.intp],
        NDArray[np.intp],
        NDArray[np.intp],
        NDArray[np.intp],
        NDArray[np.float64],
    ]:
        """Return row input, width, column input and start of each table, and all cells."""
        row, width, column, starts = np.array(self._places, dtype=np.intp).T.copy()
        cells = np.concatenate([table.ravel() for _, table in self._tables.values()])
        return row, width, column, starts, cells
