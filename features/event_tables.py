"""Sales decisions, outcomes and behaviour, read from their tables into one shape each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.columns import MOST_VALUES_NAMED, Sheet, is_none, objects, shown
from features.definition import LeadDefinition
from features.events import BLANK_REASONS
from features.source_map import BehaviourTable, EventTable, Meaning, ReasonColumn, StatusColumn

__all__ = [
    "BEHAVIOUR_COLUMNS",
    "EVENT_COLUMNS",
    "KnownLeads",
    "Span",
    "read_behaviours",
    "read_events",
    "read_status",
    "read_times",
]

EVENT_COLUMNS = ("lead_id", "at", "kind", "reason", "amount", "actor", "source", "event_id")
BEHAVIOUR_COLUMNS = ("lead_id", "at", "kind", "amount")
_EARLIEST = np.datetime64("1990-01-01", "us")
_TOLERANCE = timedelta(days=7)
_MAP_IT = "Add it to the values in the source map, or correct the cells."


@dataclass(frozen=True)
class Span:
    """The days that a time in a file may fall on: 1990 to the end of `today` in `zone`."""

    today: date
    zone: ZoneInfo

    @property
    def end(self) -> np.datetime64:
        """The first moment that is too late; a day of grace covers other time zones."""
        following = self.today + timedelta(days=2)
        midnight = datetime(following.year, following.month, following.day, tzinfo=self.zone)
        return np.datetime64(midnight.astimezone(UTC).replace(tzinfo=None), "us")


@dataclass(frozen=True)
class KnownLeads:
    """The leads that events may belong to.

    Attributes
    ----------
    ids : pandas.Index
        Distinct lead ids.
    arrived_at : numpy.ndarray of datetime64[us]
        When each of them arrived, in UTC.
    left_out : frozenset of str
        Ids of leads that the file has but that were left out.
    """

    ids: pd.Index
    arrived_at: np.ndarray
    left_out: frozenset[str]


def read_times(sheet: Sheet, column: str, span: Span) -> np.ndarray:
    """Read a column in which every row must have a plausible time; report all that have none."""
    moments, unreadable = sheet.times(column)
    if not sheet.has(column):
        return moments
    sheet.report(
        "unreadable_time",
        unreadable,
        "holds no readable date or time.",
        "Correct the cells, or add a format to `date_formats` in the source map.",
        column,
    )
    sheet.report(
        "blank_time",
        np.isnat(moments) & ~unreadable,
        "is blank; a date or time is needed.",
        "Fill the cells, or leave the rows out.",
        column,
    )
    sheet.report(
        "future_time",
        moments >= span.end,
        f"holds a time after today ({span.today.isoformat()}).",
        "Correct the cells; check day and month in `date_formats`.",
        column,
    )
    sheet.report(
        "ancient_time",
        moments < _EARLIEST,
        "holds a time before 1990.",
        "Correct the cells; a placeholder belongs in `blanks` in the source map.",
        column,
    )
    return moments


def read_events(
    sheet: Sheet, table: EventTable, definition: LeadDefinition, known: KnownLeads, span: Span
) -> pd.DataFrame:
    """Read a table of decisions and outcomes; columns `EVENT_COLUMNS`, in the order of the file."""
    sheet.require(
        column
        for column in (
            *_ids(table.lead_id),
            table.at,
            table.kind.column,
            None if table.reason is None else table.reason.column,
            table.amount,
            table.actor,
            table.source,
            table.event_id,
        )
        if column is not None
    )
    owners, positions, at = _base(sheet, table, known, span)
    at = _not_before_arrival(sheet, at, positions, known, table.at)
    meanings = _meanings(sheet, table)
    events = _events(sheet, owners, at, meanings, table.reason, definition)
    events["amount"] = sheet.numbers(table.amount)
    for name in ("actor", "source", "event_id"):
        column = getattr(table, name)
        events[name] = sheet.keys(column) if column is not None else None
    is_event = np.array([_decides(meaning) for meaning in meanings], dtype=bool)
    return _kept(events, is_event & (positions >= 0) & ~sheet.bad, EVENT_COLUMNS)


def read_status(
    sheet: Sheet,
    status: StatusColumn,
    owners: np.ndarray,
    arrived_at: np.ndarray,
    definition: LeadDefinition,
    span: Span,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Read the status column of the lead table.

    Returns
    -------
    events : pandas.DataFrame
        Columns `EVENT_COLUMNS`, indexed by the row's position; `at` is NaT in snapshot mode.
    is_dropped : numpy.ndarray of bool, shape (n_rows,)
        Rows whose status says to leave the lead out.
    """
    meanings, _ = sheet.look_up(status.column, status.meanings)
    _report_unknown(sheet, status.column, meanings, "status", sorted(status.values))
    decides = np.array([_decides(meaning) for meaning in meanings], dtype=bool)
    at = np.full(len(sheet), np.datetime64("NaT"), dtype="datetime64[us]")
    if status.at is not None and sheet.has(status.at):
        at, unreadable = sheet.times(status.at)
        too_late = f"holds a time after today ({span.today.isoformat()})."
        blank = np.isnat(at) & ~unreadable & decides
        for code, rows, message in (
            ("unreadable_time", unreadable, "holds no readable date or time."),
            ("blank_time", blank, "is blank beside a decided status."),
            ("future_time", at >= span.end, too_late),
        ):
            remedy = "Correct the cells, or `date_formats` in the source map."
            sheet.report(code, rows, message, remedy, status.at)
        known = KnownLeads(pd.Index(np.arange(len(sheet))), arrived_at, frozenset())
        at = _not_before_arrival(sheet, at, np.arange(len(sheet)), known, status.at)
    events = _events(sheet, owners, at, meanings, status.reason, definition)
    events["amount"] = np.nan
    for name in ("actor", "source", "event_id"):
        events[name] = None
    dropped = np.array([m is not None and m.event == "drop" for m in meanings], dtype=bool)
    sheet.report(
        "dropped_status",
        dropped,
        f"the source map leaves these leads out: {shown(sheet.values_of(status.column, dropped))}.",
        "Nothing to do, if that is meant.",
        status.column,
        severity="warning",
    )
    return events.loc[decides & ~sheet.bad, list(EVENT_COLUMNS)], dropped


