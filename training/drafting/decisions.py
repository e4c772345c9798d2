"""What became of the leads: statuses, decisions and behaviour, as the source map says them."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.source_map import (
    BehaviourKind,
    BehaviourTable,
    EventKind,
    EventTable,
    Meaning,
    ReasonColumn,
)
from features.text import category_key, parse_boolean
from training.drafting.columns import Column
from training.drafting.headings import find_concept, is_about
from training.drafting.outcomes import names_reason, read_behaviour, read_reason, read_status
from training.drafting.tables import Roles, Table, decided, find_kind, outcome_of_file
from training.drafting.words import ANSWER_HERE

__all__ = [
    "DraftedEvents",
    "Meanings",
    "Reasons",
    "draft_behaviours",
    "draft_events",
    "file_pattern",
    "find_reason",
    "map_reasons",
    "read_meanings",
    "shared_settings",
]

_MOST_REASONS = 60
_DATED = re.compile(r"\d{6,}")


@dataclass(frozen=True)
class Meanings:
    """What the values of a status or kind column are taken to mean.

    Attributes
    ----------
    values : dict of str to Meaning
        By value, most frequent first.
    guessed : tuple of str
        Values that hold a known word without being it: to be checked.
    unknown : tuple of (str, int)
        Values without a meaning, with their rows.
    """

    values: dict[str, Meaning] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Reasons:
    """Where the reason stands, and what its values mean.

    Attributes
    ----------
    column : ReasonColumn
        As the source map holds it.
    guessed : tuple of str
        Values that were mapped by a word in them.
    unknown : tuple of (str, int)
        Values without a code, with their rows.
    """

    column: ReasonColumn
    guessed: tuple[str, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, eq=False)
class DraftedEvents:
    """One table of decisions as the draft reads it."""

    table: Table
    key: Column
    part: EventTable
    meanings: Meanings
    reasons: Reasons | None
    kinds: NDArray[np.object_]
    at: Column | None
    n_times: int


def read_meanings(column: Column, *, is_yes_no: bool = False, is_log: bool = False) -> Meanings:
    """Return what each value of a status or kind column means."""
    values: dict[str, Meaning] = {}
    guessed, unknown = [], []
    rows = dict(zip(column.values, column.counts.tolist(), strict=True))
    for written in column.by_frequency:
        if is_yes_no:
            lost = Meaning(event="lost", reason="lost_other")
            values[written] = Meaning(event="won") if parse_boolean(written) else lost
            continue
        reading = read_status(written, is_log=is_log)
        if reading is None:
            unknown.append((written, rows[written]))
            continue
        values[written] = reading.meaning
        if not reading.is_certain:
            guessed.append(written)
    return Meanings(values, tuple(guessed), tuple(unknown))


def find_reason(columns: Sequence[Column], taken: set[str]) -> Column | None:
    """Return the column that says why, by its heading and by having few values."""
    return next(
        (
            column
            for column in columns
            if is_about(column.name, "reason")
            and column.name not in taken
            and 1 <= len(column.values) <= 10 * _MOST_REASONS
            and column.personal_share == 0
        ),
        None,
    )


def map_reasons(column: Column, kinds: NDArray[np.object_]) -> Reasons | None:
    """Return what the reasons mean beside rejections and losses; None where they are free text.

    Parameters
    ----------
    column : Column
        The column of reasons.
    kinds : numpy.ndarray of object, shape (n_rows,)
        What each row is: ``rejected``, ``lost`` and so on, or None.
    """
    values: dict[str, str] = {}
    guessed, unknown = [], []
    met = 0
    for position, written in enumerate(column.values):
        here = kinds[column.codes == position]
        beside = {kind for kind in ("rejected", "lost") if (here == kind).any()}
        n_rows = int(np.isin(here.astype(str), ["rejected", "lost"]).sum())
        if not beside:
            continue
        met += 1
        readings = [read_reason(written, kind) for kind in sorted(beside)]
        reading = readings[0]
        if len(beside) > 1 or reading is None or reading.reason is None:
            unknown.append((written, n_rows))
        elif not names_reason(written, reading.reason):
            values[written] = reading.reason
            if not reading.is_certain:
                guessed.append(written)
    if not met or met > _MOST_REASONS:
        return None
    return Reasons(
        ReasonColumn(column=column.name, values=values),
        tuple(guessed),
        tuple(sorted(unknown, key=lambda pair: -pair[1])),
    )


def draft_events(roles: Roles, table: Table, key: Column, pattern: str) -> DraftedEvents:
    """Return how a table of decisions is read."""
    kind_column = find_kind(table, decided)
    constant = outcome_of_file(table) if kind_column is None else None
    times = list(table.times)
    at = _time_of_event(times, constant)
    if kind_column is not None:
        meanings = read_meanings(kind_column, is_log=True)
        by_value = {written: meaning.event for written, meaning in meanings.values.items()}
        kinds = kind_column.rows_of(by_value)
        kind = EventKind(
            column=kind_column.name,
            values=meanings.values or {ANSWER_HERE: Meaning(event="open")},
        )
    else:
        meanings = Meanings()
        kinds = np.full(table.n_rows, constant or "won", dtype=object)
        kind = EventKind.model_validate({"constant": constant or "won"})
    taken = {key.name, *(one.name for one in times), *([kind_column.name] if kind_column else [])}
    reason = find_reason(table.columns, taken)
    reasons = None if reason is None else map_reasons(reason, kinds)
    columns = {
        "at": ANSWER_HERE if at is None else at.name,
        "amount": _name(_amount(table, taken)),
        "actor": _name(_handler(table, taken)),
        "source": _name(_system(table, taken)),
        "event_id": _name(_event_id(table, taken)),
    }
    read = [*filter(None, columns.values()), *filter(None, [_name(kind_column)])]
    read += [] if reason is None or reasons is None else [reason.name]
    part = EventTable.model_validate(
        {
            "file": pattern,
            **shared_settings(table, roles.leads, read),
            "lead_id": key.name,
            "kind": kind,
            "reason": None if reasons is None else reasons.column,
            **columns,
        }
    )
    return DraftedEvents(table, key, part, meanings, reasons, kinds, at, len(times))


def draft_behaviours(
    roles: Roles, table: Table, key: Column, pattern: str
) -> tuple[BehaviourTable, tuple[str, ...]]:
    """Return how a table of behaviour is read, and the values that no rule knows."""
    kind_column = find_kind(table, read_behaviour)
    taken = {key.name, *(one.name for one in table.times)}
    unknown: tuple[str, ...] = ()
    if kind_column is None:
        kind = BehaviourKind(constant=read_behaviour(table.path.stem) or "page_view")
    else:
        taken.add(kind_column.name)
        read = {one: read_behaviour(one) for one in kind_column.by_frequency}
        unknown = tuple(one for one, known in read.items() if known is None)
        kind = BehaviourKind(
            column=kind_column.name,
            values={one: known for one, known in read.items() if known is not None},
        )
    amounts = [
        column
        for column in table.columns
        if column.name not in taken
        and column.number_share >= 0.95
        and not is_about(column.name, "id")
    ]
    amounts.sort(key=lambda column: not is_about(column.name, "amount"))
    amount = _name(amounts[0] if amounts else None)
    read_columns = [*filter(None, [kind.column, amount, table.times[0].name])]
    part = BehaviourTable.model_validate(
        {
            "file": pattern,
            **shared_settings(table, roles.leads, read_columns),
            "lead_id": key.name,
            "at": table.times[0].name,
            "kind": kind,
            "amount": amount,
        }
    )
    return part, unknown


def shared_settings(
    table: Table, leads: Table | None, read: Sequence[str] | None = None
) -> dict[str, object]:
    """Return encoding, delimiter, date formats and blanks, where they differ from the leads'.

    `read` names the columns that are read; by default all.
    """
    formats: dict[str, None] = {}
    columns = [column for column in table.columns if read is None or column.name in read]
    for column in columns:
        if column not in table.times:
            continue
        if not column.dates.other:  # else a person must say whether day or month comes first
            formats |= dict.fromkeys(column.dates.formats)
    blanks: dict[str | None, str] = {}
    for column in columns:
        is_typed = column in table.times or column.number_share >= 0.95
        for written in (*column.placeholders, *(column.unsure_placeholders if is_typed else ())):
            blanks.setdefault(category_key(written), written)
    found: dict[str, object] = {
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "date_formats": tuple(formats) or None,
        "blanks": tuple(blanks.values()) or None,
    }
    if leads is None or leads is table:
        return found
    of_leads = shared_settings(leads, None)
    return {key: value for key, value in found.items() if value != of_leads[key]}


def file_pattern(table: Table, tables: Sequence[Table]) -> str:
    """Return a pattern for a file's name in which a date may change, if it fits no other file."""
    general = "*".join(glob.escape(part) for part in _DATED.split(table.name))
    rule = re.compile(".*".join(map(re.escape, _DATED.split(table.name))))
    others = [one for one in tables if one is not table and rule.fullmatch(one.name)]
    return general if not others else glob.escape(table.name)


