"""The drift watch: are the newest leads still those that the model learnt from?

Fields and scores of a window (a week by default) are compared with the newest leads the model
learnt from; sales' decisions with those on leads of the same age; wins with the promised ones. The
limits are set so that a company with 500 leads a week hears at most one false alarm in twenty quiet
weeks (measured: `tests.bench.drift_table`), however many fields it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from features.scorer import LeadScorer
from training.drift_fields import (
    MIN_BEFORE,
    SMALLEST_CHANGE,
    Asked,
    FieldDrift,
    Window,
    adjusted,
    ask_scores,
    field_drift,
    settled,
    spread_of,
    standing,
)
from training.drift_outcomes import WINS_DAYS, compare_decisions, compare_wins
from training.drift_words import (
    NOTES,
    Words,
    acceptance_words,
    field_words,
    score_words,
    told_in_full,
    wins_words,
)
from training.labels import label_history
from training.splits import as_of_history
from training.verdicts import since_epoch, to_microseconds

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["FALSE_ALARMS", "DriftAlarm", "DriftWatch", "watch_drift"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

FALSE_ALARMS = 0.002
"""Chance of a false alarm in a quiet week, for each of three watches: fields with scores, sales'
decisions, wins. Together about one in 170 weeks."""

SMALLEST_GAP = 0.10
"""Wins that miss the promised number by less than a tenth are never an alarm."""

_MIN_LEADS = 50
_DAY = 86_400_000_000.0


@dataclass(frozen=True, slots=True)
class DriftAlarm:
    """One thing that changed.

    Attributes
    ----------
    subject : str
        The field or behaviour, or ``score``, ``acceptance``, ``performance``.
    measure : str
        ``missing``, ``unseen``, ``categories``, ``numbers``, ``score``, ``acceptance`` or ``wins``.
    value, limit : float
        Chance that a quiet week raises an alarm as clear as this one, and the limit it lies below.
    before, now : float
        Share of leads (0 to 1) that the words speak of; for wins the expected and the seen number.
    words, remedy : Words
        What changed, and what to do.
    """

    subject: str
    measure: str
    value: float
    limit: float
    before: float
    now: float
    words: Words
    remedy: Words

    def document(self) -> dict[str, Any]:
        """Return JSON content."""
        return {
            "subject": self.subject,
            "measure": self.measure,
            "value": self.value,
            "limit": self.limit,
            "before": self.before,
            "now": self.now,
            "words": dict(self.words),
            "remedy": dict(self.remedy),
        }


@dataclass(frozen=True, eq=False)
class DriftWatch:
    """What the newest leads look like beside those that the model learnt from.

    Attributes
    ----------
    since, until : datetime or None
        The window; None where leads have no dates.
    n : int
        Leads in it.
    alarms : tuple of DriftAlarm
        Fields first, then score, acceptance and wins; empty in a quiet week.
    fields : tuple of FieldDrift
        One for each input.
    score, acceptance, performance : mapping
        Their figures; empty where nothing can be told.
    notes : tuple of Words
        What cannot be told, and why.
    before : mapping
        ``n``, ``since`` and ``until`` of the leads compared with.
    """

    since: datetime | None
    until: datetime | None
    n: int
    alarms: tuple[DriftAlarm, ...]
    fields: tuple[FieldDrift, ...]
    score: Mapping[str, Any]
    acceptance: Mapping[str, Any]
    performance: Mapping[str, Any]
    notes: tuple[Words, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)

    def in_words(self, zone: ZoneInfo, language: str) -> str:
        """Return it in a few lines for people; days are those of the time zone."""
        return told_in_full(self, zone, language)

    def document(self) -> dict[str, Any]:
        """Return JSON content; figures that cannot be told are None or left out."""
        return {
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "n": self.n,
            "before": dict(self.before),
            "alarms": [alarm.document() for alarm in self.alarms],
            "fields": [
                {
                    "field": one.field,
                    "input": one.input,
                    "psi": one.psi,
                    "p_value": one.p_value,
                    "missing_before": one.missing_before,
                    "missing_now": one.missing_now,
                    "unseen": one.unseen,
                    "n": one.n,
                }
                for one in self.fields
            ],
            "score": dict(self.score),
            "acceptance": dict(self.acceptance),
            "performance": dict(self.performance),
            "notes": [dict(note) for note in self.notes],
        }


def watch_drift(
    scorer: LeadScorer,
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None = None,
    since: datetime | None = None,
    window_days: float = 7.0,
    codes: Codes | None = None,
) -> DriftWatch:
    """Compare the newest leads of a history with those that a model learnt from.

    Parameters
    ----------
    scorer : LeadScorer
        The model, with its reference.
    history : LeadHistory
        Leads, old and new; old ones are needed only for wins, which take months.
    definition : LeadDefinition
        What reasons mean.
    as_of : datetime, optional
        The end of the window; the newest arrival or event by default.
    since : datetime, optional
        Its beginning; by default `window_days` before its end. Then an alarm can also come from two
        windows that agree, and acceptance is taken over both.
    window_days : float
        Length of the window in days; whole weeks, else weekdays are mistaken for drift.
    codes : ndarray of int32, optional
        Codes of all leads of `history` by the model's encoder, where they are known already.

    Raises
    ------
    NotEnoughEvidence
        If the model does not keep what the leads it learnt from looked like, or nothing is newer
        than `since`.
    """
    recent, notes = _recent(scorer)
    is_dated = bool(history.leads["arrived_at"].notna().any())
    ages, until = _ages(history, as_of) if is_dated else (np.zeros(len(history.leads)), None)
    span = (
        window_days if since is None or until is None else (until - since).total_seconds() / 86400
    )
    if span <= 0:
        raise NotEnoughEvidence(
            f"No lead or event is newer than {since:%Y-%m-%d %H:%M}. Choose an earlier beginning."
        )
    is_new = (ages >= 0) & (ages < span) if is_dated else np.ones(len(ages), dtype=bool)
    is_previous = (ages >= span) & (ages < 2 * span)
    if codes is None:
        longest = WINS_DAYS + max(scorer.horizons)
        needed = is_new | is_previous | ((ages >= 0) & (ages < longest))
        codes = np.zeros((len(ages), len(scorer.encoder.inputs)), dtype=np.int32)
        codes[needed] = scorer.encoder.encode_history(history, needed)
    now, previous = (_window(scorer, codes[rows], span / 7.0) for rows in (is_new, is_previous))
    if not is_dated:
        notes.append("undated")
    if len(now) < _MIN_LEADS:
        notes.append("few_leads" if len(now) else "no_leads")

    fields, asked = _ask(scorer, recent, now, previous)
    alarms = _field_alarms(scorer, recent, asked, len(now))
    acceptance: dict[str, Any] = {}
    performance: dict[str, Any] = {}
    if until is not None and history.mode == "history":
        if _overlap_days(recent, until - timedelta(days=span)) > 1.0:
            notes.append("learnt_from")
        labels = label_history(history, definition, until)
        reach = span if since is not None else 2 * span
        acceptance = compare_decisions(scorer, recent, codes, labels, reach)
        performance = compare_wins(scorer, recent, codes, labels)
    alarms += _acceptance_alarms(acceptance) + _wins_alarms(scorer, performance)
    if acceptance and acceptance["share_decided"] < 0.5 * acceptance["share_decided_before"]:
        notes.append("slow_decisions")
    notes += ["no_decisions"] * (not acceptance) + ["no_wins"] * (not performance)
    score = [one for one, _ in asked if one.measure == "score" and len(now)]
    return DriftWatch(
        since=None if until is None else until - timedelta(days=span),
        until=until,
        n=len(now),
        alarms=tuple(alarms),
        fields=fields,
        score=_score(scorer, recent, now, score[0]) if score else {},
        acceptance=_with_words(acceptance, acceptance_words),
        performance=_with_words(performance, partial(wins_words, scorer)),
        notes=tuple(NOTES[name] for name in notes),
        before={name: recent[name] for name in ("n", "since", "until")},
    )


# -- what it is compared with ----------------------------------------------------------------------


def _recent(scorer: LeadScorer) -> tuple[Mapping[str, Any], list[str]]:
    """Return the reference; of a model made before there was one, what it keeps of all leads."""
    if "recent" in scorer.reference:
        return scorer.reference["recent"], []
    counts = scorer.reference.get("counts")
    if counts is None:
        raise NotEnoughEvidence(
            "This model does not keep what the leads it learnt from looked like. "
            "Train it again, then watch the new version."
        )
    unknown = dict.fromkeys(("since", "until", "week", "scores", "decisions", "wins"))
    spread = [1.0] * len(counts)
    n = int(sum(counts[0])) if counts else 0
    return unknown | {"n": n, "counts": counts, "spread": spread}, ["old_model"]


def _ages(history: LeadHistory, as_of: datetime | None) -> tuple[Floats, datetime]:
    """Return the age of each lead in days, NaN where it has no date, and the end of the window."""
    arrived = history.leads["arrived_at"]
    until = as_of or as_of_history(history)
    ages = (since_epoch(until) - to_microseconds(arrived)) / _DAY
    return np.where(arrived.notna(), ages, np.nan), until


def _overlap_days(recent: Mapping[str, Any], since: datetime) -> float:
    """Return the days of the window that the model has learnt from; 0 where that is not known."""
    if recent["until"] is None:
        return 0.0
    return (datetime.fromisoformat(recent["until"]) - since) / timedelta(days=1)


def _window(scorer: LeadScorer, codes: Codes, weeks: float) -> Window:
    place = scorer.horizons.index(scorer.main_horizon)
    chances = scorer.probabilities(codes)[:, place] if len(codes) else np.zeros(0)
    return Window(codes, chances, weeks)


# -- fields and scores -----------------------------------------------------------------------------


def _ask(
    scorer: LeadScorer, recent: Mapping[str, Any], now: Window, previous: Window
) -> tuple[tuple[FieldDrift, ...], list[tuple[Asked, float]]]:
    """Return the figures of all inputs, and all that was asked with the chance of both windows."""
    fields: list[FieldDrift] = []
    pairs: list[tuple[Asked, Asked]] = []
    for position, given, before, asked, asked_before in standing(scorer, recent, now, previous):
        fields.append(field_drift(given, position, before, now, asked))
        pairs += zip(asked, asked_before, strict=True)
    if recent["scores"] is not None and recent["scores"]["edges"]:
        spread = recent["scores"]["spread"]
        now_score, score_before = (
            ask_scores(recent["scores"], window, spread_of(spread, recent, window))
            for window in (now, previous)
        )
        pairs.append((now_score, score_before))
    confirms = len(previous) >= MIN_BEFORE
    chances = [settled(one.p_value, before.p_value if confirms else 1.0) for one, before in pairs]
    return tuple(fields), list(zip((one for one, _ in pairs), adjusted(chances), strict=True))


def _field_alarms(
    scorer: LeadScorer, recent: Mapping[str, Any], asked: list[tuple[Asked, float]], n: int
) -> list[DriftAlarm]:
    """Return one alarm for each field that changed, in the clearest words, then the score's."""
    inputs = {given.name: given for given in scorer.encoder.inputs}
    told: dict[str, DriftAlarm] = {}
    order = {"missing": 0, "unseen": 1}
    for one, chance in sorted(asked, key=lambda pair: (order.get(pair[0].measure, 2), pair[1])):
        subject = inputs[one.input].field if one.input in inputs else "score"
        is_fading = one.measure == "unseen" and one.now < one.before
        if chance >= FALSE_ALARMS or one.change < SMALLEST_CHANGE or is_fading or subject in told:
            continue
        if one.measure == "score":
            words = score_words(scorer, recent["scores"]["edges"], one, n)
        else:
            words = field_words(scorer, inputs[one.input], one, n)
        told[subject] = DriftAlarm(
            subject, one.measure, chance, FALSE_ALARMS, one.before, one.now, *words
        )
    return sorted(told.values(), key=lambda alarm: (alarm.subject == "score", alarm.value))


