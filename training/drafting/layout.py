"""How the files are read: mode, id, arrival, status, decisions and behaviour, and what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.source_map import Meaning, SourceMap
from training.drafting.columns import Column
from training.drafting.decisions import (
    DraftedEvents,
    Reasons,
    draft_behaviours,
    draft_events,
    file_pattern,
    find_reason,
    map_reasons,
    read_meanings,
    shared_settings,
)
from training.drafting.known_outcomes import outcome_of_events, outcome_of_status
from training.drafting.roles import Status, find_arrival, find_id, find_order, find_status
from training.drafting.tables import Roles, Table
from training.drafting.words import ANSWER_HERE, Question, ask, listed, say
from training.leaks.findings import Sentences

__all__ = ["Layout", "draft_layout"]


@dataclass(eq=False)
class Layout:
    """What is known of the files while they are being drafted.

    Attributes
    ----------
    roles : Roles
        Which table is what.
    arrival, lead_id : Column or None
        Of the lead table.
    rest : list of Column
        Columns of the lead table that may be fields.
    outcome, worked : numpy.ndarray of float, shape (n_leads,)
        1, 0, or NaN where it is not told; `worked` is None where nobody tells.
    order : numpy.ndarray of int, shape (n_leads,)
        Rows of the lead table, oldest lead first.
    questions, notes : list
        What is open, and what was decided.
    guessed, unknown : dict of str to list of str
        Values whose meaning was guessed, and those without one, by the path of the source map that
        holds such meanings.
    """

    roles: Roles
    tables: Sequence[Table]
    arrival: Column | None
    lead_id: Column | None
    rest: list[Column] = field(default_factory=list)
    outcome: NDArray[np.float64] = field(default_factory=lambda: np.array([]))
    worked: NDArray[np.float64] | None = None
    order: NDArray[np.intp] = field(default_factory=lambda: np.array([], dtype=np.intp))
    questions: list[Question] = field(default_factory=list)
    notes: list[Sentences] = field(default_factory=list)
    guessed: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    behaviour_kinds: tuple[str, ...] = ()

    def source_map(self, fields: Mapping[str, str]) -> SourceMap:
        """Return the drafted map; `fields` gives each field's column."""
        leads = self.content["leads"]
        ordered = {
            key: leads[key]
            for key in ("file", "encoding", "delimiter", "lead_id", "arrived_at", "order_by",
                        "date_formats", "blanks")
            if leads.get(key) is not None
        }  # fmt: skip
        ordered["fields"] = dict(fields)
        if leads.get("status") is not None:
            ordered["status"] = leads["status"]
        return SourceMap.model_validate(self.content | {"leads": ordered})

    def describe(self, table: Table) -> dict[str, Any]:
        """Return what was found out about one file, as JSON content."""
        part = "unknown"
        if table is self.roles.leads:
            part = "leads"
        elif any(one is table for one, _ in self.roles.decisions):
            part = "events"
        elif any(one is table for one, _ in self.roles.behaviours):
            part = "behaviours"
        return {
            "name": table.name,
            "part": part,
            "rows": table.n_rows,
            "columns": len(table.columns),
            "encoding": table.encoding,
            "delimiter": table.delimiter,
        }


def draft_layout(roles: Roles, tables: Sequence[Table]) -> Layout:
    """Return how the files are read."""
    leads = roles.leads
    made = Layout(roles, tables, find_arrival(leads), find_id(leads, roles.key))
    taken = {column.name for column in (made.arrival, made.lead_id) if column is not None}
    status = find_status(leads, taken, made.arrival) if not roles.decisions else None
    is_history = bool(roles.decisions) or (
        status is not None and status.at is not None and made.lead_id is not None
    )
    made.content = {
        "version": 1,
        "mode": "history" if is_history else "snapshot",
        "leads": dict(shared_settings(leads, None)),
    }
    if len(tables) > 1:
        made.content["leads"]["file"] = file_pattern(leads, tables)
    _name_leads(made, is_history)
    used = _read_status(made, status, is_history)
    if roles.decisions:
        _read_decisions(made)
    _read_behaviours(made, is_history)
    made.questions += [ask("file", file=table.name) for table in roles.unknown]
    not_fields = {column.name for column in (made.lead_id, *used) if column is not None}
    made.rest = [column for column in leads.columns if column.name not in not_fields]
    _ask_about_dates(made)
    return made