def read_behaviours(
    sheet: Sheet, table: BehaviourTable, definition: LeadDefinition, known: KnownLeads, span: Span
) -> pd.DataFrame:
    """Read a table of behaviour; columns `BEHAVIOUR_COLUMNS`, in the order of the file."""
    wanted = (*_ids(table.lead_id), table.at, table.kind.column, table.amount)
    sheet.require(column for column in wanted if column is not None)
    owners, positions, at = _base(sheet, table, known, span)
    if table.kind.column is None:
        kinds = np.full(len(sheet), table.kind.constant, dtype=object)
    else:
        kinds, unlisted = sheet.look_up(table.kind.column, table.kind.kinds(definition))
        values = shown(sheet.values_of(table.kind.column, unlisted), MOST_VALUES_NAMED)
        sheet.report(
            "unlisted_behaviour",
            unlisted,
            f"these kinds of behaviour are not listed and are left out: {values}.",
            _MAP_IT,
            table.kind.column,
            severity="warning",
        )
    behaviours = pd.DataFrame({"lead_id": owners, "at": _utc(at), "kind": kinds}, dtype=object)
    behaviours["amount"] = sheet.numbers(table.amount)
    is_kept = np.array([kind is not None and kind != "drop" for kind in kinds], dtype=bool)
    return _kept(behaviours, is_kept & (positions >= 0) & ~sheet.bad, BEHAVIOUR_COLUMNS)


def _ids(written: str | tuple[str, ...]) -> tuple[str, ...]:
    return (written,) if isinstance(written, str) else written


