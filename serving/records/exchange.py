"""The files that training reads: recorded inputs, events and behaviour, as CSV.

Each function gives the file as pieces of text, page by page, so that no export is ever held whole.
What stands in a cell is written so that no spreadsheet computes it (`features.formulas`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from features.definition import LeadDefinition
from features.errors import FileUnreadable
from features.formulas import guarded
from features.readers import cell_text
from features.stand_ins import STOOD_IN
from features.writing import normalise
from serving.decision.audit import Draw, audit_work
from serving.decision.line import week_of
from serving.store import Event, Exports

__all__ = [
    "BEHAVIOUR_COLUMNS",
    "EVENT_COLUMNS",
    "Exported",
    "behaviour_rows",
    "event_rows",
    "export_folder",
    "lead_rows",
    "written",
]

EVENT_COLUMNS = (
    "lead_id", "at", "kind", "reason", "amount", "actor", "source", "event_id", "return_on",
)  # fmt: skip
"""As `training.exchange` reads them; `return_on` it passes over, importing does not."""

BEHAVIOUR_COLUMNS = ("lead_id", "at", "kind", "amount")
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_MARK = "\ufeff"  # without it, Excel reads Japanese in another encoding

Rows = Iterator[Sequence[object]]


class Exported(NamedTuple):
    """How many rows each file got."""

    leads: int
    events: int
    behaviours: int


def lead_rows(exports: Exports, definition: LeadDefinition) -> Rows:
    """Give the heading and a row for each recorded score: the fields as they were known then.

    A personal field has stand-ins (`features.stand_ins`), or no column: its values are never
    recorded. Left out are leads whose id or time training could not read.
    """
    names = [
        name
        for name, field in definition.usable_fields.items()
        if not field.personal or field.type in STOOD_IN
    ]
    yield ("lead_id", "as_of", *names)
    for page in exports.inputs():
        for lead_id, as_of, inputs in page:
            if as_of >= _EARLIEST and normalise(lead_id):
                fields = inputs.get("fields", {}) | inputs.get("stand_ins", {})
                yield (lead_id, _moment(as_of), *(fields.get(name) for name in names))


def behaviour_rows(exports: Exports, definition: LeadDefinition) -> Rows:
    """Give the heading and what leads did: the same act, told with several scores, once."""
    kinds = {behaviour.kind for behaviour in definition.behaviours.values()}
    yield BEHAVIOUR_COLUMNS
    flat = (one for page in exports.inputs() for one in page)
    for lead_id, recorded in groupby(flat, key=lambda one: one.lead_id):
        seen: set[tuple[object, ...]] = set()
        for one in recorded:
            for kind, at, amount in one.inputs.get("events", ()):
                act = (at, kind, amount)
                if kind in kinds and act not in seen and normalise(lead_id):
                    seen.add(act)
                    yield (lead_id, *act)


def event_rows(exports: Exports, zone: ZoneInfo) -> Rows:
    """Give the heading and every event, with the ``audit`` events of leads that were drawn."""
    yield EVENT_COLUMNS
    flat = (one for page in exports.events() for one in page)
    for some in _leads_at_a_time(flat):
        draws: dict[str, list[Draw]] = {}
        for one in exports.drawn([lead_id for lead_id, _ in some]):
            week = week_of(one.recorded_at, zone)
            draw = Draw(one.recorded_at, week, one.probability, one.is_drawn)
            draws.setdefault(one.lead_id, []).append(draw)
        for lead_id, events in some:
            yield from map(_event_row, events)
            work = audit_work(draws.get(lead_id, []), [one.deciding for one in events])
            if work is not None:
                audit = replace(
                    events[0], event_id=_audit_id(lead_id), at=work.at, kind="audit", reason=None,
                    amount=work.share, actor=None, source="lead-serve", return_on=None,
                )  # fmt: skip
                yield _event_row(audit)


def written(rows: Rows, at_once: int = 500) -> Iterator[str]:
    """Give rows as the text of a CSV file, some at a time."""
    page = io.StringIO(newline="")
    writer = csv.writer(page, lineterminator="\r\n")
    page.write(_MARK)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_cell(value) for value in row])
        if number % at_once == 0:
            yield page.getvalue()
            page.seek(0)
            page.truncate()
    yield page.getvalue()


def export_folder(exports: Exports, definition: LeadDefinition, folder: Path) -> Exported:
    """Write leads.csv, events.csv and, where leads did something, behaviours.csv.

    Each file is there whole or not at all; files of an earlier export are replaced.

    Raises
    ------
    FileUnreadable
        If the folder cannot be written.
    StoreUnavailable
        If the database does not answer.
    """
    parts: dict[str, Rows] = {
        "leads": lead_rows(exports, definition),
        "events": event_rows(exports, definition.zone),
        "behaviours": behaviour_rows(exports, definition),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        counts = {name: _save(folder / f"{name}.csv", rows) for name, rows in parts.items()}
        if not counts["behaviours"]:
            (folder / "behaviours.csv").unlink()  # a heading alone would be refused as a table
    except OSError as error:
        raise FileUnreadable(
            f"The export cannot be written to {folder.name} "
            f"({error.strerror or type(error).__name__}). Check the path, the rights and the room."
        ) from error
    return Exported(**counts)


def _save(path: Path, rows: Rows) -> int:
    n_rows = -1

    def counted() -> Rows:
        nonlocal n_rows
        for row in rows:
            n_rows += 1
            yield row

    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        whole = Path(file.name)
        try:
            file.writelines(written(counted()))
            file.flush()
            os.fsync(file.fileno())
            whole.replace(path)
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
    return n_rows


def _leads_at_a_time(
    events: Iterable[Event], n_leads: int = 400
) -> Iterator[list[tuple[str, list[Event]]]]:
    some: list[tuple[str, list[Event]]] = []
    for lead_id, own in groupby(events, key=lambda one: one.lead_id):
        some.append((lead_id, list(own)))
        if len(some) == n_leads:
            yield some
            some = []
    if some:
        yield some


def _event_row(one: Event) -> tuple[object, ...]:
    return (
        one.lead_id, _moment(one.at), one.kind, one.reason, one.amount, one.actor, one.source,
        one.event_id, one.return_on,
    )  # fmt: skip


def _audit_id(lead_id: str) -> str:
    return f"audit-{hashlib.sha256(lead_id.encode()).hexdigest()[:32]}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _cell(value: Any) -> str:
    # Numbers are written from numbers alone; NUL is no text to any reader of CSV.
    return guarded(value.replace("\x00", " ")) if isinstance(value, str) else cell_text(value)
