"""Read whole columns, each distinct value once, and keep account of what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.errors import Finding, LeadsRejected, shorten
from features.readers import RawTable
from features.text import Unreadable, category_key, id_key, normalise, parse_number, parse_time

__all__ = ["MOST_VALUES_NAMED", "FindingLog", "Sheet", "is_none", "objects", "shown"]

MOST_VALUES_NAMED = 60
"""Values that one finding lists: a person writes the source map from such a list."""

_Read = TypeVar("_Read")
_PERSONAL = re.compile(r"\S*@\S*|\d[\d\s()-]{5,}")
_MOST_ROWS_NAMED = 20
_ROWS_LEFT_OUT = "These rows are left out."


def shown(values: Iterable[str], limit: int = 6) -> str:
    """Return values fit for a message: short, and without what looks like an address or a number.

    At most `limit` are named; the rest is counted.

    >>> shown(["Potential", "call 03-1234-5678"])
    "'Potential', 'call …'"
    """
    masked = (_PERSONAL.sub("…", value) for value in values)
    return shorten(
        (repr(value if len(value) <= 40 else value[:39] + "…") for value in masked), limit=limit
    )


def objects(values: Sequence[object]) -> np.ndarray:
    """Return the values as an object array, one element each."""
    array = np.empty(len(values), dtype=object)
    for position, value in enumerate(values):
        array[position] = value
    return array


def is_none(values: np.ndarray) -> np.ndarray:
    """Return which elements of an object array are None, shape (n,)."""
    return np.fromiter((value is None for value in values), dtype=bool, count=len(values))


@dataclass
class FindingLog:
    """All findings of one reading, errors and warnings.

    With `use_good_rows`, an error about rows becomes a warning and its rows are left out; an error
    about a whole table stays an error.
    """

    use_good_rows: bool
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Keep one finding."""
        if self.use_good_rows and finding.severity == "error" and finding.n_rows:
            message = f"{finding.message} {_ROWS_LEFT_OUT}"
            finding = replace(finding, severity="warning", message=message)
        self.findings.append(finding)

    def about_table(self, code: str, message: str, remedy: str, column: str | None = None) -> None:
        """Keep an error about a whole table or column."""
        self.add(Finding(code=code, message=message, remedy=remedy, column=column))

    def settle(self) -> tuple[Finding, ...]:
        """Return the warnings.

        Raises
        ------
        LeadsRejected
            If there is an error; it holds every finding, errors first.
        """
        found = sorted(self.findings, key=lambda finding: finding.severity != "error")
        if found and found[0].severity == "error":
            raise LeadsRejected(found)
        return tuple(found)


