"""Fields and scores of the newest leads against those of before: distances, and chance's share.

Each field is asked three things: are its values spread as before (chi-square for categories,
Kolmogorov and Smirnov for numbers), is it as often missing, and does it bring values that hardly
any earlier lead had? Time of arrival is shown and never asked: it says when the window was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.drift_measures import (
    bands_of,
    counts_by_band,
    homogeneity,
    largest_step,
    psi,
    shares,
)
from features.encoder import MISSING, OTHER, Input
from features.scorer import LeadScorer

__all__ = [
    "SMALLEST_CHANGE",
    "Asked",
    "MIN_BEFORE",
    "FieldDrift",
    "Window",
    "adjusted",
    "ask_field",
    "ask_scores",
    "field_drift",
    "settled",
    "spread_of",
    "standing",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

SMALLEST_CHANGE = 0.05
"""A change of less than five leads in a hundred is never an alarm, however sure."""

MIN_BEFORE = 30
"""Leads the window before needs to confirm anything."""

_PERSISTENT = 2.0


@dataclass(frozen=True, eq=False)
class Window:
    """The leads of one span of time, as the model sees them.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Their codes.
    chances : ndarray of float, shape (n_leads,)
        Their chance of a win at the main horizon.
    weeks : float
        Length of the span.
    """

    codes: Codes
    chances: Floats
    weeks: float

    def __len__(self) -> int:
        """Return the number of leads."""
        return len(self.codes)

    def counts(self, position: int, size: int) -> Floats:
        """Return the leads of each code of an input."""
        return np.bincount(self.codes[:, position], minlength=size).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison of two shares of leads.

    Attributes
    ----------
    input : str
        Name of the input; ``score`` for the model's chances.
    measure : {"missing", "unseen", "categories", "numbers", "score"}
        What was compared.
    place : int
        The code (for numbers and scores the first code above the largest gap) that changed most.
    before, now : float
        Share of the leads there (for numbers and scores: from there up), 0 to 1.
    p_value : float
        Chance of such a distance, or a larger one, among leads like those of before.
    """

    input: str
    measure: str
    place: int
    before: float
    now: float
    p_value: float

    @property
    def change(self) -> float:
        """How far the share moved, 0 to 1."""
        return abs(self.now - self.before)


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One input as it is shown.

    Attributes
    ----------
    input, field : str
        The input and the field or behaviour that people know.
    psi : float
        Population stability index over its bands.
    p_value : float or None
        Of its values in this window, alone; None for what is not asked.
    missing_before, missing_now, unseen : float
        Shares of the leads, 0 to 1; `unseen` of those with a value hardly any earlier lead had.
    n : int
        Leads of the window.
    """

    input: str
    field: str
    psi: float
    p_value: float | None
    missing_before: float
    missing_now: float
    unseen: float
    n: int


def field_drift(
    given: Input, position: int, before: Floats, now: Window, asked: Sequence[Asked]
) -> FieldDrift:
    """Return the figures of one input."""
    counts = now.counts(position, given.size)
    bands = bands_of(given, before, len(now))
    told = [one.p_value for one in asked if one.measure in ("categories", "numbers")]
    return FieldDrift(
        input=given.name,
        field=given.field,
        psi=psi(counts_by_band(bands, before), counts_by_band(bands, counts)),
        p_value=told[0] if told else None,
        missing_before=float(shares(before)[MISSING]),
        missing_now=float(shares(counts)[MISSING]),
        unseen=float(shares(counts)[OTHER]) if given.kind == "category" else 0.0,
        n=len(now),
    )


def ask_field(
    given: Input, position: int, before: Floats, now: Window, spread: float, *, is_time: bool
) -> Iterator[Asked]:
    """Ask one input all that can be asked of it.

    Parameters
    ----------
    given, position
        The input and its place.
    before : ndarray of float
        Leads of before, by code.
    now : Window
        The leads to compare.
    spread : float
        How many times as far windows of this size lie apart as chance explains, 1 or more.
    is_time : bool
        Whether it is read off a time, whose values are not asked.
    """
    counts = now.counts(position, given.size)
    yield _share(given.name, "missing", MISSING, before, counts, spread)
    if given.kind == "category":
        yield _share(given.name, "unseen", OTHER, before, counts, spread)
    if is_time:
        return
    if given.kind == "number":
        yield _ordered(given.name, "numbers", before[1:], counts[1:], spread, first=1)
        return
    bands = bands_of(given, before, len(now))
    statistic, freedom = homogeneity(
        counts_by_band(bands, before), counts_by_band(bands, counts)
    )  # fmt: skip
    change = np.abs(shares(counts) - shares(before))
    change[: OTHER + 1] = 0.0  # these two are asked by themselves
    place = int(change.argmax())
    p_value = _chi_square_tail(statistic / spread, freedom)
    yield Asked(
        given.name,
        "categories",
        place,
        float(shares(before)[place]),
        float(shares(counts)[place]),
        p_value,
    )


def ask_scores(scores: Mapping[str, Any], now: Window, spread: float) -> Asked:
    """Ask whether the model's chances are spread as before (``recent["scores"]``)."""
    before = np.asarray(scores["counts"], dtype=np.float64)
    bands = np.searchsorted(np.asarray(scores["edges"]), now.chances, side="right")
    counts = np.bincount(bands, minlength=len(before)).astype(np.float64)
    return _ordered("score", "score", before, counts, spread, first=0)


