"""A file of events, as exports have it: read whole, checked whole, stored once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from features.decoding import decode
from features.errors import FileUnreadable, Finding, LeadsRejected
from features.formulas import unguarded
from features.quantities import parse_number
from features.writing import Unreadable, normalise
from serving.records.events import MOST_EVENTS, AskedEvent, EventService, Fault, faults_of
from serving.store import Events, clashes_of

__all__ = ["ImportedEvents", "import_events"]

_NEEDED = ("lead_id", "at", "kind")
_KNOWN = (*_NEEDED, "event_id", "reason", "amount", "actor", "source", "return_on")
_LONGEST_CELL = 65_536
_MOST_ROWS_NAMED = 20


class ImportedEvents(NamedTuple):
    """What became of a file.

    Attributes
    ----------
    n : int
        Events of the file.
    n_new : int
        Those that were not stored before.
    """

    n: int
    n_new: int


def import_events(path: Path, service: EventService, events: Events, actor: str) -> ImportedEvents:
    """Store the events of a CSV file with the columns of `training.exchange`.

    Everything is checked before anything is stored. An event that is stored already is passed over,
    so a file can be imported again, also after an interruption.

    Raises
    ------
    FileUnreadable
        If it is no such table.
    LeadsRejected
        With every finding, by row; nothing is stored then.
    StoreUnavailable
        If the database does not answer; import the file again.
    """
    numbers, asked, unreadable = _read(path)
    checked, faults = service.check(asked, actor)
    faults += unreadable
    _refuse(path.name, faults, numbers)
    known = events.known(checked)
    new = {one.event_id for one in checked} - known.keys()
    _refuse(path.name, faults_of(clashes_of(checked, known)), numbers)
    for start in range(0, len(checked), MOST_EVENTS):
        (clashes,) = events.add([checked[start : start + MOST_EVENTS]])
        _refuse(path.name, faults_of(clashes), numbers[start:])
    return ImportedEvents(len(checked), len(new))


def _read(path: Path) -> tuple[list[int], list[AskedEvent], list[Fault]]:
    """Return row numbers (the heading is row 1), events, and cells that hold no number."""
    rows = _rows(path)
    _, heading = next(rows, (0, []))
    names = [normalise(name[:1_000]) for name in heading]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise FileUnreadable(
            f"{path.name} has no column {' and no column '.join(missing)}. Expected are "
            f"{', '.join(_KNOWN)}, divided by commas; found {len(names)} column(s)."
        )
    places = {name: names.index(name) for name in _KNOWN if name in names}
    numbers: list[int] = []
    asked: list[AskedEvent] = []
    faults: list[Fault] = []
    for number, cells in rows:
        if len(cells) != len(names):
            raise FileUnreadable(
                f"{path.name}, row {number}: the heading has {len(names)} columns, this row has "
                f"{len(cells)}. Quote cells that hold the delimiter, or export the file again."
            )
        told = {name: unguarded(cells[place]) or None for name, place in places.items()}
        amount = None
        try:
            amount = parse_number(told.pop("amount", None))
        except Unreadable:
            faults.append(Fault(len(asked), "amount", "holds no readable number"))
        numbers.append(number)
        lead_id, at, kind = (told.pop(name) or "" for name in _NEEDED)
        asked.append(AskedEvent(lead_id, at, kind, amount=amount, **told))
    return numbers, asked, faults


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileUnreadable(
            f"{path.name} cannot be opened ({error.strerror or type(error).__name__}). "
            "Expected a CSV file; check the path and the rights."
        ) from error
    text = decode(path.name, content, None)
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cells):
                yield number, cells
    except csv.Error as error:
        raise FileUnreadable(
            f"{path.name} breaks after row {number} ({error}). Correct the row, or export the "
            "file again."
        ) from error


def _refuse(name: str, faults: Sequence[Fault], numbers: Sequence[int]) -> None:
    if faults:
        raise LeadsRejected(_findings(name, faults, numbers))


def _findings(name: str, faults: Sequence[Fault], numbers: Sequence[int]) -> list[Finding]:
    """Gather faults of one kind: what, and in which rows."""
    rows: dict[tuple[str, str], list[int]] = {}
    for fault in faults:
        rows.setdefault((fault.part, fault.words), []).append(numbers[fault.place])
    return [
        Finding(
            code="event_refused",
            message=f"{name}: {part} {words}.",
            remedy="Correct the cells, or leave the rows out. Nothing was stored.",
            column=part,
            rows=tuple(found[:_MOST_ROWS_NAMED]),
            n_rows=len(found),
        )
        for (part, words), found in rows.items()
    ]
