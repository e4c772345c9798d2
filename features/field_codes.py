"""One field's raw values → its codes: read in one go, and remembered where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.inputs import MISSING, OTHER, Habits, Input, reader_of
from features.text import Unreadable

__all__ = ["LONGEST_KEPT", "MOST_KEPT", "UNREADABLE", "ColumnCodes", "FieldCodes"]

MOST_KEPT = 2_000
"""Raw texts whose codes are remembered, of each field."""
LONGEST_KEPT = 100
"""Characters of a raw text that is remembered."""

UNREADABLE: tuple[int, ...] = ()
"""In place of the codes of a value that is there but cannot be read; it counts as missing."""

_REPEATING = frozenset({"number", "category", "boolean", "job_title", "company"})
"""Types whose texts come again and again; moments, addresses and free texts hardly ever do."""
_NOTHING = type(None)
_NUMBERS = frozenset({int, float})
_PLAIN = frozenset({str, int, float})


class ColumnCodes(NamedTuple):
    """Codes of a column, shape (n_leads, n_inputs); whose values could not be read (None: none)."""

    codes: NDArray[np.int32]
    unreadable: NDArray[np.bool_] | None


class FieldCodes:
    """Reads the raw values of one field.

    Parameters
    ----------
    kind : str
        The field's type.
    inputs : sequence of Input
        The inputs that it gives, in the order in which its type gives them.
    positions : sequence of int
        Where their codes stand in a lead's.
    habits : Habits
        How the company writes.
    synonyms : mapping of str to str
        Spellings of a category's values, each with its code.
    is_personal : bool
        Then no text of it is remembered.

    Attributes
    ----------
    kept : dict of str to tuple of int
        Codes of the texts that were met; emptied when it holds `MOST_KEPT`.
    """

    __slots__ = (
        "_code_first", "_codes_of", "_edges", "_habits", "_keeps", "_nothing", "_read_values",
        "kept", "positions",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        inputs: Sequence[Input],
        positions: Sequence[int],
        habits: Habits,
        synonyms: Mapping[str, str],
        *,
        is_personal: bool,
    ) -> None:
        self._read_values = reader_of(kind)
        self._habits = habits
        self._codes_of = tuple(
            _coder(given, {} if place else synonyms) for place, given in enumerate(inputs)
        )
        self._code_first = self._codes_of[0]
        self._edges = np.array(inputs[0].edges) if kind == "number" else None
        self._nothing = (MISSING,) * len(inputs)
        self._keeps = kind in _REPEATING and not is_personal
        self.positions = tuple(positions)
        self.kept: dict[str, tuple[int, ...]] = {}

    def of(self, raw: object) -> tuple[int, ...]:
        """Return the codes of a raw value, one for each input, or `UNREADABLE`."""
        if not self._keeps or type(raw) is not str:
            return self._read(raw)
        codes = self.kept.get(raw)
        if codes is None:
            codes = self._read(raw)
            if len(raw) <= LONGEST_KEPT:
                if len(self.kept) >= MOST_KEPT:
                    self.kept.clear()
                self.kept[raw] = codes
        return codes

    def of_column(self, raws: Sequence[object]) -> ColumnCodes:
        """Return what `of` says of each value; equal ones are read once."""
        kinds = set(map(type, raws)) - {_NOTHING}
        if kinds <= _NUMBERS and self._edges is not None:
            return _numbers(raws, self._edges)
        if len(kinds) > 1 or not kinds <= _PLAIN:
            # 1, 1.0 and True are equal, but need not be read alike.
            rows = [self.of(raw) for raw in raws]
        else:
            seen = _Seen(self.of if self._keeps else self._read)
            seen[None] = self._nothing
            rows = list(map(seen.__getitem__, raws))
        failed = None
        if UNREADABLE in rows:
            failed = np.array([not codes for codes in rows])
            rows = [codes or self._nothing for codes in rows]
        # A flat row of numbers becomes an array much faster than a list of tuples.
        n_inputs = len(self._nothing)
        flat = np.fromiter(chain.from_iterable(rows), np.int32, len(rows) * n_inputs)
        return ColumnCodes(flat.reshape(len(rows), n_inputs), failed)

    def _read(self, raw: object) -> tuple[int, ...]:
        if raw is None or (self._habits.blanks and self._habits.is_blank(raw)):
            return self._nothing
        try:
            values = self._read_values(raw, self._habits)
        except Unreadable:
            return UNREADABLE
        if len(values) == 1:
            return (self._code_first(values[0]),)
        return tuple([code(value) for code, value in zip(self._codes_of, values, strict=True)])


def _coder(given: Input, synonyms: Mapping[str, str]) -> Callable[[Any], int]:
    """Return what `Input.code` says of a value whose synonyms were replaced."""
    if given.kind == "number":
        return given.code
    levels = given.code_of_level
    codes = _Levels(levels)
    codes[None] = MISSING
    codes.update((written, levels.get(code, OTHER)) for written, code in synonyms.items())
    return codes.__getitem__


class _Levels(dict[str | None, int]):
    def __missing__(self, value: str | None) -> int:
        return OTHER


class _Seen(dict[object, tuple[int, ...]]):
    def __init__(self, read: Callable[[object], tuple[int, ...]]) -> None:
        self._read = read

    def __missing__(self, raw: object) -> tuple[int, ...]:
        codes = self[raw] = self._read(raw)
        return codes


def _numbers(raws: Sequence[object], edges: NDArray[np.float64]) -> ColumnCodes:
    """Return the codes of numbers that are no texts."""
    n_leads = len(raws)
    try:
        numbers = np.array(raws, dtype=np.float64)  # None becomes NaN
    except OverflowError:  # a whole number beyond all floats
        numbers = np.array([_as_float(raw) for raw in raws], dtype=np.float64)
    codes = np.searchsorted(edges, numbers).astype(np.int32) + np.int32(1)
    is_odd = ~np.isfinite(numbers)
    failed = None
    if is_odd.any():
        codes[is_odd] = MISSING
        failed = is_odd & np.fromiter((raw is not None for raw in raws), np.bool_, n_leads)
        failed = failed if failed.any() else None
    return ColumnCodes(codes[:, None], failed)


def _as_float(raw: object) -> float:
    try:
        return float("nan") if raw is None else float(raw)  # type: ignore[arg-type]
    except OverflowError:
        return float("inf")