def _name_leads(made: Layout, is_history: bool) -> None:
    leads = made.content["leads"]
    n_rows = made.roles.leads.n_rows
    if made.lead_id is not None:
        leads["lead_id"] = made.lead_id.name
        if not made.lead_id.is_unique:
            n_repeats = n_rows - len(made.lead_id.values)
            made.questions.append(ask("repeats", column=made.lead_id.name, n_rows=n_repeats))
    elif is_history:
        leads["lead_id"] = ANSWER_HERE
        made.questions.append(ask("id"))
    made.order = np.arange(n_rows)
    if made.arrival is not None:
        leads["arrived_at"] = made.arrival.name
        made.order = np.argsort(made.arrival.moments, kind="stable")
        return
    if is_history:
        leads["arrived_at"] = ANSWER_HERE
        made.questions.append(ask("arrival"))
        return
    running = find_order(made.roles.leads)
    if running is None:
        leads["order_by"] = ANSWER_HERE
        made.questions.append(ask("order"))
    else:
        leads["order_by"] = running.name
        made.questions.append(ask("rising", column=running.name))
        made.order = np.argsort(running.numbers, kind="stable")


def _read_status(made: Layout, status: Status | None, is_history: bool) -> list[Column]:
    """Put the status into the map; return the columns that it takes."""
    leads = made.content["leads"]
    made.outcome = np.full(made.roles.leads.n_rows, np.nan)
    if made.roles.decisions:
        return []
    if status is None:
        leads["status"] = {"column": ANSWER_HERE, "values": {ANSWER_HERE: "open"}}
        names = [column.name for column in made.roles.leads.columns]
        made.questions.append(ask("status", shown=listed(names)))
        return []
    column = status.column
    meanings = read_meanings(column, is_yes_no=status.is_yes_no)
    kinds = column.rows_of({one: meaning.event for one, meaning in meanings.values.items()})
    taken = {column.name, *([made.lead_id.name] if made.lead_id else [])}
    reason = find_reason(made.roles.leads.columns, taken)
    reasons = None if reason is None else map_reasons(reason, kinds)
    part: dict[str, Any] = {"column": column.name}
    if is_history and status.at is not None:
        part["at"] = status.at.name
    if reasons is not None:
        part["reason"] = reasons.column.model_dump(exclude_defaults=True)
        _note_reasons(made, "leads.status.reason", reasons)
    part["values"] = {
        one: _short(meaning, has_column=reasons is not None)
        for one, meaning in meanings.values.items()
    } or {ANSWER_HERE: "open"}
    leads["status"] = part
    key = "leads.status.values"
    if status.is_yes_no:
        for one, meaning in meanings.values.items():
            if meaning.event == "lost":
                rows = int(column.counts[column.values.index(one)])
                made.questions.append(
                    ask("yes_no", key=key, column=column.name, no=one, n_rows=rows)
                )
    _note_meanings(made, key, column.name, meanings.unknown, meanings.guessed)
    if column.n_blank:
        made.questions.append(ask("blank_statuses", column=column.name, n_rows=column.n_blank))
    if not is_history:
        made.notes.append(say("note_snapshot"))
    made.outcome, made.worked = outcome_of_status(kinds)
    used = [column, *([status.at] if is_history and status.at else [])]
    return [*used, reason] if reasons is not None and reason is not None else used


