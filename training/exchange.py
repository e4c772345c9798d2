"""The files that a service exports and training reads: recorded inputs, events, behaviour.

One folder. Names of columns are those of the design, so no source map is needed:

- ``leads*.csv`` (or ``.parquet``): ``lead_id, as_of`` and one column for each field, as it was
  known at ``as_of``. A lead that was scored again has another row; the first is what was known at
  arrival.
- ``events*.csv``: ``lead_id, at, kind, reason, amount, actor, source, event_id``; append-only. A
  correction is an event ``retracted`` whose ``reason`` is the ``event_id`` it takes back. Exports
  may overlap, and may have further columns.
- ``behaviours*.csv``: ``lead_id, at, kind, amount``; optional.

A cell that a spreadsheet would compute has an apostrophe in front, which is taken off here
(`features.formulas`).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from features.errors import FileUnreadable, shorten
from features.formulas import unguarded
from features.leads import LeadHistory, read_history
from features.readers import read_table
from features.source_map import (
    BehaviourKind,
    BehaviourTable,
    EventKind,
    EventTable,
    LeadTable,
    ReasonColumn,
    SourceMap,
)
from features.text import Unreadable, id_key

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["Exchange", "digest_of_files", "find_exchange", "read_exchange"]

_TABLES = (".csv", ".parquet")


class Exchange(NamedTuple):
    """The files of an exchange folder, each kind in order of name."""

    leads: tuple[Path, ...]
    events: tuple[Path, ...]
    behaviours: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (*self.leads, *self.events, *self.behaviours)

    def digest(self) -> str:
        """Return the SHA-256 over names and contents: the same files, the same digest."""
        return digest_of_files(self.files)


def digest_of_files(files: Sequence[Path]) -> str:
    """Return the SHA-256 over names and contents of files, in their order."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name} {own}\n".encode())
    return whole.hexdigest()


def find_exchange(folder: str | Path) -> Exchange:
    """Return the files of a folder by what they hold.

    Raises
    ------
    FileUnreadable
        If there is no such folder, or no leads or events in it.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileUnreadable(
            f"{place.name or place} is not a folder. Give the folder that holds leads*.csv and "
            "events*.csv, or files with --leads and --source-map."
        )
    files = sorted(path for path in place.iterdir() if path.suffix.lower() in _TABLES)

    def named(start: str) -> tuple[Path, ...]:
        return tuple(path for path in files if path.name.lower().startswith(start))

    found = Exchange(named("leads"), named("events"), named("behaviours"))
    missing = [f"{name}*.csv" for name in ("leads", "events") if not getattr(found, name)]
    if missing:
        raise FileUnreadable(
            f"The folder {place.name} holds no {' and no '.join(missing)}; found "
            f"{shorten(path.name for path in files) or 'nothing'}. "
            "docs/guide/retrain.md says what belongs there."
        )
    return found


def read_exchange(
    exchange: Exchange,
    definition: LeadDefinition,
    *,
    use_good_rows: bool = False,
    today: date | None = None,
) -> LeadHistory:
    """Read and check the files as any export is; each lead as it was known at arrival.

    Raises
    ------
    LeadQualityError
        As `features.leads.read_history`.
    """
    # A service in which no lead has done anything yet exports a heading alone.
    told = tuple(path for path in exchange.behaviours if not _is_heading_alone(path))
    exchange = exchange._replace(behaviours=told)
    with _first_inputs(exchange.leads) as (leads, columns):
        source_map = _source_map(exchange, leads, columns, definition)
        return read_history(
            [leads, *exchange.events, *exchange.behaviours],
            definition,
            source_map,
            use_good_rows=use_good_rows,
            today=today,
            unwrap=unguarded,
        )


def _is_heading_alone(path: Path) -> bool:
    if path.suffix.lower() != ".csv":
        return False
    with path.open("rb") as file:
        next(file, None)
        return not any(line.strip() for line in file)


@contextmanager
def _first_inputs(files: Sequence[Path]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield one table with the first recorded input of every lead, and its columns.

    A single file that names no lead twice is read as it is, so that findings name its own rows.
    """
    tables = [read_table(path).cells for path in files]
    columns = tuple(dict.fromkeys(str(name) for table in tables for name in table.columns))
    lacking = [name for name in ("lead_id", "as_of") if name not in columns]
    if lacking:
        raise FileUnreadable(
            f"{shorten(path.name for path in files)}: no column {' and no column '.join(lacking)}. "
            "Recorded inputs have lead_id, as_of and a column for each field."
        )
    together = pd.concat(tables, ignore_index=True)
    ids = together["lead_id"].map(_id_key)
    if len(tables) == 1 and not ids.duplicated().any():
        yield files[0], columns
        return
    moments = pd.to_datetime(together["as_of"], utc=True, errors="coerce", format="ISO8601")
    # A time that cannot be read sorts last and is reported by the reader, if it is the only one.
    order = moments.argsort(kind="stable")
    first = together.iloc[order[~ids.iloc[order].duplicated().to_numpy()]]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "leads_first_inputs.csv"
        first.to_csv(path, index=False, encoding="utf-8")
        yield path, columns


def _id_key(written: str) -> str:
    """Return the form in which ids are compared; one that cannot be read is its own."""
    try:
        return id_key(unguarded(written)) or ""
    except Unreadable:
        return written


def _source_map(
    exchange: Exchange, leads: Path, columns: Sequence[str], definition: LeadDefinition
) -> SourceMap:
    """Return the map of this format: every name is its own."""
    fields = {name: name for name in definition.fields if name in columns}
    times = [name for name, field in definition.usable_fields.items() if field.type == "time"]
    if len(times) == 1 and times[0] not in columns:
        fields[times[0]] = "as_of"  # the one time that every lead has
    return SourceMap(
        mode="history",
        leads=LeadTable(file=leads.name, lead_id="lead_id", arrived_at="as_of", fields=fields),
        events=tuple(
            EventTable(
                file=path.name,
                lead_id="lead_id",
                at="at",
                kind=EventKind(column="kind"),
                reason=ReasonColumn(column="reason"),
                amount="amount",
                actor="actor",
                source="source",
                event_id="event_id",
            )
            for path in exchange.events
        ),
        behaviours=tuple(
            BehaviourTable(
                file=path.name,
                lead_id="lead_id",
                at="at",
                kind=BehaviourKind(column="kind"),
                amount="amount",
            )
            for path in exchange.behaviours
        ),
    )