def _score(
    scorer: LeadScorer, recent: Mapping[str, Any], now: Window, asked: Asked
) -> dict[str, Any]:
    edges = recent["scores"]["edges"]
    return {
        "words": dict(score_words(scorer, edges, asked, len(now))[0]),
        "mean_before": recent["scores"]["mean"],
        "mean_now": float(now.chances.mean()),
        "line": edges[asked.place - 1],
        "above_before": asked.before,
        "above_now": asked.now,
        "p_value": asked.p_value,
    }


# -- decisions and wins ----------------------------------------------------------------------------


def _with_words(
    found: Mapping[str, Any], say: Callable[[Mapping[str, Any]], tuple[Words, Words]]
) -> dict[str, Any]:
    return dict(found) | {"words": dict(say(found)[0])} if found else {}


def _acceptance_alarms(found: Mapping[str, Any]) -> list[DriftAlarm]:
    if not found or found["p_value"] >= FALSE_ALARMS:
        return []
    expected, accepted = found["expected"], found["accepted"]
    if abs(accepted - expected) < SMALLEST_CHANGE:
        return []
    words = acceptance_words(found)
    limits = found["p_value"], FALSE_ALARMS
    return [DriftAlarm("acceptance", "acceptance", *limits, expected, accepted, *words)]


def _wins_alarms(scorer: LeadScorer, found: Mapping[str, Any]) -> list[DriftAlarm]:
    if not found or found["p_value"] >= FALSE_ALARMS or abs(found["ratio"][0] - 1) < SMALLEST_GAP:
        return []
    expected, observed = found["expected"], float(found["observed"])
    limits = found["p_value"], FALSE_ALARMS
    words = wins_words(scorer, found)
    return [DriftAlarm("performance", "wins", *limits, expected, observed, *words)]