def _base(
    sheet: Sheet, table: EventTable | BehaviourTable, known: KnownLeads, span: Span
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each row's lead id, the lead's position (-1: none), and the time."""
    columns = _ids(table.lead_id)
    owners = sheet.ids(columns)
    is_blank = is_none(owners)
    called = ", ".join(columns)
    if all(sheet.has(column) for column in columns):
        sheet.report(
            "blank_lead_id",
            is_blank,
            "has no lead id.",
            "Fill the cells, or leave the rows out.",
            called,
        )
    positions = known.ids.get_indexer(pd.Index(owners, dtype=object))
    is_left_out = np.array([owner in known.left_out for owner in owners], dtype=bool)
    is_unknown = (positions < 0) & ~is_blank & bool(len(known.ids))
    remedy = "Export both tables for the same leads, or check `lead_id` in the source map."
    for code, rows, message in (
        ("unknown_lead", is_unknown & ~is_left_out, "names leads that the lead table lacks"),
        ("lead_left_out", is_unknown & is_left_out, "names leads that were left out"),
    ):
        left_out = f"{message}; these rows are left out."
        sheet.report(code, rows, left_out, remedy, called, severity="warning")
    return owners, positions, read_times(sheet, table.at, span)


def _not_before_arrival(
    sheet: Sheet, at: np.ndarray, positions: np.ndarray, known: KnownLeads, column: str
) -> np.ndarray:
    """Move times a little before the lead's arrival to it; report both these and the others."""
    arrived = np.full(len(at), np.datetime64("NaT"), dtype="datetime64[us]")
    arrived[positions >= 0] = known.arrived_at[positions[positions >= 0]]
    early = at < arrived
    long_before = early & (arrived - at > np.timedelta64(_TOLERANCE))
    sheet.report(
        "event_long_before_arrival",
        long_before,
        f"is more than {_TOLERANCE.days} days before the lead arrived.",
        "Check day and month in `date_formats`, and that both tables mean the same leads.",
        column,
    )
    sheet.report(
        "event_before_arrival",
        early & ~long_before,
        f"is up to {_TOLERANCE.days} days before the lead arrived; the arrival time is used.",
        "Nothing to do, if the two are recorded in different systems.",
        column,
        severity="warning",
    )
    return np.where(early & ~long_before, arrived, at)


def _meanings(sheet: Sheet, table: EventTable) -> np.ndarray:
    if table.kind.column is None:
        return objects([Meaning.model_validate(table.kind.constant)] * len(sheet))
    meanings, _ = sheet.look_up(table.kind.column, table.kind.meanings)
    _report_unknown(sheet, table.kind.column, meanings, "kind", sorted(table.kind.meanings))
    return meanings


def _report_unknown(
    sheet: Sheet, column: str, meanings: np.ndarray, what: str, expected: Iterable[str]
) -> None:
    if not sheet.has(column):
        return
    blank = is_none(sheet.texts(column))
    unknown = is_none(meanings) & ~blank
    listed = ", ".join(map(repr, expected))
    values = shown(sheet.values_of(column, unknown), MOST_VALUES_NAMED)
    sheet.report(
        f"unknown_{what}",
        unknown,
        f"the {what} {values} is not listed; listed are {listed}.",
        _MAP_IT,
        column,
    )
    sheet.report(
        f"blank_{what}",
        blank,
        f"the {what} is blank.",
        "Fill the cells, or leave the rows out.",
        column,
    )


def _decides(meaning: Meaning | None) -> bool:
    return meaning is not None and meaning.event not in ("open", "drop")


def _events(
    sheet: Sheet,
    owners: np.ndarray,
    at: np.ndarray,
    meanings: np.ndarray,
    reason: ReasonColumn | None,
    definition: LeadDefinition,
) -> pd.DataFrame:
    kinds = objects([None if meaning is None else meaning.event for meaning in meanings])
    reasons = objects([None if meaning is None else meaning.reason for meaning in meanings])
    open_rows = ((kinds == "rejected") | (kinds == "lost")) & is_none(reasons)
    if reason is not None and reason.constant is not None:
        reasons[open_rows] = reason.constant
    elif reason is not None and sheet.has(reason.column):
        read = _read_reasons(sheet, str(reason.column), reason, open_rows, definition)
        reasons[open_rows] = read[open_rows]
        taken_back = kinds == "retracted"
        reasons[taken_back] = sheet.keys(str(reason.column))[taken_back]
    _complete_reasons(sheet, kinds, reasons, reason, definition)
    return pd.DataFrame(
        {"lead_id": owners, "at": _utc(at), "kind": kinds, "reason": reasons}, dtype=object
    )


def _read_reasons(
    sheet: Sheet, column: str, reason: ReasonColumn, rows: np.ndarray, definition: LeadDefinition
) -> np.ndarray:
    codes, unlisted = sheet.look_up(column, reason.codes(definition))
    unknown = unlisted & rows
    values = shown(sheet.values_of(column, unknown), MOST_VALUES_NAMED)
    sheet.report(
        "unknown_reason",
        unknown,
        f"the reason {values} is not listed; the definition has {', '.join(definition.reasons)}.",
        "Add it to the reason's values in the source map, or to the definition with a treatment.",
        column,
    )
    return codes


def _complete_reasons(
    sheet: Sheet,
    kinds: np.ndarray,
    reasons: np.ndarray,
    reason: ReasonColumn | None,
    definition: LeadDefinition,
) -> None:
    """Give blank reasons their code, and report reasons that do not go with the kind."""
    column = None if reason is None else reason.column
    is_told = column is None or sheet.has(column)  # else the missing column explains it
    for kind, code in BLANK_REASONS.items():
        blank = (kinds == kind) & is_none(reasons) & ~sheet.bad
        if code in definition.reasons:
            reasons[blank] = code
            message = f"{kind} without a reason; counted as {code!r}."
            remedy, severity = "Record the reason: it decides what is learnt.", "warning"
        else:
            message = f"{kind} without a reason, and the definition has no {code!r}."
            remedy, severity = f"Record the reason, or add {code!r} to the definition.", "error"
        if is_told:
            sheet.report("blank_reason", blank, message, remedy, column, severity=severity)
    losses = {code for code, one in definition.reasons.items() if one.kind == "loss"}
    is_loss = np.array([r in losses for r in reasons], dtype=bool)
    for kind, wrong in (("rejected", is_loss), ("lost", ~is_loss)):
        rows = (kinds == kind) & wrong & ~is_none(reasons)
        codes = ", ".join(sorted({str(r) for r in reasons[rows]}))
        sheet.report(
            "reason_of_other_kind",
            rows,
            f"{kind} with a reason that does not go with it: {codes}.",
            "A loss was worked before it was lost, a rejection was not: correct kind or reason.",
            column,
        )


def _utc(moments: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC")


def _kept(rows: pd.DataFrame, is_kept: np.ndarray, columns: Iterable[str]) -> pd.DataFrame:
    return rows.loc[is_kept, list(columns)]