def _read_decisions(made: Layout) -> None:
    drafted: list[DraftedEvents] = []
    for index, (table, key) in enumerate(made.roles.decisions):
        events = draft_events(made.roles, table, key, file_pattern(table, made.tables))
        drafted.append(events)
        path = f"events.{index}"
        kind = events.part.kind.column or ""
        _note_meanings(
            made, f"{path}.kind.values", kind, events.meanings.unknown, events.meanings.guessed
        )
        if events.reasons is not None:
            _note_reasons(made, f"{path}.reason", events.reasons)
        if events.n_times > 1:
            times = [column.name for column in table.times]
            made.questions.append(
                ask("time_of_event", key=f"{path}.at", file=table.name, shown=listed(times))
            )
        _note_unread(made, table, events.part.model_dump(exclude_none=True))
    made.content["events"] = [_plain(events.part) for events in drafted]
    if made.lead_id is not None:
        made.outcome, made.worked = outcome_of_events(
            made.lead_id, made.arrival, [(one.key, one.kinds, one.at) for one in drafted]
        )


def _read_behaviours(made: Layout, is_history: bool) -> None:
    if not is_history:
        for table, _ in made.roles.behaviours:
            made.questions.append(ask("file", file=table.name))
        return
    parts, kinds = [], dict[str, None]()
    for table, key in made.roles.behaviours:
        part, unknown = draft_behaviours(made.roles, table, key, file_pattern(table, made.tables))
        parts.append(_plain(part))
        kinds |= dict.fromkeys([*part.kind.values.values(), *filter(None, [part.kind.constant])])
        if unknown:
            made.notes.append(say("note_behaviour", file=table.name, shown=listed(unknown)))
    if parts:
        made.content["behaviours"] = parts
    made.behaviour_kinds = tuple(kinds)


def _ask_about_dates(made: Layout) -> None:
    for column in made.roles.leads.times:
        day_first, month_first = column.dates.formats, column.dates.other
        if month_first and day_first:
            made.questions.append(
                ask("dates", column=column.name, day_first=day_first[0], month_first=month_first[0])
            )


def _note_meanings(
    made: Layout,
    key: str,
    column: str,
    unknown: Sequence[tuple[str, int]],
    guessed: Sequence[str],
) -> None:
    if unknown:
        made.questions.append(ask("values", key=key, column=column, shown=_with_rows(unknown)))
        made.unknown[key] = [value for value, _ in unknown]
    if guessed:
        made.questions.append(ask("guesses", key=key, column=column, shown=listed(guessed)))
        made.guessed[key] = list(guessed)


def _note_reasons(made: Layout, key: str, reasons: Reasons) -> None:
    column = reasons.column.column or ""
    if reasons.unknown:
        shown = _with_rows(reasons.unknown)
        made.questions.append(ask("reasons", key=key, column=column, shown=shown))
    if reasons.guessed:
        # The reason stands on one line, and so do its values.
        made.questions.append(ask("guesses", key=key, column=column, shown=listed(reasons.guessed)))


def _with_rows(values: Sequence[tuple[str, int]]) -> Sentences:
    return listed([f"{value[:50]} ({n_rows:,})" for value, n_rows in values])


def _note_unread(made: Layout, table: Table, part: Mapping[str, Any]) -> None:
    used = {str(value) for value in part.values()}
    used |= {str(one.get("column")) for one in part.values() if isinstance(one, dict)}
    unread = [column.name for column in table.columns if column.name not in used]
    if unread:
        made.notes.append(say("note_unread", file=table.name, shown=listed(unread)))


def _short(meaning: Meaning, *, has_column: bool) -> str | dict[str, str]:
    """Return a meaning as a person writes it; a column of reasons says more than a default."""
    is_default = meaning.reason in (None, "no_reason", "lost_other")
    if meaning.reason is None or (has_column and is_default):
        return meaning.event
    return {"event": meaning.event, "reason": meaning.reason}


def _plain(part: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = part.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    values = dumped.get("kind", {}).get("values", {})
    for written, meaning in values.items():
        if isinstance(meaning, dict):
            values[written] = _short(Meaning.model_validate(meaning), has_column=False)
    return dumped
