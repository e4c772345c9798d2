"""Which columns of the lead table are its id, its time of arrival, and what became of the lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.text import Unreadable, parse_boolean
from training.drafting.columns import Column
from training.drafting.headings import find_concept, is_about
from training.drafting.outcomes import read_status
from training.drafting.tables import Table

__all__ = ["Status", "find_arrival", "find_id", "find_order", "find_status"]

_MOST_STATUSES = 40
_ENOUGH = 0.99


@dataclass(frozen=True, eq=False)
class Status:
    """The column that says what became of a lead.

    Attributes
    ----------
    column : Column
        The column.
    is_yes_no : bool
        Whether it only says yes or no; then the heading is what it says yes to.
    at : Column or None
        The column with the date of the status, filled wherever something was decided.
    """

    column: Column
    is_yes_no: bool
    at: Column | None = None


def find_id(table: Table, key: Column | None) -> Column | None:
    """Return the column that names a lead: what other tables refer to, else by heading and values.

    A column under a plain heading ("Lead ID") is taken even where rows repeat an id: this is then
    something to be told, not a reason to take another column.
    """
    if key is not None:
        return key
    found: list[tuple[float, Column]] = []
    for column in table.columns:
        if column in table.times or not column.values or column.mean_length > 100:
            continue
        is_named = is_about(column.name, "id") and find_concept(column.name) is None
        about_lead = is_about(column.name, "lead")
        if is_named and (column.is_unique or (about_lead and len(column.values) > 1)):
            score = 2.0 * column.is_unique + 1.5 * about_lead + column.is_digits * 0.1
            score += column.distinct_share
            found.append((score - column.position / 10_000, column))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def find_arrival(table: Table) -> Column | None:
    """Return the time of arrival: a time in every row, by its heading and by coming first."""
    filled = [
        column
        for column in table.times
        if column.n_filled >= _ENOUGH * len(column.codes)
        and (concept := find_concept(column.name), concept is None or concept.use != "personal")[1]
    ]
    found: list[tuple[float, Column]] = []
    for column in filled:
        others = [other for other in table.times if other is not column]
        first = np.mean([_comes_first(column, other) for other in others]) if others else 0.5
        concept = find_concept(column.name)
        later = concept is not None and concept.use == "later"
        later = later or is_about(column.name, "closed")
        score = float(first) + 2 * is_about(column.name, "arrival") - 3 * later
        score += 2 * (concept is not None and concept.code == "arrived_at")
        if score > 0:
            found.append((score - column.position / 10_000, column))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def find_order(table: Table) -> Column | None:
    """Return a column of numbers that may rise from older to newer leads: a running number."""
    return next(
        (
            column
            for column in table.columns
            if column.is_unique and column.is_digits and is_about(column.name, "id")
        ),
        None,
    )


def find_status(table: Table, taken: set[str], arrival: Column | None) -> Status | None:
    """Return the column of outcomes: few values with such words, or yes and no under such one."""
    found: list[tuple[float, Column, bool]] = []
    for column in table.columns:
        if column.name in taken or not 2 <= len(column.values) <= _MOST_STATUSES:
            continue
        if column in table.times or column.personal_share > 0:
            continue
        yes_no = _is_yes_no(column)
        if yes_no:
            if is_about(column.name, "target"):
                found.append((2.5 - column.position / 10_000, column, True))
            continue
        concept = find_concept(column.name)
        if concept is not None and concept.use in ("field", "handler", "personal"):
            continue
        known = column.share(lambda one: read_status(one) is not None)
        readings = [reading for one in column.values if (reading := read_status(one)) is not None]
        wins = any(reading.event == "won" and reading.is_certain for reading in readings)
        ends = {reading.event for reading in readings} & {"won", "lost", "rejected"}
        is_named = is_about(column.name, "status") or is_about(column.name, "target")
        score = 1.5 * wins + 1.5 * is_named + known
        if ends and (wins or is_named) and known >= 0.3 and score >= 2:
            found.append((score - column.position / 10_000, column, False))
    if not found:
        return None
    _, column, yes_no = max(found, key=lambda each: each[0])
    return Status(column, yes_no, _date_of(table, column, yes_no, arrival))


def _is_yes_no(column: Column) -> bool:
    try:
        return {parse_boolean(one) for one in column.values} == {True, False}
    except Unreadable:
        return False


def _comes_first(column: Column, other: Column) -> float:
    both = ~np.isnat(column.moments) & ~np.isnat(other.moments)
    if not both.any():
        return 0.5
    return float((column.moments[both] <= other.moments[both]).mean())


def _date_of(table: Table, status: Column, yes_no: bool, arrival: Column | None) -> Column | None:
    """Return the column with the date of the status, if every decided row has one."""
    if arrival is None:
        return None
    decided = _decided_rows(status, yes_no)
    found: list[tuple[float, Column]] = []
    for column in table.times:
        named = is_about(column.name, "closed") or is_about(column.name, "changed")
        if column is arrival or not named or not decided.any():
            continue
        has_date = ~np.isnat(column.moments)
        before = _comes_first(arrival, column)
        if has_date[decided].all() and before >= _ENOUGH:
            found.append((float(is_about(column.name, "closed")), column))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _decided_rows(status: Column, yes_no: bool) -> NDArray[np.bool_]:
    if yes_no:
        return np.asarray(status.codes >= 0)
    ends = {
        one: True
        for one in status.values
        if (reading := read_status(one)) is None or reading.event not in ("open", "drop")
    }
    return np.array([one is True for one in status.rows_of(ends)], dtype=bool)
