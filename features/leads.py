"""From files to a history that can be trusted, or to every reason why it cannot.

`read_history` is the only door: it reads the tables a source map names, checks them against the
definition, and either returns leads, events and behaviour in one shape or raises with all findings
at once. Nothing is dropped without a finding that counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from features.columns import FindingLog, Sheet
from features.definition import LeadDefinition
from features.errors import FileUnreadable, Finding, shorten
from features.event_tables import (
    BEHAVIOUR_COLUMNS,
    EVENT_COLUMNS,
    Span,
    read_behaviours,
    read_events,
)
from features.lead_table import read_leads
from features.readers import RawTable, read_table
from features.source_map import SourceMap, check_source_map
from features.text import normalise

__all__ = ["LeadHistory", "read_history"]


@dataclass(frozen=True)
class LeadHistory:
    """Leads and what became of them, checked and in one shape.

    Attributes
    ----------
    mode : {"history", "snapshot"}
        Whether outcomes have dates.
    leads : pandas.DataFrame
        ``lead_id`` (object str), ``arrived_at`` (datetime64[us, UTC], NaT when unknown),
        ``sequence`` (int64: the order in the file or of `order_by`); sorted by the last two, index
        0 to n - 1.
    fields : pandas.DataFrame
        Same index; for each mapped field known at arrival its normalised text (str or None). A
        value that its type cannot read is None, and counted in `findings`.
    later : pandas.DataFrame
        Same index; columns known only after hand-off; read apart, never for a model.
    events : pandas.DataFrame
        ``lead_id, at, kind, reason, amount, actor, source, event_id``; `at` is NaT in snapshot
        mode. Sorted by time.
    behaviours : pandas.DataFrame
        ``lead_id, at, kind, amount``, sorted by time.
    findings : tuple of Finding
        Warnings.
    blanks, date_formats : tuple of str
        How the leads table writes "nothing" and times; a model reads later leads in the same way.
    """

    mode: Literal["history", "snapshot"]
    leads: pd.DataFrame
    fields: pd.DataFrame
    later: pd.DataFrame
    events: pd.DataFrame
    behaviours: pd.DataFrame
    findings: tuple[Finding, ...]
    blanks: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()
    memory: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was computed from these tables and is worth keeping (`features.past_leads`): they never
    change once read."""


def read_history(
    paths: Sequence[str | Path],
    definition: LeadDefinition,
    source_map: SourceMap,
    *,
    use_good_rows: bool = False,
    today: date | None = None,
    unwrap: Callable[[str], str] | None = None,
) -> LeadHistory:
    """Read and check an export.

    Parameters
    ----------
    paths : sequence of str or Path
        The files; the source map's `file` patterns say which is which.
    definition : LeadDefinition
        What the fields, reasons and behaviours are.
    source_map : SourceMap
        How the export is read.
    use_good_rows : bool, default=False
        Leave broken rows out with a warning, instead of refusing the files.
    today : date, optional
        Later times are errors; by default the present day in the definition's time zone.
    unwrap : callable, optional
        What each cell is read through, where the writer of the files has marked some.

    Raises
    ------
    SourceMapInvalid
        If the map does not speak the definition's language.
    FileUnreadable
        If a file is missing or not a readable table; all such files are named.
    LeadsRejected
        If rows or columns are wrong; holds every finding.
    """
    check_source_map(source_map, definition)
    zone = definition.zone
    span = Span(today or datetime.now(zone).date(), zone)
    log = FindingLog(use_good_rows)
    raw_leads, raw_events, raw_behaviours = _read_files(paths, source_map, log, unwrap)

    def sheet(raw: RawTable, part: int | None, group: str) -> Sheet:
        layout = source_map.leads if part is None else getattr(source_map, group)[part]
        formats = _first(layout.date_formats, source_map.leads.date_formats)
        blanks = _first(layout.blanks, source_map.leads.blanks)
        return Sheet(raw, log, zone, formats, blanks)

    leads, fields, later, status_events, known = read_leads(
        sheet(raw_leads, None, "leads"), definition, source_map, span
    )
    events = [status_events] + [
        read_events(sheet(raw, part, "events"), source_map.events[part], definition, known, span)
        for part, raw in enumerate(raw_events)
    ]
    behaviours = [
        read_behaviours(
            sheet(raw, part, "behaviours"), source_map.behaviours[part], definition, known, span
        )
        for part, raw in enumerate(raw_behaviours)
    ]
    all_events = _without_repeats(_joined(events, EVENT_COLUMNS), log)
    findings = log.settle()
    return LeadHistory(
        mode=source_map.mode,
        leads=leads,
        fields=fields,
        later=later,
        events=all_events,
        behaviours=_joined(behaviours, BEHAVIOUR_COLUMNS),
        findings=findings,
        blanks=_first(source_map.leads.blanks),
        date_formats=_first(source_map.leads.date_formats),
    )