def _time_of_event(times: Sequence[Column], constant: str | None) -> Column | None:
    def rank(column: Column) -> tuple[bool, bool, int, int]:
        named = constant is not None and is_about(column.name, constant)
        return (named, is_about(column.name, "closed"), column.n_filled, -column.position)

    return max(times, key=rank, default=None)


def _name(column: Column | None) -> str | None:
    return None if column is None else column.name


def _amount(table: Table, taken: set[str]) -> Column | None:
    return next(
        (
            column
            for column in table.columns
            if column.name not in taken
            and column.number_share >= 0.95
            and is_about(column.name, "money")
        ),
        None,
    )


def _handler(table: Table, taken: set[str]) -> Column | None:
    for column in table.columns:
        concept = find_concept(column.name)
        if column.name not in taken and concept is not None and concept.use == "handler":
            return column
    return None


def _system(table: Table, taken: set[str]) -> Column | None:
    return next(
        (
            column
            for column in table.columns
            if column.name not in taken
            and is_about(column.name, "system")
            and 1 <= len(column.values) <= 20
        ),
        None,
    )


def _event_id(table: Table, taken: set[str]) -> Column | None:
    return next(
        (
            column
            for column in table.columns
            if column.name not in taken and column.is_unique and is_about(column.name, "entry_id")
        ),
        None,
    )