def settled(now: float, before: float) -> float:
    """Return one chance for two ways to an alarm: one extreme window, or two that agree.

    Two windows that both show a chance of ``p`` do so by accident with ``p²``; having two ways
    costs a factor of two.

    Examples
    --------
    >>> settled(0.001, 1.0), round(settled(0.01, 0.01), 6)
    (0.002, 0.0002)
    """
    return min(1.0, _PERSISTENT * min(now, max(now, before) ** 2))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted chances (S. Holm, Scand. J. Statist. 1979), in the order given.

    Whoever raises an alarm where one of them is below α does so by accident in at most a share α
    of all weeks, however many things are asked and however they hang together.

    Examples
    --------
    >>> adjusted([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    order = np.argsort(p_values, kind="stable")
    answer = np.ones(len(p_values))
    worst = 0.0
    for rank, place in enumerate(order.tolist()):
        worst = max(worst, min(1.0, (len(order) - rank) * p_values[place]))
        answer[place] = worst
    return [float(value) for value in answer]


def standing(
    scorer: LeadScorer, recent: Mapping[str, Any], now: Window, previous: Window
) -> Iterator[tuple[int, Input, Floats, list[Asked], list[Asked]]]:
    """Give each input with what was asked of this window and of the one before."""
    for position, given in enumerate(scorer.encoder.inputs):
        before = np.asarray(recent["counts"][position], dtype=np.float64)
        field = scorer.definition.fields.get(given.field)
        is_time = field is not None and field.type == "time"
        asked = [
            list(
                ask_field(
                    given,
                    position,
                    before,
                    window,
                    spread_of(recent["spread"][position], recent, window),
                    is_time=is_time,
                )
            )
            for window in (now, previous)
        ]
        yield position, given, before, asked[0], asked[1]


def spread_of(spread: float, recent: Mapping[str, Any], window: Window) -> float:
    """Return the spread for a window of this many leads.

    What moves whole weeks does not shrink with the number of leads, as chance does: a week of twice
    as many leads shows it twice as clearly.
    """
    if not recent.get("week") or window.weeks <= 0:
        return 1.0
    size = len(window) / max(window.weeks, 1.0) / recent["week"]
    return float(1.0 + (spread - 1.0) * size)


def _share(name: str, measure: str, code: int, before: Floats, now: Floats, spread: float) -> Asked:
    from scipy.stats import fisher_exact, norm

    table = [
        [int(before[code]), int(before.sum() - before[code])],
        [int(now[code]), int(now.sum() - now[code])],
    ]
    p_value = float(fisher_exact(table).pvalue) if now.sum() and before.sum() else 1.0
    if spread > 1.0:
        p_value = float(2.0 * norm.sf(norm.isf(min(p_value, 1.0) / 2.0) / np.sqrt(spread)))
    return Asked(
        name, measure, code, float(shares(before)[code]), float(shares(now)[code]), p_value
    )


def _ordered(
    name: str, measure: str, before: Floats, now: Floats, spread: float, *, first: int
) -> Asked:
    """Compare ordered counts; on bands Kolmogorov's law is cautious, never rash."""
    from scipy.stats import kstwobign

    distance, place = largest_step(before, now)
    n_before, n_now = before.sum(), now.sum()
    size = n_before * n_now / (n_before + n_now) if n_before and n_now else 0.0
    return Asked(
        name,
        measure,
        first + place,
        float(shares(before)[place:].sum()),
        float(shares(now)[place:].sum()),
        float(kstwobign.sf(distance * np.sqrt(size / spread))),
    )


def _chi_square_tail(statistic: float, freedom: int) -> float:
    from scipy.stats import chi2

    return float(chi2.sf(statistic, freedom)) if freedom > 0 else 1.0
