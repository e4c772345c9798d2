"""What sales' reasons truly mean: shifts measured on leads worked in spite of their rejection.

The definition assumes a shift for each reason. The audit lane, rejected leads worked at random, is
the only thing that can tell: n of them won, the teacher of accepted leads and the assumed shifts
expected E. The levels of all reasons move together, and each a little by itself, as far as the wins
say; with few wins they stay near what the definition assumes, with none they are that. A reason
that is assumed to say nothing (shift 0) does not move with the others.

All follow-up counts, not only the days up to a horizon. The teacher is put right first for such
leads as the audit lane holds, and what it leaves in doubt is part of the interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.doubt import Doubt, hazards_until, observed_days
from training.metrics import Z95

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.encoder import LeadEncoder
    from training.labels import HistoryLabels
    from training.teacher import HazardTeacher

__all__ = ["ReasonShifts", "ShiftEstimate", "audited_rejections", "estimate_shifts"]

Floats = NDArray[np.float64]

POOLED_SPREAD = 1.0
"""How far all shifts together may lie from what is assumed (standard deviation, log-odds)."""

REASON_SPREAD = 0.4
"""How far each reason may lie from where it would be if only all moved together."""


@dataclass(frozen=True, slots=True)
class ShiftEstimate:
    """One shift in log-odds at the main horizon, with its 95 % interval.

    Attributes
    ----------
    shift, low, high : float
        Most likely value given the audit lane and what was assumed.
    n_audited, n_won : int
        Leads of the audit lane it rests on, and wins among them while they were observed.
    prior : float
        What the definition assumes.
    """

    shift: float
    low: float
    high: float
    n_audited: int
    n_won: int
    prior: float

    @property
    def moved(self) -> float:
        """How far the estimate lies from the assumption."""
        return self.shift - self.prior


@dataclass(frozen=True)
class ReasonShifts:
    """Shifts of all reasons that have one, and of all of them together.

    Attributes
    ----------
    pooled : ShiftEstimate
        The one shift that explains the wins of the whole audit lane; its `prior` is the one shift
        that expects as many wins there as the assumed shifts do.
    by_reason : mapping of str to ShiftEstimate
        By code; the level of the definition's shifts, whose pattern over horizons is kept.
    """

    pooled: ShiftEstimate
    by_reason: Mapping[str, ShiftEstimate]

    def shift(self, definition: LeadDefinition, code: str, horizon: int) -> float:
        """Return the shift to use: the definition's, moved as measured, and never above 0.

        A lead that sales turned away is never taken for better than one that it accepted.
        """
        assumed = definition.shift(code, horizon)
        moved = self.by_reason[code].moved if code in self.by_reason else 0.0
        return min(0.0, assumed + moved) if moved else assumed

    def document(self) -> dict[str, Any]:
        """Return JSON content; `assumed` is the definition's shift at the main horizon."""
        return {
            "pooled": _content(self.pooled),
            "by_reason": {code: _content(one) for code, one in self.by_reason.items()},
        }


def audited_rejections(labels: HistoryLabels) -> NDArray[np.bool_]:
    """Return the leads that sales turned away and that the audit lane worked all the same."""
    return np.asarray(labels.audited & labels.turned_away)


