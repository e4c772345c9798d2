"""What an earlier export of the same leads proves: what changes was not known at arrival."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from features.errors import FileUnreadable
from training.drafting.columns import Column
from training.drafting.fields import MappedField
from training.drafting.tables import Table, read_tables
from training.leaks import LeakFinding, ScanColumn, compare_exports, read_column

__all__ = ["find_changes"]


def find_changes(
    path: Path,
    fields: Sequence[MappedField],
    lead_id: Column | None,
    *,
    zone: ZoneInfo,
    tell: Callable[[str], None],
) -> tuple[LeakFinding, ...]:
    """Compare the columns of the drafted fields with an earlier export of the lead table.

    Raises
    ------
    FileUnreadable
        If the earlier file is not a readable table, or leads cannot be recognised in both.
    """
    (table,) = read_tables([path], tell)
    earlier = {column.name: column for column in table.columns}
    if lead_id is None or lead_id.name not in earlier:
        wanted = "a lead id" if lead_id is None else f"the lead ids, column {lead_id.name!r}"
        raise FileUnreadable(
            f"{path.name} cannot be compared: both exports must have {wanted}. Export the same "
            "table, with its id, on both days."
        )
    tell(f"Comparing with {path.name}")
    both = [one for one in fields if one.column.name in earlier]
    return compare_exports(
        {one.name: _read(one, earlier[one.column.name], zone) for one in both},
        {one.name: _read(one, one.column, zone) for one in both},
        earlier_ids=_ids(table, lead_id.name),
        later_ids=lead_id.texts.tolist(),
    )


def _ids(table: Table, name: str) -> list[object]:
    return next(column.texts.tolist() for column in table.columns if column.name == name)


def _read(mapped: MappedField, column: Column, zone: ZoneInfo) -> ScanColumn:
    dates = mapped.column.dates.formats if mapped.field.type == "time" else ()
    return read_column(
        list(column.texts),
        mapped.field.type,
        zone=zone,
        heading=mapped.column.name,
        date_formats=dates,
        personal=mapped.field.personal,
    )
