"""What the feedback changed: new decisions and outcomes, and which reasons and leads they moved.

The model in use and the new one score the same leads. Where their points differ, something was
learnt in between: from new outcomes, from why sales turned leads away, or from another recipe.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.factors import MIN_CASES, shown_value
from features.scorer import POINTS_PER_LOGIT, LeadScorer
from features.terms import Names
from features.wording import value_text
from training.verdicts import standing_events

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["Feedback", "MovedValue", "what_feedback_changed"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]

MOST_VALUES = 10
MIN_POINTS = 0.5
"""A value whose points moved by less is not worth a line."""


@dataclass(frozen=True, slots=True)
class MovedValue:
    """A value of a field, with the points it gave before and gives now, over the same leads."""

    field: str
    value: Names
    before: float
    after: float
    n: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """What came in since the champion was learnt, and what moved.

    Attributes
    ----------
    since : datetime
        Day until which the champion had learnt.
    new_leads, new_wins : int
        Leads and wins recorded after it.
    rejections : mapping of str to int
        Rejections after it by reason, the most frequent first.
    values : tuple of MovedValue
        Values whose points moved most, weighed by how many leads have them.
    raised, lowered, same : int
        Leads whose grade rose, fell or stayed.
    recipe_changed : bool
        The definition or the recipe differs too, so that not all of it is feedback.
    """

    since: datetime
    new_leads: int
    new_wins: int
    rejections: dict[str, int]
    values: tuple[MovedValue, ...]
    raised: int
    lowered: int
    same: int
    recipe_changed: bool

    def document(self) -> dict[str, Any]:
        """Return the content for ``evaluation.json``."""
        return {
            "since": self.since.isoformat(),
            "new": {
                "leads": self.new_leads,
                "won": self.new_wins,
                "rejections": dict(self.rejections),
            },
            "fields": [
                {
                    "field": one.field,
                    "value": one.value.model_dump(),
                    "before": one.before,
                    "after": one.after,
                    "n": one.n,
                }
                for one in self.values
            ],
            "leads": {"up": self.raised, "down": self.lowered, "same": self.same},
            "recipe_changed": self.recipe_changed,
        }


def what_feedback_changed(
    champion: LeadScorer,
    scorer: LeadScorer,
    history: LeadHistory,
    codes: Codes,
    *,
    since: datetime,
    recipe_changed: bool,
) -> Feedback:
    """Return what came in after `since`, and how the two models differ on the same leads.

    Parameters
    ----------
    champion, scorer : LeadScorer
        The model in use and the new one.
    history : LeadHistory
        In history mode; every lead of it is scored by both.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of the same leads by the new model's encoder.
    since : datetime
        Day until which the champion had learnt.
    recipe_changed : bool
        Passed on to the reader.
    """
    old_codes = champion.encoder.encode_history(history)
    raised, lowered, same = _moved_grades(champion, old_codes, scorer, codes)
    arrived = np.asarray(history.leads["arrived_at"] > since)
    # What stands today: a rejection taken back was no feedback.
    events = standing_events(history.events, scorer.definition)
    events = events[np.asarray(events["at"] > since)]
    kinds, reasons = events["kind"].tolist(), events["reason"].tolist()
    told = Counter(
        str(reason) for kind, reason in zip(kinds, reasons, strict=True) if kind == "rejected"
    )
    return Feedback(
        since=since.astimezone(UTC),
        new_leads=int(arrived.sum()),
        new_wins=kinds.count("won"),
        rejections=dict(told.most_common()),
        values=_moved_values(champion, old_codes, scorer, codes),
        raised=raised,
        lowered=lowered,
        same=same,
        recipe_changed=recipe_changed,
    )


def _moved_grades(
    champion: LeadScorer, old_codes: Codes, scorer: LeadScorer, codes: Codes
) -> tuple[int, int, int]:
    """Return how many leads have a higher, a lower and the same grade."""
    before, after = _grades(champion, old_codes), _grades(scorer, codes)
    # Grades read A to D, so a smaller letter is a better one.
    return int((after < before).sum()), int((after > before).sum()), int((after == before).sum())


def _grades(scorer: LeadScorer, codes: Codes) -> NDArray[np.str_]:
    points = POINTS_PER_LOGIT * _contributions(scorer, codes).sum(axis=1)
    grades = scorer.definition.grades
    return np.array([grades.of(float(score)) for score in np.clip(50.0 + points, 0.0, 100.0)])


def _moved_values(
    champion: LeadScorer, old_codes: Codes, scorer: LeadScorer, codes: Codes
) -> tuple[MovedValue, ...]:
    definition = scorer.definition
    places = {given.name: place for place, given in enumerate(champion.encoder.inputs)}
    old = POINTS_PER_LOGIT * _contributions(champion, old_codes)
    new = POINTS_PER_LOGIT * _contributions(scorer, codes)
    found = []
    for place, given in enumerate(scorer.encoder.inputs):
        is_personal = given.field in definition.fields and definition.fields[given.field].personal
        if given.name not in places or is_personal:
            continue
        for band in scorer.reference["inputs"][place]:
            members = (codes[:, place] >= band["from"]) & (codes[:, place] <= band["to"])
            n = int(members.sum())
            if n < MIN_CASES:
                continue
            before = float(old[members, places[given.name]].mean())
            after = float(new[members, place].mean())
            if abs(after - before) >= MIN_POINTS:
                value = _value(scorer, place, band)
                found.append(MovedValue(given.name, value, before, after, n))
    found.sort(key=lambda one: -abs(one.after - one.before) * one.n**0.5)
    return tuple(found[:MOST_VALUES])


def _contributions(scorer: LeadScorer, codes: Codes) -> Floats:
    return scorer.tables.contributions(codes, scorer.main_horizon)


def _value(scorer: LeadScorer, place: int, band: dict[str, Any]) -> Names:
    given = scorer.encoder.inputs[place]
    shown = shown_value(given, int(band["from"]), band)
    ja, en = (value_text(scorer.encoder, given.name, shown, language) for language in ("ja", "en"))
    return Names(ja=ja or "–", en=en or "–")