def _first(*given: tuple[str, ...] | None) -> tuple[str, ...]:
    return next((one for one in given if one is not None), ())


# --- files -------------------------------------------------------------------------------------


def _fits(path: Path, pattern: str | None) -> bool:
    """Whether a file's name fits; macOS decomposes Japanese names, so both are normalised."""
    return pattern is not None and fnmatch(normalise(path.name), normalise(pattern))


def _read_files(
    paths: Sequence[str | Path],
    source_map: SourceMap,
    log: FindingLog,
    unwrap: Callable[[str], str] | None,
) -> tuple[RawTable, list[RawTable], list[RawTable]]:
    files = [Path(path) for path in paths]
    tables = (*source_map.events, *source_map.behaviours)
    claimed = {path for table in tables for path in files if _fits(path, table.file)}
    problems: list[str] = []
    read: list[RawTable] = []
    for table in (source_map.leads, *tables):
        if table.file is None:
            found, wanted = [path for path in files if path not in claimed], "the leads"
        else:
            found = [path for path in files if _fits(path, table.file)]
            wanted = repr(table.file)
        if len(found) != 1:
            names = shorten(path.name for path in found or files) or "none"
            how = f"{len(found)} files match {wanted} ({names})" if found else (
                f"no file matches {wanted}; given: {names}"
            )  # fmt: skip
            problems.append(f"{how}. Give exactly one, or correct `file` in the source map.")
            continue
        try:
            encoding = table.encoding or source_map.leads.encoding
            delimiter = table.delimiter or source_map.leads.delimiter
            raw = read_table(found[0], encoding, delimiter)
            read.append(raw if unwrap is None else replace(raw, cells=raw.cells.map(unwrap)))
            claimed.add(found[0])
        except FileUnreadable as error:
            problems.append(str(error))
    if problems:
        raise FileUnreadable("\n".join(problems))
    if unused := [path.name for path in files if path not in claimed]:
        log.add(
            Finding(
                code="file_not_used",
                message=f"The source map reads no table from {shorten(unused)}.",
                remedy="Leave it out, or add it to the source map.",
                severity="warning",
            )
        )
    split = 1 + len(source_map.events)
    return read[0], read[1:split], read[split:]


# --- events ------------------------------------------------------------------------------------


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    if filled:
        joined = pd.concat(filled, ignore_index=True)
    else:
        joined = pd.DataFrame(columns=list(columns), dtype=object)
    at = pd.to_datetime(joined["at"], utc=True)
    joined["at"] = at.astype("datetime64[us, UTC]")
    joined["amount"] = joined["amount"].astype(float)
    order = joined["at"].argsort(kind="stable") if at.notna().all() else joined.index
    return joined.iloc[order].reset_index(drop=True)


def _without_repeats(events: pd.DataFrame, log: FindingLog) -> pd.DataFrame:
    repeated = events["event_id"].notna() & events["event_id"].duplicated()
    if repeated.any():
        n_rows = int(repeated.sum())
        log.add(
            Finding(
                code="repeated_event_id",
                message=f"{n_rows} event(s) repeat an earlier event id; the first counts.",
                remedy="Nothing to do, if a file was exported twice.",
                n_rows=n_rows,
                severity="warning",
            )
        )
    return events.loc[~repeated].reset_index(drop=True)
