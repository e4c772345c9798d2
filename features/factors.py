"""From contributions to factors: the few a person reads, with what past leads of that kind did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from features.definition import EVER
from features.encoder import MISSING, OTHER, Input
from features.scored import POINTS_PER_LOGIT, Contribution, ScoredLead
from features.scorer import LeadScorer

__all__ = [
    "MIN_CASES",
    "Evidence",
    "Factor",
    "Factors",
    "Shown",
    "Strongest",
    "factor_of",
    "shown_value",
    "strongest",
    "strongest_of_each",
    "top_factors",
]

MIN_CASES = 30
"""Below this many past leads no rate is shown."""

MIN_POINTS = 0.05
"""A field that moves the score by less is not a factor."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it may be shown: a code with its kind, or a range of numbers. Never raw text.

    Attributes
    ----------
    kind : {"missing", "other", "level", "range"}
        `level` has a `code`; `range` has `low` and `high` (None is open).
    """

    kind: str
    code: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What became of past leads with the same value.

    Attributes
    ----------
    rate, overall : float
        Share won (0 to 1) among such leads, and among all.
    n : int
        Number of such leads.
    days : int
        Within so many days; EVER where dates are not known.
    """

    rate: float
    overall: float
    n: int
    days: int


@dataclass(frozen=True, slots=True)
class Factor:
    """One reason for a score.

    Attributes
    ----------
    field, input, group : str
        Field or behaviour as people know it, the input behind (``job_title.rank``), and its group.
    shown : Shown
        The value, fit to be shown.
    logit, points, odds : float
        What it adds, on three scales.
    evidence : Evidence or None
        None when there are too few past cases, or they point the other way.
    is_rare : bool
        Fewer than `MIN_CASES` past leads had this value.
    """

    field: str
    input: str
    group: str
    shown: Shown
    logit: float
    points: float
    odds: float
    evidence: Evidence | None
    is_rare: bool


@dataclass(frozen=True, slots=True)
class Factors:
    """The strongest factors each way, and the points of all others together."""

    positive: tuple[Factor, ...]
    negative: tuple[Factor, ...]
    other_points: float


class Strongest(NamedTuple):
    """Which fields to name, by their places in the definition's order; strongest first."""

    raising: list[int]
    lowering: list[int]
    other_points: float


def strongest(by_field: Sequence[float], n: int) -> Strongest:
    """Return the `n` fields that add most each way, and the points of all others together.

    Of equal ones the first in the definition's order comes first. Fields that add less than a
    twentieth of a point are not named.

    >>> strongest([0.5, -0.2, 0.5, 0.0001], n=1)[:2]
    ([0], [1])
    """
    points = [logit * POINTS_PER_LOGIT for logit in by_field]
    # Sorting is stable, backwards too: of equal ones the first stays first.
    rising = sorted(range(len(points)), key=by_field.__getitem__)[:n]
    falling = sorted(range(len(points)), key=by_field.__getitem__, reverse=True)[:n]
    lowering = [place for place in rising if points[place] <= -MIN_POINTS]
    raising = [place for place in falling if points[place] >= MIN_POINTS]
    for place in raising + lowering:
        points[place] = 0.0
    return Strongest(raising, lowering, math.fsum(points))


def strongest_of_each(many: Sequence[Sequence[float]], n: int) -> list[Strongest]:
    """Return what `strongest` says of each of many leads.

    >>> strongest_of_each([[0.5, -0.2, 0.5, 0.0001]], n=1)[0][:2]
    ([0], [1])
    """
    by_field = np.array(many)
    points = by_field * POINTS_PER_LOGIT
    rising = by_field.argsort(axis=1, kind="stable")[:, :n]
    falling = (-by_field).argsort(axis=1, kind="stable")[:, :n]
    # Those that are named stand at the beginning of each row.
    n_lowering = (np.take_along_axis(points, rising, 1) <= -MIN_POINTS).sum(axis=1).tolist()
    n_raising = (np.take_along_axis(points, falling, 1) >= MIN_POINTS).sum(axis=1).tolist()
    found = []
    for up, n_up, down, n_down, others in zip(
        falling.tolist(), n_raising, rising.tolist(), n_lowering, points.tolist(), strict=True
    ):
        raising, lowering = up[:n_up], down[:n_down]
        for place in raising + lowering:
            others[place] = 0.0
        found.append(Strongest(raising, lowering, math.fsum(others)))
    return found


def top_factors(scorer: LeadScorer, scored: ScoredLead, n: int = 3) -> Factors:
    """Return the `n` strongest factors each way; with `other_points` they add up to the score."""
    found = strongest(scored.by_field, n)
    return Factors(
        tuple(factor_of(scorer, scored.contribution(place)) for place in found.raising),
        tuple(factor_of(scorer, scored.contribution(place)) for place in found.lowering),
        found.other_points,
    )


def shown_value(given: Input, code: int, band: Mapping[str, Any] | None = None) -> Shown:
    """Return how the value behind a code may be shown.

    Parameters
    ----------
    given : Input
        The input.
    code : int
        Its code.
    band : mapping, optional
        The evidence band of a number: its range is shown instead of the single bin's.
    """
    if code == MISSING:
        return Shown("missing")
    if given.kind == "category":
        return Shown("other") if code == OTHER else Shown("level", given.levels[code - OTHER - 1])
    first, last = (int(band["from"]), int(band["to"])) if band else (code, code)
    low, high = given.lows[first - 1], given.highs[last - 1]
    if low == high and last < given.size - 1:
        return Shown("range", low=low, high=high)
    return Shown(
        "range", low=low if first > 1 else None, high=high if last < given.size - 1 else None
    )


def factor_of(scorer: LeadScorer, part: Contribution) -> Factor:
    """Return a contribution as a factor, with what past leads of that kind did."""
    given = scorer.encoder.inputs[part.input]
    band = _band(scorer.reference, part.input, part.code)
    evidence, is_rare = _evidence(scorer.reference, band, part.logit)
    return Factor(
        field=part.field,
        input=given.name,
        group=part.group,
        shown=shown_value(given, part.code, band),
        logit=part.logit,
        points=part.points,
        odds=part.odds,
        evidence=evidence,
        is_rare=is_rare,
    )


def _band(reference: Mapping[str, Any], position: int, code: int) -> Mapping[str, Any] | None:
    bands = reference.get("inputs")
    if not bands:
        return None
    return next((band for band in bands[position] if band["from"] <= code <= band["to"]), None)


def _evidence(
    reference: Mapping[str, Any], band: Mapping[str, Any] | None, logit: float
) -> tuple[Evidence | None, bool]:
    if band is None or band["n"] < MIN_CASES or band["rate"] is None:
        return None, True
    overall = reference["overall"]
    if band["n"] >= overall["n"]:
        return None, False
    if (band["rate"] > overall["rate"]) != (logit > 0):
        return None, False
    return Evidence(
        band["rate"], overall["rate"], int(band["n"]), int(overall.get("days", EVER))
    ), False
