"""The lead table: one row for each lead, its fields, its order, its status."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from features.columns import Sheet, is_none, objects
from features.definition import LeadDefinition, LeadField
from features.errors import Finding, shorten
from features.event_tables import EVENT_COLUMNS, KnownLeads, Span, read_status, read_times
from features.source_map import LeadTable, SourceMap
from features.text import (
    category_key,
    company_form,
    email_domain,
    normalise,
    parse_boolean,
    parse_number,
    phone_kind,
    text_length,
)
from features.titles import title_rank

__all__ = ["read_leads"]

_READERS: dict[str, Callable[[str], object]] = {
    "number": parse_number,
    "category": category_key,
    "boolean": parse_boolean,
    "job_title": title_rank,
    "email": email_domain,
    "phone": phone_kind,
    "company": company_form,
    "text": text_length,
}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?0?[\d() -]{9,16}")


def read_leads(
    sheet: Sheet, definition: LeadDefinition, source_map: SourceMap, span: Span
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, KnownLeads]:
    """Read the lead table.

    Returns
    -------
    leads, fields, later : pandas.DataFrame
        As in `LeadHistory`.
    events : pandas.DataFrame
        What the status column says, if there is one; columns `EVENT_COLUMNS`.
    known : KnownLeads
        Whom the rows of the other tables may belong to.
    """
    table = source_map.leads
    used = _used_columns(table)
    sheet.require(used)
    ids = _lead_ids(sheet, table)
    arrived = (
        np.full(len(sheet), np.datetime64("NaT"), dtype="datetime64[us]")
        if table.arrived_at is None
        else read_times(sheet, table.arrived_at, span)
    )
    sequence = _sequence(sheet, table)
    events = pd.DataFrame(columns=list(EVENT_COLUMNS), dtype=object)
    dropped = np.zeros(len(sheet), dtype=bool)
    if table.status is not None:
        events, dropped = read_status(sheet, table.status, ids, arrived, definition, span)
    kept_rows = ~dropped
    fields, later = _read_fields(sheet, table, definition, kept_rows, sheet.unmapped(used))
    is_kept = kept_rows & ~sheet.bad
    order = np.flatnonzero(is_kept)
    order = order[np.lexsort((sequence[order], arrived[order]))]
    leads = pd.DataFrame(
        {
            "lead_id": pd.Series(ids[order], dtype=object),
            "arrived_at": pd.DatetimeIndex(arrived[order]).tz_localize("UTC"),
            "sequence": sequence[order].astype(np.int64),
        }
    )
    named = order[~is_none(ids[order])]
    known = KnownLeads(
        pd.Index(ids[named], dtype=object),
        arrived[named],
        frozenset(one for one in ids[~is_kept] if one is not None) - frozenset(ids[named]),
    )
    return (
        leads,
        _ordered(fields, order),
        _ordered(later, order),
        events.loc[events.index.isin(order)],
        known,
    )


def _ordered(columns: dict[str, np.ndarray], order: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {name: values[order] for name, values in columns.items()},
        index=pd.RangeIndex(len(order)),
        dtype=object,
    )


def _used_columns(table: LeadTable) -> list[str]:
    ids = () if table.lead_id is None else table.lead_id
    status, reason = table.status, None if table.status is None else table.status.reason
    columns = [
        *((ids,) if isinstance(ids, str) else ids),
        table.arrived_at,
        table.order_by,
        *table.fields.values(),
        *table.later,
        None if status is None else status.column,
        None if status is None else status.at,
        None if reason is None else reason.column,
    ]
    return [column for column in columns if column is not None]


def _lead_ids(sheet: Sheet, table: LeadTable) -> np.ndarray:
    if table.lead_id is None:
        return objects([str(row) for row in sheet.cells.index])
    columns = (table.lead_id,) if isinstance(table.lead_id, str) else table.lead_id
    ids = sheet.ids(columns)
    if all(sheet.has(column) for column in columns):
        called = ", ".join(columns)
        sheet.report(
            "blank_lead_id",
            is_none(ids),
            "the lead id is blank.",
            "Fill the cells, or leave the rows out.",
            called,
        )
        repeated = pd.Series(ids, dtype=object).duplicated().to_numpy() & ~is_none(ids)
        sheet.report(
            "duplicate_lead_id",
            repeated,
            "the lead id has come before in the table; one row for each lead is expected.",
            "Export one row for each lead, or list more columns under `lead_id`.",
            called,
        )
    return ids


def _sequence(sheet: Sheet, table: LeadTable) -> np.ndarray:
    if table.order_by is None or not sheet.has(table.order_by):
        return np.arange(len(sheet), dtype=np.int64)
    values, unreadable = sheet.parse(table.order_by, parse_number)
    sheet.report(
        "unreadable_order",
        is_none(values) | unreadable,
        "holds no number to order the leads by.",
        "Correct the cells, or order by another column.",
        table.order_by,
    )
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    ranks = np.empty(len(sheet), dtype=np.int64)
    ranks[np.argsort(numbers, kind="stable")] = np.arange(len(sheet))
    return ranks


def _read_fields(
    sheet: Sheet,
    table: LeadTable,
    definition: LeadDefinition,
    rows: np.ndarray,
    unmapped: Iterable[str],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    fields: dict[str, np.ndarray] = {}
    later: dict[str, np.ndarray] = {}
    for name, column in table.fields.items():
        field = definition.fields[name]
        if field.is_usable:
            fields[name] = _read_field(sheet, name, column, field, rows)
        else:
            later[name] = sheet.keys(column) if sheet.has(column) else sheet.texts(column)
    for column in table.later:
        later.setdefault(column, sheet.keys(column) if sheet.has(column) else sheet.texts(column))
    missing = [name for name in definition.usable_fields if name not in table.fields]
    mapped = {name: table.fields[name] for name in fields}
    blank = [
        name
        for name, column in mapped.items()
        if sheet.has(column) and is_none(fields[name][rows]).all()
    ]
    is_complete = all(sheet.has(column) for column in _used_columns(table))
    # The finding about a missing column lists all columns; the misspelt one is not told again.
    unmapped_columns = list(unmapped) if is_complete else []
    for code, names, what, remedy in (
        ("field_not_mapped", missing, "no column for the definition's", "Map them, or leave it."),
        ("field_blank", blank, "only blanks for", "Check the columns in the source map."),
        ("column_not_mapped", unmapped_columns, "columns that the map leaves out:",
         "Map them to fields, list them under `later`, or leave it."),
    ):  # fmt: skip
        if names:
            message = f"{sheet.name} has {what} {shorten(names, limit=40)}."
            sheet.log.add(Finding(code=code, message=message, remedy=remedy, severity="warning"))
    return fields, later


def _read_field(
    sheet: Sheet, name: str, column: str, field: LeadField, rows: np.ndarray
) -> np.ndarray:
    """Return a field as normalised text (times as ISO 8601), what cannot be read as None."""
    if not sheet.has(column):
        return sheet.texts(column)
    reader = _READERS.get(field.type)

    def read(text: str) -> str | None:
        if reader is None:
            return sheet.moment_text(text)
        reader(text)
        return normalise(text) or None

    values, unreadable = sheet.parse(column, read)
    sheet.report(
        f"unreadable_{field.type}",
        unreadable & rows & ~sheet.bad,
        f"field {name!r} ({field.type}) cannot be read there; it counts as missing.",
        "Correct the cells, or list their placeholder under `blanks` in the source map.",
        column,
        severity="warning",
    )
    if field.type == "category" and not field.personal:
        distinct = {value for value in values if value is not None}
        personal = sum(_ADDRESS.fullmatch(value) is not None for value in distinct)
        if personal * 2 > len(distinct) > 10:
            finding = Finding(
                code="looks_personal",
                message=f"{sheet.name}: field {name!r} looks like addresses or phone numbers.",
                remedy="Give it the type email or phone and `personal: true` in the definition.",
                column=column,
                severity="warning",
            )
            sheet.log.add(finding)
    return values
