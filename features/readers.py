"""Read one table from a file: CSV, Excel or Parquet, all of it as text.

Meaning comes later. Here a file either is the table it claims to be, or the reader is told which
row and column is broken and what to do. A CSV, an Excel sheet and a Parquet file of one table give
the same cells.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.decoding import decode
from features.errors import FileUnreadable, Finding, shorten
from features.text import normalise

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LONGEST_CELL", "RawTable", "cell_text", "read_table"]

LONGEST_CELL = 1_000_000
"""Characters that one cell can have."""
_SHOWN_OF_LINE = 10_000
_QUOTE_THEM = "Quote cells that hold the delimiter, or export the file again."
_MOST_COLUMNS = 2_000
_MOST_UNPACKED_BYTES = 1 << 30
_DELIMITERS = {",": ",", ";": ";", "tab": "\t"}
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab"}
# What a damaged zip or its XML raises; RuntimeError is also "encrypted" and "unknown compression".
_BROKEN_WORKBOOK = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError,
    SyntaxError, LookupError, ValueError, TypeError, AttributeError,
)  # fmt: skip
_TEXT_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))
_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook (or another zip)", ".xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", ".xls, then save it as .xlsx or CSV"),
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"%PDF", "a PDF", ".pdf; a table is needed, so export CSV"),
    (b"\x1f\x8b", "a gzip archive", ".gz, then unpack it"),
)


@dataclass(frozen=True)
class RawTable:
    """A table as it stands in the file.

    Attributes
    ----------
    name : str
        The file's name, without its folder.
    cells : pandas.DataFrame
        Object columns of str, blank cells as ``""``; the index holds the file's row numbers (the
        heading is row 1).
    findings : tuple of Finding
        Rows and columns that are broken; such rows are not in `cells`.
    split_by : str
        In a sentence, the delimiter of a CSV and which were tried; blank for other files.
    """

    name: str
    cells: pd.DataFrame
    findings: tuple[Finding, ...]
    split_by: str = ""


def read_table(
    path: str | Path, encoding: str | None = None, delimiter: str | None = None
) -> RawTable:
    """Read a CSV (.csv, .tsv, .txt), Excel (.xlsx, first sheet) or Parquet file.

    Parameters
    ----------
    path : str or Path
        The file; its suffix says what it is.
    encoding : {"auto", "utf-8", "utf-8-sig", "cp932"}, optional
        Of a CSV. ``auto`` (default) is UTF-8 with or without a mark, then CP932, never a guess.
    delimiter : {"auto", ",", ";", "tab"}, optional
        Of a CSV. ``auto`` (default) takes the one that splits the heading most.

    Raises
    ------
    FileUnreadable
        If the file is missing, empty, another kind of file, in another encoding, or broken in a
        way that leaves no trustworthy rows.
    """
    path = Path(path)
    suffix, split_by = path.suffix.casefold(), ""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileUnreadable(
            f"{path.name} cannot be opened ({error.strerror or type(error).__name__}). "
            "Expected a CSV, Excel or Parquet file; check the path and the rights."
        ) from error
    if not content:
        raise FileUnreadable(f"{path.name} is empty (0 bytes). Export it again.")
    if suffix in _TEXT_SUFFIXES:
        _refuse_other_kinds(path.name, content)
        text = decode(path.name, content, encoding)
        separator, split_by = _separator(text, delimiter)
        records = _csv_records(path.name, text, separator, split_by)
    elif suffix == ".xlsx":
        records = _excel_records(path.name, content)
    elif suffix in (".parquet", ".pq"):
        records = _parquet_records(path.name, content)
    else:
        raise FileUnreadable(
            f"{path.name} ends in {suffix or 'nothing'!r}. Expected .csv, .tsv, .txt, .xlsx or "
            ".parquet; save it as one of these."
        )
    return _table(path.name, records, split_by)


def _refuse_other_kinds(name: str, content: bytes) -> None:
    for signature, kind, suffix in _SIGNATURES:
        if content.startswith(signature):
            raise FileUnreadable(f"{name} is {kind}, not a CSV. Rename it to end in {suffix}.")


def _table(name: str, records: Iterator[tuple[int, list[str]]], split_by: str) -> RawTable:
    import pandas as pd

    heading_row, heading = next(((row, cells) for row, cells in records if any(cells)), (0, []))
    if not heading:
        raise FileUnreadable(f"{name} holds no heading and no rows. Export it again.")
    findings: list[Finding] = []
    names = _columns(name, heading_row, heading, findings)
    width, kept, rows, ragged = len(names), [], [], {}
    for row, cells in records:
        if not any(cells):
            continue
        if len(cells) == width:
            rows.append(row)
            kept.append(cells)
        else:
            ragged[row] = len(cells)
    if ragged:
        counts = shorten(sorted(set(ragged.values())))
        findings.append(
            Finding(
                code="ragged_row",
                message=f"{name}: the heading has {width} columns, these rows have {counts}.",
                remedy=" ".join([*filter(None, [split_by]), _QUOTE_THEM]),
                rows=tuple(ragged)[:20],
                n_rows=len(ragged),
            )
        )
    elif not kept:
        raise FileUnreadable(f"{name} has a heading but no rows. Export it again.")
    columns = list(zip(*kept, strict=True)) or [()] * width
    cells_by_name: dict[str, Any] = {}
    for column, values in zip(names, columns, strict=True):
        if column is None and any(value.strip() for value in values):
            findings.append(_blank_heading(name, names.index(None) + 1))
        if column is not None:
            cells_by_name[column] = pd.Series(values, index=rows, dtype=object)
    read = pd.DataFrame(cells_by_name, index=rows, dtype=object)
    return RawTable(name, read, tuple(findings), split_by)


def _columns(name: str, row: int, heading: list[str], findings: list[Finding]) -> list[str | None]:
    """Return the column names; None where there is none, the first of two equal ones kept."""
    if len(heading) > _MOST_COLUMNS:
        raise FileUnreadable(
            f"{name} has {len(heading):,} columns; at most {_MOST_COLUMNS:,} are read. "
            "Check the delimiter, or export fewer columns."
        )
    names: list[str | None] = []
    seen: set[str] = set()
    for written in heading:
        stripped = written.strip()
        key = normalise(stripped[:1_000])
        if key and key in seen:
            findings.append(
                Finding(
                    code="duplicate_heading",
                    message=f"{name}: two columns have this name (width and spaces do not count).",
                    remedy="Rename or remove one of them in the export.",
                    column=stripped[:40],
                    rows=(row,),
                )
            )
        names.append(stripped if key and key not in seen else None)
        seen.add(key)
    return names


def _blank_heading(name: str, position: int) -> Finding:
    return Finding(
        code="blank_heading",
        message=f"{name}: column {position} has values but no name of its own, and is not read.",
        remedy="Give it a name in the export.",
        severity="warning",
    )


# --- CSV ---------------------------------------------------------------------------------------


def _csv_records(
    name: str, text: str, separator: str, split_by: str
) -> Iterator[tuple[int, list[str]]]:
    if "\x00" in text:
        row = text.count("\n", 0, text.index("\x00")) + 1
        raise FileUnreadable(
            f"{name} holds a NUL character near line {row}: it is not text, or UTF-16 without a "
            "mark. Save it as CSV UTF-8."
        )
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    row, line = 0, 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            broken = _broken_csv(name, text, separator, row + 1, line, error)
            raise FileUnreadable(f"{broken} {split_by}") from error
        row, line = row + 1, reader.line_num
        yield row, cells


def _separator(text: str, delimiter: str | None) -> tuple[str, str]:
    """Return the delimiter, and a sentence that says which it is and why."""
    if delimiter not in (None, "auto"):
        given = _DELIMITERS[delimiter]
        return given, f"The delimiter was the {_SPOKEN[given]}, as the source map says."
    start = text[: LONGEST_CELL * 2].lstrip("\r\n")
    taken = max(_DELIMITERS.values(), key=lambda candidate: _fit(start, candidate))
    tried = ", ".join(_SPOKEN.values())
    return taken, f"The delimiter was taken to be the {_SPOKEN[taken]}; tried were {tried}."


def _fit(start: str, separator: str) -> tuple[bool, int]:
    """Return how well a delimiter fits the first rows: all of one width, and how wide."""
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=separator, strict=True)
    widths: list[int] = []
    try:
        widths.extend(len(cells) for cells in islice(reader, 5) if cells)
    except csv.Error:
        widths.append(0)  # the delimiter does not fit, or the file breaks here
    width = widths[0] if widths else 0
    return width > 1 and set(widths) == {width}, width


def _broken_csv(name: str, text: str, separator: str, row: int, line: int, error: csv.Error) -> str:
    """Say which row and column a CSV breaks in; `line` is the last physical line read well."""
    lines = list(io.StringIO(text, newline=""))
    heading = next(csv.reader([lines[0][:_SHOWN_OF_LINE]], delimiter=separator), [])
    begun = lines[min(line, len(lines) - 1)][:_SHOWN_OF_LINE]
    if (stray := _stray_quote(separator).match(begun)) is not None:
        begun = stray[0]
    at = len(next(csv.reader([begun], delimiter=separator), [])) - 1
    column = f", column {heading[at]!r}" if row > 1 and 0 <= at < len(heading) else ""
    where = f"{name}, row {row} (line {line + 1}){column}"
    if "field larger" in str(error):
        return (
            f"{where}: a cell is longer than {LONGEST_CELL:,} characters. A quote that is opened "
            "there is probably never closed; close it, or shorten the cell."
        )
    if "end of data" in str(error):
        return (
            f"{where}: a quote is opened there and never closed. Close it, or double the quotes "
            "inside a quoted cell."
        )
    if "expected after" in str(error):
        return (
            f"{where}: text goes on after a closing quote, where the next {_SPOKEN[separator]} is "
            "expected. Put quotes around the whole cell, and double those inside. Correct "
            "`delimiter` in the source map if it is another."
        )
    return f"{where}: {error}. Correct the cell, or export the file again."


def _stray_quote(separator: str) -> re.Pattern[str]:
    """Match a line up to the first quoted cell that goes on after its closing quote."""
    cell = rf'(?:"(?:[^"]|"")*+"|[^"{separator}][^{separator}]*+|(?={separator}))'
    return re.compile(rf'(?:{cell}{separator})*?"(?:[^"]|"")*+"(?![{separator}\r\n]|$)')


# --- Excel and Parquet -------------------------------------------------------------------------


def _excel_records(name: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > _MOST_UNPACKED_BYTES:
            raise FileUnreadable(f"{name} unpacks to more than 1 GB. Save it as CSV UTF-8.")
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except _BROKEN_WORKBOOK as error:
        raise FileUnreadable(
            f"{name} is not a readable Excel workbook ({type(error).__name__}). Open it in Excel "
            "and save it as .xlsx or as CSV UTF-8."
        ) from error
    return _padded(rows)


def _padded(rows: Sequence[Iterable[object]]) -> Iterator[tuple[int, list[str]]]:
    """Yield sheet rows as text, cut to the heading's width where the rest is blank."""
    width = 0
    for row, values in enumerate(rows, start=1):
        cells = [cell_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        width = width or len(cells)
        yield row, cells + [""] * (width - len(cells)) if cells else []


def _parquet_records(name: str, content: bytes) -> Iterator[tuple[int, list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        columns = [
            [] if nested else [cell_text(value) for value in column.to_pylist()]
            for column in table.columns
        ]
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise FileUnreadable(
            f"{name} is not a readable Parquet file ({type(error).__name__}). Write it again."
        ) from error
    if nested:
        raise FileUnreadable(
            f"{name} has columns that are not single values: {shorten(nested)}. "
            "Leave them out, or write them as text."
        )
    yield 1, list(table.column_names)
    for row, cells in enumerate(zip(*columns, strict=True), start=2):
        yield row, list(cells)


def cell_text(value: object) -> str:
    """Return a typed cell as the text that a CSV of the same table would hold.

    Whole numbers are written without ``.0``, times as ISO 8601, nothing as ``""``.

    >>> cell_text(3.0), cell_text(True), cell_text(None)
    ('3', 'true', '')
    """
    if value is None or value != value:  # NaN and "not a time" differ from themselves
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)
