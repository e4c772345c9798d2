"""The served model: additive look-up tables whose cells are exact SHAP values.

A booster whose trees hold at most two fields is a sum of one-field curves and two-field maps.
Stored cell by cell as Shapley contributions, prediction and explanation are the same look-ups:
``logit_h = base_h + sum_i contribution_i``.

Many leads are added up here, one lead by `features.one_lead`; both add the same numbers in the same
order, so their results are equal to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from features.errors import ArtefactRefused

__all__ = ["AdditiveTables", "PairTable", "chunks", "probabilities_of", "probability_of"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

CHUNK = 4_096
"""Leads added up at a time."""

MAX_CELLS = 4_000_000
"""More cells than this (about 32 MB) is not a model of ours."""


@dataclass(frozen=True, eq=False)
class PairTable:
    """What two inputs add together, split between them.

    Attributes
    ----------
    i, j : int
        Positions of the two inputs, ``i < j``.
    first, second : ndarray of shape (size_i, size_j)
        Contribution (log-odds) to input `i` and to input `j` for each pair of codes.
    """

    i: int
    j: int
    first: Floats
    second: Floats

    @cached_property
    def together(self) -> Floats:
        """What the pair adds to the log-odds."""
        return self.first + self.second


@dataclass(frozen=True, eq=False)
class AdditiveTables:
    """Log-odds and their exact contributions, by look-up.

    Attributes
    ----------
    horizons : tuple of int
        Days, ascending; ``(EVER,)`` where no dates are known.
    base : tuple of float
        Log-odds of the average training lead at each horizon (the SHAP base value).
    mains : tuple of tuple of ndarray
        ``mains[h][i][code]``: contribution of input `i` alone at horizon `h`.
    pairs : tuple of PairTable
        What pairs add; the same at all horizons.
    """

    horizons: tuple[int, ...]
    base: tuple[float, ...]
    mains: tuple[tuple[Floats, ...], ...]
    pairs: tuple[PairTable, ...] = ()

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ArtefactRefused(
                f"The look-up tables do not fit together: {problem}. Publish the model again.",
                "tables_invalid",
            )

    def _problem(self) -> str | None:
        if not self.horizons or list(self.horizons) != sorted(set(self.horizons)):
            return "horizons must be ascending"
        if len(self.base) != len(self.horizons) or len(self.mains) != len(self.horizons):
            return "one base and one set of curves is needed for each horizon"
        sizes = self.sizes
        if any(tuple(len(curve) for curve in curves) != sizes for curves in self.mains):
            return "curves differ in length between horizons"
        for pair in self.pairs:
            if not 0 <= pair.i < pair.j < len(sizes):
                return f"pair ({pair.i}, {pair.j}) names no two inputs"
            if (
                pair.first.shape != (sizes[pair.i], sizes[pair.j])
                or pair.second.shape != pair.first.shape
            ):
                return f"the map of pair ({pair.i}, {pair.j}) has the wrong shape"
        arrays = [np.asarray(self.base), *(c for curves in self.mains for c in curves)]
        arrays += [half for pair in self.pairs for half in (pair.first, pair.second)]
        if not all(np.isfinite(array).all() for array in arrays):
            return "a cell is not a finite number"
        return None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each input."""
        return tuple(len(curve) for curve in self.mains[0])

    def position(self, horizon: int) -> int:
        """Return the index of `horizon`; KeyError when the model has none such."""
        try:
            return self.horizons.index(horizon)
        except ValueError:
            raise KeyError(f"no horizon {horizon}; the model has {list(self.horizons)}") from None

    def logits(self, codes: Codes) -> Floats:
        """Return log-odds at every horizon.

        Parameters
        ----------
        codes : ndarray of int32, shape (n_leads, n_inputs)
            Codes within each input's size.

        Returns
        -------
        ndarray of shape (n_leads, n_horizons)
        """
        self._check(codes)
        logits = np.empty((len(codes), len(self.horizons)))
        for rows in chunks(len(codes)):
            columns, total = _columns(codes[rows]), logits[rows]
            total[:] = self.base
            for column, curves in zip(columns, self._curves, strict=True):
                total += curves.take(column, axis=0)
            for pair in self.pairs:
                total += pair.together.take(_cells(pair, columns))[:, None]
        return logits

    def contributions(self, codes: Codes, horizon: int) -> Floats:
        """Return what each input adds to the log-odds at `horizon`, shape (n_leads, n_inputs)."""
        self._check(codes)
        parts = np.empty((len(codes), len(self.sizes)))
        main = self.mains[self.position(horizon)]
        for rows in chunks(len(codes)):
            columns = _columns(codes[rows])
            own = np.empty((len(self.sizes), columns.shape[1]))
            for i, curve in enumerate(main):
                curve.take(columns[i], out=own[i])
            for pair in self.pairs:
                cells = _cells(pair, columns)
                own[pair.i] += pair.first.take(cells)
                own[pair.j] += pair.second.take(cells)
            parts[rows] = own.T
        return parts

    def shifted(self, amount: float) -> Self:
        """Return the tables with `amount` log-odds added to the base of every horizon."""
        return type(self)(
            self.horizons, tuple(base + amount for base in self.base), self.mains, self.pairs
        )

    def only(self, horizons: Sequence[int]) -> Self:
        """Return the tables of some of the horizons."""
        kept = [self.position(horizon) for horizon in horizons]
        return type(self)(
            tuple(horizons),
            tuple(self.base[h] for h in kept),
            tuple(self.mains[h] for h in kept),
            self.pairs,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers; floats survive JSON exactly."""
        return {
            "horizons": list(self.horizons),
            "base": list(self.base),
            "mains": [[curve.tolist() for curve in curves] for curves in self.mains],
            "pairs": [
                {
                    "i": pair.i,
                    "j": pair.j,
                    "first": pair.first.tolist(),
                    "second": pair.second.tolist(),
                }
                for pair in self.pairs
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises
        ------
        ArtefactRefused
            If a part is missing, misshapen, too large or not finite.
        """
        try:
            cells = sum(len(curve) for curves in stored["mains"] for curve in curves)
            cells += sum(len(pair["first"]) * len(pair["first"][0]) * 2 for pair in stored["pairs"])
            if cells > MAX_CELLS:
                raise ArtefactRefused(
                    f"The look-up tables have {cells} cells; at most {MAX_CELLS} are read.",
                    "tables_invalid",
                )
            return cls(
                horizons=tuple(int(horizon) for horizon in stored["horizons"]),
                base=tuple(float(base) for base in stored["base"]),
                mains=tuple(
                    tuple(_floats(curve, 1) for curve in curves) for curves in stored["mains"]
                ),
                pairs=tuple(
                    PairTable(
                        int(pair["i"]),
                        int(pair["j"]),
                        _floats(pair["first"], 2),
                        _floats(pair["second"], 2),
                    )
                    for pair in stored["pairs"]
                ),
            )
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise ArtefactRefused(
                f"The look-up tables cannot be read ({type(error).__name__}). Publish again.",
                "tables_invalid",
            ) from error

    def _check(self, codes: Codes) -> None:
        if codes.ndim != 2 or codes.shape[1] != len(self.sizes):
            raise ValueError(f"codes must have shape (n, {len(self.sizes)}), got {codes.shape}")
        if len(codes) and (codes.min() < 0 or (codes.max(axis=0) >= np.asarray(self.sizes)).any()):
            raise ValueError(
                "a code lies outside its table; encode leads with the model's own encoder"
            )

    @cached_property
    def _curves(self) -> tuple[Floats, ...]:
        """For each input its curves, shape (n_codes, n_horizons)."""
        return tuple(
            np.column_stack([curves[i] for curves in self.mains]) for i in range(len(self.sizes))
        )


def chunks(n: int) -> Iterator[slice]:
    """Cut `n` leads into slices whose intermediate arrays stay in the processor's cache."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def _columns(codes: Codes) -> NDArray[np.intp]:
    return np.ascontiguousarray(codes.T, dtype=np.intp)


def _cells(pair: PairTable, columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where in the flattened map of a pair each lead's cell lies."""
    cells: NDArray[np.intp] = columns[pair.i] * pair.first.shape[1] + columns[pair.j]
    return cells


def probability_of(logit: float) -> float:
    """Return the probability of a log-odds, without overflow at either end.

    >>> probability_of(0.0), probability_of(-800.0)
    (0.5, 0.0)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit) if logit > -745.0 else 0.0
    return odds / (1.0 + odds)


def probabilities_of(logits: Floats) -> Floats:
    """Return what `probability_of` says of each log-odds, to the last bit.

    The exponential is the standard library's: numpy's may differ in the last bit.
    """
    flat = logits.ravel()
    falls = np.fromiter(map(math.exp, (-np.abs(flat)).tolist()), np.float64, len(flat))
    falls[flat <= -745.0] = 0.0
    return np.where(flat >= 0, 1.0 / (1.0 + falls), falls / (1.0 + falls)).reshape(logits.shape)


def _floats(nested: Any, n_dimensions: int) -> Floats:
    array = np.asarray(nested, dtype=np.float64)
    if array.ndim != n_dimensions:
        raise ValueError("wrong number of dimensions")
    return array
