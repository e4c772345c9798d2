"""Columns as the scan sees them: values, and the codes that hold enough leads to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.inputs import Habits
from features.terms import FieldType
from features.text import Unreadable, category_key, parse_boolean, parse_number, parse_time

__all__ = ["FEWEST", "MISSING", "Codes", "Column", "Flags", "Floats", "ScanColumn", "read_column"]

Column = NDArray[np.object_]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Kind = Literal["number", "category", "time", "text"]

MISSING = 0
FEWEST = 30
"""Leads a value needs to be judged by itself (in large tables one lead in 400, where that is more);
rarer values are judged together."""

_SHARE = 0.0025
_RARE = 1
_BINS = 16


@dataclass(frozen=True, eq=False)
class ScanColumn:
    """One column of a table, read.

    Attributes
    ----------
    kind : {"number", "category", "time", "text"}
        How its values are judged; of a text only whether it is filled in.
    values : ndarray of shape (n,)
        float64 with NaN for a number, datetime64[us] (UTC) with NaT for a time, and str or None for
        the others.
    heading : str
        What people call it, all names together: words of outcomes are looked for in it.
    personal : bool
        Declared personal: no value is ever shown.
    later : bool
        Declared as known only after hand-off: noted, and not looked at.
    proven : bool
        Every value carries a time before the lead was scored (a behaviour), so that signals of
        time and name do not apply.
    field : str
        The field that findings name, when it gives several columns; by default the column's name.
    shown : mapping of str to str
        How a code is shown.
    """

    kind: Kind
    values: NDArray[np.float64] | NDArray[np.datetime64] | Column
    heading: str = ""
    personal: bool = False
    later: bool = False
    proven: bool = False
    field: str = ""

    @cached_property
    def filled(self) -> Flags:
        """Which leads have a value, shape (n,)."""
        return np.asarray(~pd.isna(self.values))

    @cached_property
    def codes(self) -> Codes:
        """The leads by value."""
        if self.kind == "number":
            return _number_codes(np.asarray(self.values, dtype=np.float64))
        if self.kind == "category":
            return _category_codes(np.asarray(self.values, dtype=object))
        return Codes(self.filled.astype(np.int64), ("", ""), ordered=False)


@dataclass(frozen=True, eq=False)
class Codes:
    """The leads of a column by value.

    Attributes
    ----------
    code : ndarray of int64, shape (n,)
        0 is missing.
    labels : tuple of str
        What each code holds; empty for missing, and for values that are judged together.
    ordered : bool
        Whether neighbouring codes are neighbouring values.
    spans : tuple of bool
        Whether a code holds a range of numbers; empty where none does.
    """

    code: NDArray[np.int64]
    labels: tuple[str, ...]
    ordered: bool
    spans: tuple[bool, ...] = ()

    @property
    def size(self) -> int:
        """Number of codes."""
        return len(self.labels)


def read_column(
    texts: Sequence[object],
    type: FieldType,
    *,
    zone: ZoneInfo,
    heading: str = "",
    date_formats: Sequence[str] = (),
    blanks: Iterable[str] = (),
    personal: bool = False,
    later: bool = False,
) -> ScanColumn:
    """Read one column of a raw table for the scan; what cannot be read counts as missing.

    Parameters
    ----------
    texts : sequence of object
        Cells, None or blank where nothing was entered.
    type : str
        A field type of the definition. Titles, addresses, phones and firms are taken as categories.
    zone : ZoneInfo
        Of times without an offset.
    heading : str
        The column's heading, and other names it has.
    date_formats, blanks : sequence of str
        As in the source map.
    personal, later : bool
        As in `ScanColumn`.
    """
    habits = Habits(zone, tuple(blanks), tuple(date_formats))
    kind: Kind = "category"
    read: Callable[[object], object] = category_key
    if type == "number":
        kind, read = "number", parse_number
    elif type == "time":
        kind, read = "time", lambda raw: parse_time(raw, zone, habits.date_formats)
    elif type == "boolean":
        read = parse_boolean
    elif type == "text":
        kind, read = "text", _words
    known: dict[object, object] = {}
    for raw in texts:
        if raw not in known:
            known[raw] = _read(read, raw, habits)
    read_values = [known[raw] for raw in texts]
    return ScanColumn(
        kind, column_values(kind, read_values), heading, personal=personal, later=later
    )


def column_values(
    kind: Kind, values: Sequence[object]
) -> NDArray[np.float64] | NDArray[np.datetime64] | Column:
    """Return read values as the array that a column of this kind holds."""
    if kind == "number":
        return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
    if kind == "time":
        moments = pd.DatetimeIndex(pd.to_datetime(list(values), utc=True))  # type: ignore[arg-type]
        return np.asarray(moments.tz_convert(None).to_numpy(dtype="datetime64[us]"))
    column = np.empty(len(values), dtype=object)
    column[:] = [one if one is None or isinstance(one, str) else str(one) for one in values]
    return column


def _words(raw: object) -> str | None:
    text = str(raw).strip() if raw is not None and raw == raw else ""
    return text or None


def _read(read: Callable[[object], object], raw: object, habits: Habits) -> object:
    if raw is None or raw != raw or habits.is_blank(raw):
        return None
    try:
        return read(raw)
    except Unreadable:
        return None


def _fewest(n: int) -> int:
    return max(FEWEST, int(_SHARE * n))


def _category_codes(values: Column) -> Codes:
    found, levels = pd.factorize(values)
    counts = np.bincount(found[found >= 0], minlength=len(levels))
    kept = np.flatnonzero(counts >= _fewest(len(values)))
    place = np.full(len(levels) + 1, _RARE, dtype=np.int64)
    place[kept] = np.arange(len(kept)) + 2
    place[-1] = MISSING
    return Codes(place[found], ("", "", *(str(levels[each]) for each in kept)), ordered=False)


def _number_codes(values: Floats) -> Codes:
    """Bins of about equal numbers of leads; a number that many leads share stands by itself."""
    filled = ~np.isnan(values)
    distinct, inverse, counts = np.unique(values[filled], return_inverse=True, return_counts=True)
    if not len(distinct):
        return Codes(np.zeros(len(values), dtype=np.int64), ("",), ordered=True)
    fewest = _fewest(len(values))
    size = max(int(filled.sum()) / _BINS, fewest)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    alone = counts >= size / 2
    step = (before / size).astype(np.int64)
    new = alone | np.concatenate([[True], alone[:-1] | (np.diff(step) > 0)])
    bin_of = np.cumsum(new)
    code = np.zeros(len(values), dtype=np.int64)
    code[filled] = bin_of[inverse.reshape(-1)]
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [len(distinct)]]) - 1
    labels = (
        f"{distinct[low]:g}" if low == high else f"{distinct[low]:g} … {distinct[high]:g}"
        for low, high in zip(first, last, strict=True)
    )
    spans = (False, *(distinct[first] < distinct[last]).tolist())
    return Codes(code, ("", *labels), ordered=True, spans=spans)