def estimate_shifts(
    teacher: HazardTeacher,
    codes: NDArray[np.int32],
    encoder: LeadEncoder,
    labels: HistoryLabels,
    *,
    rows: NDArray[np.bool_] | None = None,
) -> ReasonShifts | None:
    """Measure the shifts on the audit lane.

    Parameters
    ----------
    teacher : HazardTeacher
        Must not have learnt from `audited_rejections`, or it is measured against itself.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    encoder : LeadEncoder
        What made them. Its definition gives the assumed shift of each reason; reasons that have
        none (``zero``, ``leave_out``) stay as they are.
    labels : HistoryLabels
        Of the same leads.
    rows : ndarray of bool, optional
        Leads to look at; all by default.

    Returns
    -------
    ReasonShifts or None
        None where no lead of the audit lane has been observed, or none was ever accepted.
    """
    definition = encoder.definition
    there = np.ones(len(labels.state), dtype=bool) if rows is None else rows
    shifted = [code for code, why in definition.reasons.items() if type(why.conversion) is tuple]
    known = audited_rejections(labels) & labels.worked & there
    known &= np.isin(labels.reason.astype(str), shifted)
    entry, until, won = observed_days(labels, known, teacher.cuts[-1])
    seen = (until > entry) | won
    if not seen.any() or not (labels.worked & ~labels.turned_away & there).any():
        return None
    known[np.flatnonzero(known)[~seen]] = False
    days, won = np.column_stack([entry, until])[seen], won[seen]

    doubt = Doubt.measure(teacher, codes, encoder, labels, there)
    hazards = hazards_until(teacher, codes[known], days)
    weight = np.maximum(hazards[:, 1] - hazards[:, 0], 0.0)
    level_of_teacher, doubt_of_level = doubt.level(codes[known], weight)
    factor = np.exp(level_of_teacher)
    hazards, weight = factor * hazards, factor * weight

    reasons = labels.reason[known].astype(str)
    assumed = np.empty(days.shape)
    for code in set(reasons.tolist()):
        members = reasons == code
        assumed[members] = _assumed(definition, code, days[members])
    moved = np.exp(assumed) * hazards
    expected = np.maximum(moved[:, 1] - moved[:, 0], 0.0)
    prior = float(np.log(max(expected.sum(), 1e-12) / max(weight.sum(), 1e-12)))
    everyone = np.array([[POOLED_SPREAD**2]])
    level, spread = _most_likely(np.array([won.sum()]), np.array([expected.sum()]), everyone)
    pooled = _estimate(prior, level[0], np.hypot(spread[0], doubt_of_level), won)

    n_won = np.array([won[reasons == code].sum() for code in shifted])
    n_expected = np.array([expected[reasons == code].sum() for code in shifted])
    says = np.array([any(definition.reasons[code].conversion) for code in shifted])
    together = POOLED_SPREAD**2 * np.outer(says, says) + REASON_SPREAD**2 * np.eye(len(says))
    levels, spreads = _most_likely(n_won, n_expected, together)
    spreads = np.hypot(spreads, doubt_of_level)
    return ReasonShifts(
        pooled,
        {
            code: _estimate(
                definition.shift(code, definition.main_horizon),
                levels[place],
                spreads[place],
                won[reasons == code],
            )
            for place, code in enumerate(shifted)
        },
    )


def _assumed(definition: LeadDefinition, code: str, days: Floats) -> Floats:
    """Return the definition's shift at any day: straight between horizons in the log of days."""
    horizons = np.log(np.asarray(definition.horizons, dtype=np.float64))
    shifts = [definition.shift(code, horizon) for horizon in definition.horizons]
    return np.asarray(np.interp(np.log(np.maximum(days, 1e-3)), horizons, shifts))


def _most_likely(n_won: Floats, expected: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return how far each level most likely moved, and its standard deviation (Laplace).

    Maximises ``Σ n·c − E·e^c − ½ c' K⁻¹ c`` over the levels c: wins are Poisson, and before they
    are seen the levels are normal about 0 with covariance K. Found by Newton's method.
    """
    precision = np.linalg.inv(covariance)
    level = np.zeros(len(n_won))
    for _ in range(100):
        wins = expected * np.exp(level)
        move = np.linalg.solve(np.diag(wins) + precision, n_won - wins - precision @ level)
        level = level + np.clip(move, -1.0, 1.0)
        if np.abs(move).max() < 1e-10:
            break
    curvature = np.diag(expected * np.exp(level)) + precision
    return level, np.sqrt(np.diag(np.linalg.inv(curvature)))


def _estimate(prior: float, moved: float, spread: float, won: NDArray[np.bool_]) -> ShiftEstimate:
    reach = Z95 * float(spread)
    shift = prior + float(moved)
    return ShiftEstimate(shift, shift - reach, shift + reach, len(won), int(won.sum()), prior)


def _content(one: ShiftEstimate) -> dict[str, float | int]:
    return {
        "shift": one.shift,
        "low": one.low,
        "high": one.high,
        "n_audited": one.n_audited,
        "n_won": one.n_won,
        "assumed": one.prior,
    }
