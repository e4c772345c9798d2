"""Codes → columns of a linear model: the one design that the linear parts share.

A number enters as the standardised ``sign(x)·log(1 + |x|)`` of its bin's median, with a flag for
missing; a category as one column for each code that enough leads carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["Codebook", "CodedInput", "LinearColumns"]

Codes = NDArray[np.int32]
RARE = 20
"""A category code carried by fewer leads gets no column of its own."""


class CodedInput(Protocol):
    """One input of the model, as `features.encoder.Input`."""

    @property
    def kind(self) -> Literal["number", "category"]: ...

    @property
    def size(self) -> int: ...


class Codebook(Protocol):
    """What codes mean, as `features.encoder.LeadEncoder`."""

    @property
    def inputs(self) -> Sequence[CodedInput]: ...

    def centres(self, position: int, /) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class LinearColumns:
    """The columns of a linear model over codes.

    Attributes
    ----------
    tables : tuple of ndarray
        For each input, shape (size, width): what each code puts into the input's own columns. A
        linear model with weights w therefore adds ``tables[i] @ w`` for the codes of input i.
    starts : tuple of int
        First column of each input.
    numbers : tuple of int
        The inputs that are numbers; their first column is the standardised value.
    """

    tables: tuple[NDArray[np.float64], ...]
    starts: tuple[int, ...]
    numbers: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(table.shape[1] for table in self.tables)

    @classmethod
    def fit(cls, codes: Codes, codebook: Codebook, *, rare: int = RARE) -> Self:
        """Learn means, scales and which codes are rare from training leads.

        Parameters
        ----------
        codes : ndarray of int32, shape (n_leads, n_inputs)
            Training leads only.
        codebook : Codebook
            The encoder that made the codes.
        rare : int
            Leads that a category code needs for a column.
        """
        tables = []
        for position, given in enumerate(codebook.inputs):
            counts = np.bincount(codes[:, position], minlength=given.size)
            if given.kind == "number":
                tables.append(_number_table(codebook.centres(position), counts))
            else:
                tables.append(np.eye(given.size)[:, counts >= rare])
        widths = [table.shape[1] for table in tables]
        starts = tuple(int(start) for start in np.cumsum([0, *widths])[:-1])
        numbers = tuple(
            position for position, given in enumerate(codebook.inputs) if given.kind == "number"
        )
        return cls(tuple(tables), starts, numbers)

    def matrix(self, codes: Codes) -> sparse.csr_array:
        """Return the columns of leads, shape (n_leads, width), sparse."""
        blocks = [
            sparse.csr_array(table)[codes[:, position]]
            for position, table in enumerate(self.tables)
        ]
        return sparse.csr_array(sparse.hstack(blocks, format="csr"))

    def values(self, codes: Codes) -> NDArray[np.float64]:
        """Return the standardised values of the number inputs, shape (n_leads, n_numbers)."""
        columns = [self.tables[position][codes[:, position], 0] for position in self.numbers]
        return np.column_stack(columns) if columns else np.zeros((len(codes), 0))

    def by_input(self, weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return, for each input, what each of its codes adds under `weights`, shape (size,)."""
        return [
            table @ weights[start : start + table.shape[1]]
            for table, start in zip(self.tables, self.starts, strict=True)
        ]


def _number_table(centres: NDArray[np.float64], counts: NDArray[np.intp]) -> NDArray[np.float64]:
    values = np.sign(centres) * np.log1p(np.abs(centres))
    seen = np.where(np.isnan(values), 0, counts)
    if seen.sum() == 0:
        return np.zeros((len(centres), 1))
    safe = np.nan_to_num(values)
    mean = float(np.average(safe, weights=seen))
    spread = float(np.sqrt(np.average((safe - mean) ** 2, weights=seen))) or 1.0
    standardised = np.where(np.isnan(values), 0.0, (safe - mean) / spread)
    is_missing = np.isnan(values).astype(np.float64)
    is_telling = 0 < counts[np.isnan(values)].sum() < counts.sum()
    columns = [standardised, is_missing] if is_telling else [standardised]
    return np.column_stack(columns)
