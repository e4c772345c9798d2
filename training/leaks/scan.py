"""The scan itself: of the columns of a raw table, and of a history before training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from training.labels import HistoryLabels, SnapshotLabels, label_history, label_snapshot
from training.leaks import wording
from training.leaks.answers import accept
from training.leaks.columns import Floats, ScanColumn
from training.leaks.content_signals import find_content_signals, find_outcome_names
from training.leaks.fields import columns_of
from training.leaks.findings import SEVERITIES, LeakFinding, LeakScan
from training.leaks.outcome_signals import PURE, Contrast, find_outcome_signals, look, relation
from training.leaks.time_signals import Times, find_time_signals

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = ["scan_columns", "scan_history"]


def scan_columns(
    columns: Mapping[str, ScanColumn],
    outcome: Floats,
    *,
    arrived: Times | None = None,
    now: np.datetime64 | None = None,
    handling: Mapping[str, Floats] | None = None,
    channel: str = "",
) -> tuple[LeakFinding, ...]:
    """Look for columns that know what nobody can know when a lead arrives.

    Parameters
    ----------
    columns : mapping of str to ScanColumn
        By name; rows in order of arrival.
    outcome : ndarray of float, shape (n,)
        1 won, 0 not won, NaN where it is not told yet.
    arrived : ndarray of datetime64, shape (n,), optional
        Times of arrival (UTC); NaT where one is not known.
    now : datetime64, optional
        The moment that the table shows (UTC): the day of the export.
    handling : mapping of str to ndarray of float, optional
        What sales did, known later too: ``worked`` and ``touched``, each 1, 0 or NaN.
    channel : str
        The field that names the channel, where it is known to be set at arrival. Channels honestly
        differ much, so what its values tell is a note, unless one nearly always won; and it
        explains which leads are not asked what.

    Returns
    -------
    tuple of LeakFinding
        Worst first; one for each field and signal.
    """
    later = {name: column for name, column in columns.items() if column.later}
    seen = {name: column for name, column in columns.items() if not column.later}
    found = [
        LeakFinding(
            column.field or name,
            "declared_later",
            "note",
            wording.declared_later(),
            wording.REMEDY_NOTHING,
            {"n_filled": float(column.filled.sum())},
        )
        for name, column in later.items()
    ]
    related = dict.fromkeys(seen, 0.0)
    contrasts = [Contrast("won", np.asarray(outcome, dtype=np.float64))]
    contrasts += [Contrast(name, told) for name, told in (handling or {}).items()]
    for contrast in contrasts:
        if not contrast.tells_both:
            continue
        knowing = look(seen, contrast, channel=channel)
        found += find_outcome_signals(seen, knowing, channel=channel)
        for name, column in seen.items():
            related[name] = max(related[name], relation(column, contrast))
    found += find_time_signals(seen, arrived, now)
    found += find_outcome_names(seen, related)
    found += find_content_signals(seen)
    return _worst_first(_of_channel(one) if one.field == channel else one for one in found)


def scan_history(
    history: LeadHistory, definition: LeadDefinition, *, as_of: datetime | None
) -> LeakScan:
    """Scan a history as training sees it, and match what the definition accepts.

    The outcome is a win among the leads whose fate is told: won, lost, turned away, or arrived at
    least the main horizon before `as_of`. Who was worked or touched at all is known later too, and
    is looked at beside it.

    Parameters
    ----------
    history : LeadHistory
        All that was read.
    definition : LeadDefinition
        Fields, behaviours and `accepted_findings`.
    as_of : datetime or None
        The cut-off in history mode; None in snapshot mode.
    """
    columns = columns_of(history, definition)
    times = history.leads["arrived_at"]
    arrived = None if times.isna().all() else times.dt.tz_convert(None).to_numpy("datetime64[us]")
    if history.mode == "history" and as_of is not None:
        labels = label_history(history, definition, as_of)
        outcome, handling = _told(labels, definition)
        now: np.datetime64 | None = np.datetime64(as_of.astimezone(UTC).replace(tzinfo=None), "us")
    else:
        outcome, handling = _told_at_once(label_snapshot(history, definition))
        now = None if arrived is None else np.datetime64(np.nanmax(arrived), "us")
    findings = scan_columns(
        columns,
        outcome,
        arrived=arrived,
        now=now,
        handling=handling,
        channel=definition.channel_field,
    )
    return LeakScan(accept(findings, definition.accepted_findings), len(history.leads))


def _told(labels: HistoryLabels, definition: LeadDefinition) -> tuple[Floats, dict[str, Floats]]:
    """Return who won and how leads were handled.

    Of leads younger than the shortest horizon mostly the quick rejections are told; they are left
    out, else what is new this month would look as if it never won.
    """
    won = ~np.isnan(labels.won_days)
    out = np.isin(labels.state, ("not_a_lead", "not_arrived"))
    out |= ~(labels.follow_up_days >= definition.horizons[0])
    is_old = labels.follow_up_days >= definition.main_horizon
    turned_away = np.isin(labels.state, ("rejected", "left_out"))
    told = (won | labels.lost | turned_away | is_old) & ~out
    return np.where(told, won.astype(float), np.nan), _handling(labels.state, out)


def _told_at_once(labels: SnapshotLabels) -> tuple[Floats, dict[str, Floats]]:
    turned_away = np.isin(labels.state, ("rejected", "left_out"))
    outcome = np.where(turned_away, 0.0, labels.outcome)
    out = labels.state == "not_a_lead"
    return outcome, _handling(labels.state, out)


def _handling(state: np.ndarray, out: np.ndarray) -> dict[str, Floats]:
    """Return who was worked, and who was touched at all."""
    worked = np.where(out, np.nan, (state == "worked").astype(float))
    touched = np.where(out, np.nan, (state != "untouched").astype(float))
    return {"worked": worked, "touched": touched}


def _of_channel(finding: LeakFinding) -> LeakFinding:
    """Make a note of how much channels differ, unless the strangest one nearly always won."""
    if finding.signal != "purity" or finding.severity != "suspect":
        return finding
    if finding.evidence["against"] == "won" and float(finding.evidence["rate"]) >= PURE:
        return finding
    return replace(
        finding,
        severity="note",
        what=wording.channels_differ(finding.what),
        remedy=wording.REMEDY_CHANNEL,
    )


def _worst_first(found: Iterable[LeakFinding]) -> tuple[LeakFinding, ...]:
    """Keep the worst finding of each field and signal."""
    ordered = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    kept: dict[tuple[str, str], LeakFinding] = {}
    for finding in ordered:
        kept.setdefault((finding.field, finding.signal), finding)
    return tuple(kept.values())
