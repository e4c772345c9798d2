"""What a raw table gives cause to suspect: leaks by the leak scan, and habits of the export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from training.drafting.columns import Column
from training.drafting.fields import LeftOut, MappedField
from training.drafting.tables import Table
from training.drafting.words import listed, say
from training.leaks import LeakFinding, ScanColumn, read_column, scan_columns
from training.leaks.findings import Sentences

__all__ = ["find_habits", "find_leaks"]

_EARLIEST = np.datetime64("1990-01-01", "us")
_MOJIBAKE = re.compile("\ufffd|[縺繧譁]{2}|[ÃÂâ][\u0080-\u00bf€™œ]|ã[\u0080-\u00bf]")
_SIGNALS = {
    "constant": "constant",
    "blank": "blank",
    "person": "personal",
    "too_many": "identifier",
    "long_heading": "long_heading",
}


def find_leaks(
    fields: Sequence[MappedField],
    left_out: Sequence[LeftOut],
    outcome: NDArray[np.float64],
    order: NDArray[np.intp],
    *,
    zone: ZoneInfo,
    arrived: NDArray[np.datetime64] | None,
    worked: NDArray[np.float64] | None,
) -> tuple[LeakFinding, ...]:
    """Return what the leak scan finds in the raw columns, by field name (else by heading).

    Nobody has declared anything yet, so that columns that the draft takes for later ones by their
    headings are looked at like all others: the evidence is worth having.

    Parameters
    ----------
    outcome : numpy.ndarray of float, shape (n_rows,)
        1 won, 0 not won, NaN where it is not told yet.
    order : numpy.ndarray of int, shape (n_rows,)
        Rows from the oldest lead to the newest.
    arrived : numpy.ndarray of datetime64, shape (n_rows,), or None
        Times of arrival.
    worked : numpy.ndarray of float, shape (n_rows,), or None
        1 where sales worked the lead, 0 where not, NaN where it is not told.
    """
    columns: dict[str, ScanColumn] = {}
    for mapped in fields:
        if mapped.name == "arrived_at":
            continue
        columns[mapped.name] = read_column(
            list(mapped.column.texts[order]),
            mapped.field.type,
            zone=zone,
            heading=mapped.column.name,
            date_formats=mapped.column.dates.formats if mapped.field.type == "time" else (),
            personal=mapped.field.personal,
        )
    for one in left_out:
        if one.why == "identifier":
            columns[one.column.name] = read_column(
                list(one.column.texts[order]), "category", zone=zone, heading=one.column.name
            )
    times = None if arrived is None else arrived[order]
    filled = None if times is None else times[~np.isnat(times)]
    shaped = {one.name for one in fields if one.field.personal}
    found = scan_columns(
        columns,
        outcome[order],
        arrived=times,
        now=None if filled is None or not len(filled) else filled.max(),
        handling=None if worked is None else {"worked": worked[order]},
    )
    # An address is of its own in every row and yet no key: its domain is what is read.
    return tuple(one for one in found if one.signal != "identifier" or one.field not in shaped)


def find_habits(
    table: Table,
    fields: Sequence[MappedField],
    left_out: Sequence[LeftOut],
    lead_id: Column | None,
    today: date,
) -> list[LeakFinding]:
    """Return notes on how an export is written: constant, personal, blank, broken, impossible."""
    names = {mapped.column.name: mapped.name for mapped in fields}
    found = [
        _note(" ".join(one.column.name.split())[:60], _SIGNALS[one.why], say(one.why),
              say("left_out_remedy"), {"n": one.column.n_filled})
        for one in left_out
        if one.why in _SIGNALS
    ]  # fmt: skip
    for mapped in fields:
        if mapped.field.personal:
            n_filled = mapped.column.n_filled
            found.append(_told(mapped.name, "personal", {"n": n_filled}))
    for column in table.columns:
        found += _column_habits(column, names.get(column.name, column.name), table, today)
    if lead_id is not None and not lead_id.is_unique:
        n_repeats = len(lead_id.codes) - len(lead_id.values)
        found.append(_told(lead_id.name, "duplicate_id", {"n": n_repeats}, is_suspect=True))
    return found


def _column_habits(column: Column, called: str, table: Table, today: date) -> list[LeakFinding]:
    found = []
    if column.placeholders:
        evidence = {"n": column.n_placeholders}
        found.append(_told(called, "blank_spelling", evidence, shown=listed(column.placeholders)))
    broken = {one: True for one in (*column.values, *column.placeholders) if _MOJIBAKE.search(one)}
    n_broken = sum(one is True for one in column.rows_of(broken)) if broken else 0
    if n_broken:
        is_suspect = n_broken > len(column.codes) / 1_000
        found.append(_told(called, "mixed_encoding", {"n": n_broken}, is_suspect=is_suspect))
    if column in table.times:
        moments = column.moments
        end = np.datetime64(today + timedelta(days=2), "us")
        evidence = {
            "n_early": int((moments < _EARLIEST).sum()),
            "n_late": int((moments >= end).sum()),
            "n_unread": int((np.isnat(moments) & (column.codes >= 0)).sum()),
        }
        if any(evidence.values()):
            found.append(_told(called, "impossible_date", evidence, is_suspect=True))
    return found


def _told(
    field: str,
    signal: str,
    evidence: Mapping[str, int],
    *,
    is_suspect: bool = False,
    **parts: object,
) -> LeakFinding:
    what, remedy = say(signal, **evidence, **parts), say(f"{signal}_remedy")
    return _note(field, signal, what, remedy, evidence, is_suspect=is_suspect)


def _note(
    field: str,
    signal: str,
    what: Sentences,
    remedy: Sentences,
    evidence: Mapping[str, int],
    *,
    is_suspect: bool = False,
) -> LeakFinding:
    figures = {name: float(figure) for name, figure in evidence.items()}
    return LeakFinding(field, signal, "suspect" if is_suspect else "note", what, remedy, figures)