class Sheet:
    """One raw table with the layout of its part of the source map.

    Parameters
    ----------
    table : RawTable
        The cells.
    log : FindingLog
        Where findings go.
    zone : ZoneInfo
        In which naive times are read.
    formats : sequence of str
        Date formats tried first.
    blanks : iterable of str
        Values that mean nothing was entered, beside blank cells.
    """

    def __init__(
        self,
        table: RawTable,
        log: FindingLog,
        zone: ZoneInfo,
        formats: Iterable[str] = (),
        blanks: Iterable[str] = (),
    ) -> None:
        self.name = table.name
        self.cells = table.cells
        self.log = log
        self.zone = zone
        self.formats = tuple(formats)
        self._split_by = table.split_by
        self.bad = np.zeros(len(self.cells), dtype=bool)
        self._blanks = {category_key(blank) for blank in blanks}
        self._columns = {normalise(column): column for column in self.cells.columns}
        for finding in table.findings:
            log.add(finding)

    def __len__(self) -> int:
        return len(self.cells)

    def has(self, column: str | None) -> bool:
        """Whether the table has this column (width and spaces do not count)."""
        return column is not None and normalise(column) in self._columns

    def require(self, columns: Iterable[str]) -> None:
        """Report the columns that the map names and the table lacks, all at once."""
        missing = [column for column in dict.fromkeys(columns) if not self.has(column)]
        if missing:
            remedy = "Correct the name in the source map, or export the column."
            if doubt := self._doubt_of_delimiter():
                remedy = f"{doubt} Correct `delimiter` in the source map, or else the names."
            self.log.about_table(
                "missing_column",
                f"{self.name} has no column {', '.join(map(repr, missing))}; its columns are "
                f"{shorten(map(repr, self.cells.columns), limit=40)}.",
                remedy,
                column=missing[0] if len(missing) == 1 else None,
            )

    def _doubt_of_delimiter(self) -> str:
        """Say how a CSV was split, when its heading looks as if that was wrong."""
        columns = list(self.cells.columns)
        is_doubtful = len(columns) == 1 or any(set(name) & set(",;\t|") for name in columns)
        return self._split_by if is_doubtful else ""

    def unmapped(self, used: Iterable[str]) -> list[str]:
        """Return the columns that the map does not mention."""
        known = {normalise(column) for column in used}
        return [column for key, column in self._columns.items() if key not in known]

    def texts(self, column: str | None) -> np.ndarray:
        """Return a column as raw text, blanks as None; all None when the table lacks it."""
        if not self.has(column):
            return np.full(len(self), None, dtype=object)
        return self._each(self._raw(str(column)), self._unless_blank)

    def keys(self, column: str) -> np.ndarray:
        """Return a column's normalised texts (case kept), blanks as None: ids and names."""
        return self.parse(column, id_key)[0]

    def ids(self, columns: Iterable[str]) -> np.ndarray:
        """Return the joined id of each row; None when one part is blank."""
        parts = [self.keys(column) for column in columns]
        if len(parts) == 1:
            return parts[0]
        return objects(
            [
                None if any(part is None for part in row) else "|".join(row)
                for row in zip(*parts, strict=True)
            ]
        )

    def numbers(self, column: str | None) -> np.ndarray:
        """Return a column as floats, blanks and unreadable ones NaN (the latter reported)."""
        values, unreadable = self.parse(column, parse_number)
        self.report(
            "unreadable_number",
            unreadable,
            "holds no readable number; it counts as missing.",
            "Correct the cells, or list their placeholder under `blanks` in the source map.",
            column,
            severity="warning",
        )
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    def times(self, column: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Return a column as UTC datetime64[us] (NaT for a blank), and which are unreadable."""
        values, unreadable = self.parse(column, self._moment)
        moments = np.full(len(self), np.datetime64("NaT"), dtype="datetime64[us]")
        present = ~is_none(values)
        moments[present] = values[present].astype("datetime64[us]")
        return moments, unreadable

    def parse(
        self, column: str | None, read: Callable[[str], object]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what `read` makes of each cell (None for blanks), and which it cannot read."""
        refused = object()

        def attempt(text: str) -> object:
            try:
                return read(text)
            except Unreadable:
                return refused

        values = self._each(self.texts(column), attempt)
        unreadable = np.fromiter((v is refused for v in values), dtype=bool, count=len(values))
        values[unreadable] = None
        return values, unreadable

    def look_up(self, column: str, meanings: Mapping[str, _Read]) -> tuple[np.ndarray, np.ndarray]:
        """Return the meaning of each cell (None for blanks), and which cells have none."""

        def read(text: str) -> _Read:
            meaning = meanings.get(category_key(text) or "")
            if meaning is None:
                raise Unreadable("not listed")
            return meaning

        return self.parse(column, read)

    def report(
        self,
        code: str,
        rows: np.ndarray,
        message: str,
        remedy: str,
        column: str | None = None,
        severity: str = "error",
    ) -> None:
        """Report rows (a mask); rows of an error count as bad from here on."""
        n_rows = int(rows.sum())
        if not n_rows:
            return
        if severity == "error":
            self.bad |= rows
        named = self.cells.index[rows][:_MOST_ROWS_NAMED]
        self.log.add(
            Finding(
                code=code,
                message=f"{self.name}: {message}",
                remedy=remedy,
                column=column,
                rows=tuple(int(row) for row in named),
                n_rows=n_rows,
                severity=severity,
            )
        )

    def values_of(self, column: str, rows: np.ndarray) -> list[str]:
        """Return the distinct values of a column in these rows, most frequent first."""
        counts = pd.Series(self.texts(column)[rows], dtype=object).value_counts()
        return [str(value) for value in counts.index]

    def moment_text(self, text: str) -> str | None:
        """Return a time as ISO 8601 in the definition's time zone."""
        moment = parse_time(text, self.zone, self.formats)
        return None if moment is None else moment.isoformat()

    def _raw(self, column: str) -> np.ndarray:
        return self.cells[self._columns[normalise(column)]].to_numpy(dtype=object)

    def _unless_blank(self, text: str) -> str | None:
        if not text or text.isspace():
            return None
        if self._blanks and len(text) <= 1_000:
            try:
                return None if category_key(text) in self._blanks else text
            except Unreadable:
                return text
        return text

    def _moment(self, text: str) -> datetime | None:
        moment = parse_time(text, self.zone, self.formats)
        return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)

    @staticmethod
    def _each(values: np.ndarray, read: Callable[[Any], object]) -> np.ndarray:
        """Apply `read` to each distinct value that is there, and spread the answers."""
        codes, distinct = pd.factorize(values, use_na_sentinel=True)
        answers = np.empty(len(distinct) + 1, dtype=object)
        for position, value in enumerate(distinct):
            answers[position] = read(value)
        return answers[codes]
