"""What sales thinks of leads against what became of them: by channel, by reason, lead by lead.

Counts and rates of recorded scores and events; nobody's name is asked for. A rate of fewer than 30
cases is not shown, only their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from features.factors import MIN_CASES
from features.rates import wilson_interval
from serving.decision.paging import portion
from serving.decision.stories import NO_CHANNEL, NOT_SCORED, Story

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["ALL", "AGES", "disagreements", "reasons_given", "sources"]

AGES = (90, 365)
"""Days after arrival at which it is told what share was won, of leads at least that old."""

ALL = "all"
"""Stands for every channel, or every reason, in a row of totals."""

_OWN_NAMES = {
    ALL: ("全体", "All"),
    NO_CHANNEL: ("不明", "Unknown"),
    NOT_SCORED: ("スコアなし", "Never scored"),
    "missing": ("記載なし", "Not given"),
    "other": ("その他", "Other"),
}


def sources(
    stories: Iterable[Story], definition: LeadDefinition, now: datetime
) -> list[dict[str, Any]]:
    """Return for each channel how sales judges its leads and how they turn out.

    Perceived is the share of decided leads that sales accepted; measured the share won within 90
    and 365 days of arrival among leads that sales worked and that are at least so old. All channels
    come first, then the largest.
    """
    by_channel: dict[str, list[Story]] = {ALL: []}
    for one in stories:
        if one.is_lead and one.channel != NOT_SCORED:
            by_channel[ALL].append(one)
            by_channel.setdefault(one.channel, []).append(one)
    rows = []
    for channel in _largest_first(by_channel):
        own = by_channel[channel]
        decided = [one for one in own if one.decision is not None]
        row = _named("channel", channel, definition) | {"n_leads": len(own)}
        row |= _rate("accepted", sum(one.decision == "accepted" for one in decided), len(decided))
        for days in AGES:
            old = [
                one
                for one in own
                if one.worked_at is not None and now - one.arrived_at >= timedelta(days=days)
            ]
            row |= _rate(f"won_{days}", sum(_won_within(one, days) for one in old), len(old))
        rows.append(row)
    return rows


def reasons_given(stories: Iterable[Story], definition: LeadDefinition) -> list[dict[str, Any]]:
    """Return how often each reason for turning a lead away was given, and what became of them.

    One row for each channel and reason, and for all channels together. Shares are of the channel's
    rejections.
    """
    turned_away = [one for one in stories if one.reason is not None]
    by_channel: dict[str, list[Story]] = {ALL: turned_away}
    for one in turned_away:
        by_channel.setdefault(one.channel, []).append(one)
    rows = []
    for channel in _largest_first(by_channel):
        own = by_channel[channel]
        for reason, n in sorted(
            Counter(one.reason or "" for one in own).items(), key=lambda pair: (-pair[1], pair[0])
        ):
            given = [one for one in own if one.reason == reason]
            row: dict[str, Any] = {**_named("channel", channel, definition)}
            row |= {**_reason_names(reason, definition), "n": n, "n_of": len(own)}
            if len(own) >= MIN_CASES:
                row["share"] = n / len(own)
            row["n_worked_later"] = sum(one.worked_at is not None for one in given)
            row["n_lost_later"] = sum(
                one.won_at is None and one.lost_at is not None for one in given
            )
            row |= _rate("won_later", sum(one.won_at is not None for one in given), n)
            rows.append(row)
    return rows


def disagreements(
    stories: Sequence[Story],
    definition: LeadDefinition,
    now: datetime,
    limit: int,
    after: str | None,
) -> dict[str, Any]:
    """Return where sales' word and the outcome differ: counts by channel and reason, and the leads.

    *Rejected, then won*: turned away at first, won all the same. *Accepted, then dead*: accepted at
    first, then lost, or not won within 365 days.

    Raises
    ------
    RequestRefused
        If `after` is not a mark of this list.
    """
    counts: list[dict[str, Any]] = []
    leads: list[tuple[str, Story]] = []
    for kind, first in (("rejected_then_won", "rejected"), ("accepted_then_dead", "accepted")):
        own = [one for one in stories if one.is_lead and one.decision == first]
        differing = [one for one in own if _differs(one, now)]
        counts += _cells(kind, own, differing, definition)
        leads += [(kind, one) for one in differing]
    shown, mark = portion(leads, lambda row: (row[0], row[1].lead_id), limit, after)
    answer = {
        "n_differing": len(leads),
        "counts": counts,
        "n": len(shown),
        "leads": [_lead_row(kind, one, definition, now) for kind, one in shown],
    }
    return answer if mark is None else answer | {"next": mark}


def _differs(one: Story, now: datetime) -> bool:
    if one.decision == "rejected":
        return one.won_at is not None
    return one.won_at is None and (one.state == "lost" or _has_fallen_silent(one, now))


def _has_fallen_silent(one: Story, now: datetime) -> bool:
    begun = one.decided_at
    return one.state == "accepted" and begun is not None and now - begun >= timedelta(days=AGES[-1])


def _cells(
    kind: str, own: Sequence[Story], differing: Sequence[Story], definition: LeadDefinition
) -> list[dict[str, Any]]:
    """Count by channel, and by reason, each beside the total; no cell is of both."""
    rows = [_cell(kind, ALL, ALL, len(differing), len(own), definition)] if own else []
    channels = Counter(one.channel for one in own)
    of_channel = Counter(one.channel for one in differing)
    for channel, n in sorted(channels.items(), key=lambda pair: (-pair[1], pair[0])):
        rows.append(_cell(kind, channel, ALL, of_channel[channel], n, definition))
    if kind == "rejected_then_won":
        reasons = Counter(one.reason or "" for one in own)
        of_reason = Counter(one.reason or "" for one in differing)
        for reason, n in sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])):
            rows.append(_cell(kind, ALL, reason, of_reason[reason], n, definition))
        return rows
    # Why accepted leads died is told of the dead alone: the living have no such reason.
    why = Counter(one.lost_reason or _SILENT for one in differing)
    for reason, n in sorted(why.items(), key=lambda pair: (-pair[1], pair[0])):
        rows.append(_cell(kind, ALL, reason, n, len(own), definition))
    return rows


_SILENT = "silent"


def _cell(
    kind: str, channel: str, reason: str, n: int, n_of: int, definition: LeadDefinition
) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind}
    row |= _named("channel", channel, definition) | _reason_names(reason, definition)
    return row | _rate("differing", n, n_of)


def _lead_row(kind: str, one: Story, definition: LeadDefinition, now: datetime) -> dict[str, Any]:
    reason = one.reason if kind == "rejected_then_won" else one.lost_reason
    ended = one.won_at or one.lost_at or now
    return {
        "kind": kind,
        "lead_id": one.lead_id,
        **_named("channel", one.channel, definition),
        **_reason_names(reason or _SILENT, definition),
        "decided_at": _told(one.decided_at or one.arrived_at, definition),
        "ended_at": _told(ended, definition),
    }


def _won_within(one: Story, days: int) -> bool:
    return one.won_at is not None and one.won_at - one.arrived_at <= timedelta(days=days)


def _rate(name: str, n_yes: int, n: int) -> dict[str, Any]:
    """Return a count and, where there are enough cases, its rate with Wilson's interval."""
    told: dict[str, Any] = {f"n_{name}": n_yes, f"n_{name}_of": n}
    if n >= MIN_CASES:
        low, high = wilson_interval(n_yes, n)
        told |= {name: n_yes / n, f"{name}_low": low, f"{name}_high": high}
    return told


def _largest_first(by_channel: dict[str, list[Story]]) -> list[str]:
    return sorted(by_channel, key=lambda name: (name != ALL, -len(by_channel[name]), name))


def _named(what: str, channel: str, definition: LeadDefinition) -> dict[str, str]:
    values = definition.fields[definition.channel_field].values
    if channel in values:
        ja, en = values[channel].ja, values[channel].en
    else:
        ja, en = _OWN_NAMES.get(channel, (channel, channel))
    return {what: channel, f"{what}_ja": ja, f"{what}_en": en}


def _reason_names(code: str, definition: LeadDefinition) -> dict[str, str]:
    reason = definition.reasons.get(code)
    if reason is not None:
        ja, en = reason.names.ja, reason.names.en
    elif code == _SILENT:
        ja, en = f"{AGES[-1]}日以内に動きなし", f"No outcome within {AGES[-1]} days"
    else:
        ja, en = _OWN_NAMES.get(code, (code, code))
    return {"reason": code, "reason_ja": ja, "reason_en": en}


def _told(moment: datetime, definition: LeadDefinition) -> str:
    return moment.astimezone(definition.zone).isoformat()
