"""The given files as tables, and which of them is what: leads, decisions, behaviour."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from features.decoding import decode
from features.errors import FileUnreadable, Finding
from features.readers import read_table
from features.text import normalise
from training.drafting.columns import Column, read_columns
from training.drafting.headings import is_about
from training.drafting.outcomes import read_behaviour, read_status

__all__ = ["Roles", "Table", "find_roles", "read_tables"]

_DELIMITERS = {",": ",", ";": ";", "\t": "tab"}
_TEXT_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))
_ENOUGH_SHARED = 0.5
_MOST_KINDS = 60


@dataclass(frozen=True, eq=False)
class Table:
    """One file as it was read.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of Column
        In the order of the file.
    n_rows : int
        Rows that could be read.
    encoding : {"utf-8", "cp932"} or None
        Of a CSV.
    delimiter : str or None
        As a source map writes it; None for other files.
    findings : tuple of Finding
        What the reader found broken.
    """

    path: Path
    columns: tuple[Column, ...]
    n_rows: int
    encoding: str | None
    delimiter: str | None
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    @cached_property
    def times(self) -> tuple[Column, ...]:
        """The columns that hold dates or times."""
        return tuple(column for column in self.columns if is_time(column))


@dataclass(frozen=True, eq=False)
class Roles:
    """Which table is what.

    Attributes
    ----------
    leads : Table
        One row for each lead.
    key : Column or None
        Its column that the other tables refer to.
    decisions, behaviours : tuple of (Table, Column)
        Each with the column that holds the lead's id.
    unknown : tuple of Table
        Tables whose part nobody can tell from the file.
    """

    leads: Table
    key: Column | None
    decisions: tuple[tuple[Table, Column], ...] = ()
    behaviours: tuple[tuple[Table, Column], ...] = ()
    unknown: tuple[Table, ...] = ()


def read_tables(paths: Sequence[Path], tell: Callable[[str], None]) -> tuple[Table, ...]:
    """Read the files.

    Raises
    ------
    FileUnreadable
        If one of them is not a readable table with rows; all such files are named.
    """
    tables, problems = [], []
    for path in dict.fromkeys(paths):
        tell(f"Reading {path.name}")
        try:
            tables.append(_read(path))
        except FileUnreadable as error:
            problems.append(str(error))
    if problems:
        raise FileUnreadable("\n".join(problems))
    return tuple(tables)


def is_time(column: Column) -> bool:
    """Whether a column holds dates; bare digits count only under a heading that says so."""
    if not column.values or column.time_share < 0.95:
        return False
    return not column.is_digits or is_about(column.name, "date") or is_about(column.name, "arrival")


def find_roles(tables: Sequence[Table]) -> Roles:
    """Tell the lead table from those that refer to it, by the ids they share."""
    if len(tables) == 1:
        return Roles(tables[0], None)
    best = max(
        ((table, key) for table in tables for key in _keys(table)),
        key=lambda pair: (
            sum(_refers(other, pair[1]) is not None for other in tables if other is not pair[0]),
            len(pair[1].values),
        ),
        default=None,
    )
    if best is None:
        largest = max(tables, key=lambda table: len(table.columns))
        return Roles(largest, None, unknown=tuple(one for one in tables if one is not largest))
    leads, key = best
    decisions, behaviours, unknown = [], [], []
    for table in tables:
        if table is leads:
            continue
        column = _refers(table, key)
        if column is None or not table.times:
            unknown.append(table)
        elif _is_decisions(table):
            decisions.append((table, column))
        elif find_kind(table, read_behaviour) is not None or _speaks_of_behaviour(table):
            behaviours.append((table, column))
        else:
            unknown.append(table)
    return Roles(leads, key, tuple(decisions), tuple(behaviours), tuple(unknown))


def find_kind(table: Table, read: Callable[[str], object]) -> Column | None:
    """Return the column whose values mostly have a meaning in `read`; headings break ties."""
    best, best_score = None, 0.5
    for column in table.columns:
        if not 1 <= len(column.values) <= _MOST_KINDS or is_time(column):
            continue
        if column.personal_share > 0:
            continue  # its values would be shown
        known = column.share(lambda one: read(one) is not None)
        score = known + 0.3 * is_about(column.name, "kind")
        if known >= _ENOUGH_SHARED and score > best_score:
            best, best_score = column, score
    return best


def decided(written: str) -> object:
    """Return what an entry of a decision log means, None where it is no decision."""
    reading = read_status(written, is_log=True)
    return None if reading is None or reading.event in ("open", "drop") else reading


def outcome_of_file(table: Table) -> str | None:
    """Return ``won`` or ``lost`` where a table's name or its times say that all rows are that."""
    spoken = [table.path.stem, *(column.name for column in table.times)]
    for outcome in ("lost", "won"):
        if any(is_about(one, outcome) for one in spoken):
            return outcome
    closed = [one for one in spoken if is_about(one, "closed")]
    return "won" if closed else None


def _is_decisions(table: Table) -> bool:
    kind = find_kind(table, decided)
    if kind is not None:
        events = {read_status(one, is_log=True) for one in kind.values}
        if any(one and one.event in ("won", "lost", "rejected", "accepted") for one in events):
            return True
    return find_kind(table, read_behaviour) is None and outcome_of_file(table) is not None


def _speaks_of_behaviour(table: Table) -> bool:
    return read_behaviour(table.path.stem) is not None


def _keys(table: Table) -> list[Column]:
    """Return the columns that name a row."""
    return [
        column
        for column in table.columns
        if column.is_unique and not is_time(column) and column.mean_length <= 100
    ]


def _refers(table: Table, key: Column) -> Column | None:
    """Return the column of `table` that holds the values of `key`, if one does."""
    known = set(key.values)
    best, best_score = None, 0.0
    for column in table.columns:
        if not column.values or is_time(column):
            continue
        shared = float(np.mean([one in known for one in column.values[:5_000]]))
        same_name = normalise(column.name).casefold() == normalise(key.name).casefold()
        score = shared + 0.2 * same_name
        if shared >= _ENOUGH_SHARED and score > best_score:
            best, best_score = column, score
    return best


def _read(path: Path) -> Table:
    raw = read_table(path)
    if not len(raw.cells):
        raise FileUnreadable(
            f"{path.name} has no row that can be read. "
            + " ".join(str(finding) for finding in raw.findings[:1])
        )
    encoding = delimiter = None
    if path.suffix.casefold() in _TEXT_SUFFIXES:
        content = path.read_bytes()
        encoding = _encoding(content)
        text = decode(path.name, content)
        delimiter = _delimiter(text, [str(name) for name in raw.cells.columns])
    return Table(path, read_columns(raw.cells), len(raw.cells), encoding, delimiter, raw.findings)


def _encoding(content: bytes) -> str:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp932"
    return "utf-8"


def _delimiter(text: str, columns: list[str]) -> str:
    """Return the delimiter that splits the heading into these columns."""
    for mark, called in _DELIMITERS.items():
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        heading = next((row for row in rows if any(row)), [])
        names = dict.fromkeys(cell.strip() for cell in heading)
        if set(columns) <= set(names):
            return called
    return "auto"
