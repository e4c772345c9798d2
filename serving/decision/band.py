"""How far the assumed meaning of rejections moves what leads promise: the band of a model.

A served probability stands for leads that sales would accept and for leads that it would turn away.
For the latter the definition assumes shifts in log-odds that nobody has measured yet (the audit
lane will). Here the assumption is exchanged for none at all and for a strong one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from features.definition import LeadDefinition

__all__ = ["STRONG_SHIFT", "ModelBand", "model_band"]

STRONG_SHIFT = -1.5
"""A strong shift, as the model may be wrong about rejections; the other end is 0."""


class ModelBand(NamedTuple):
    """Expected wins if turned-away leads are much worse than assumed, and if no worse at all."""

    low: float
    high: float


def model_band(
    chances: Sequence[tuple[float, float | None]],
    definition: LeadDefinition,
    horizon: int,
    counts: Mapping[str, int],
) -> ModelBand | None:
    """Return the band of the expected wins of some leads.

    Parameters
    ----------
    chances : sequence of (float, float or None)
        Probability of a win, and of acceptance, for each lead.
    horizon : int
        Days of these probabilities, or EVER.
    counts : mapping of str to int
        How often each reason was given of late; without any, all reasons count the same.

    Returns
    -------
    ModelBand or None
        None where nothing is known of acceptance or no reason has an assumed shift: then the
        assumption does not enter.

    Notes
    -----
    With a the chance of being accepted and s the logistic function, the student learnt
    ``p = a T + (1 - a)(m s(logit T + d) + (1 - m) T)``: T is the chance if worked, d the mean
    shift of the reasons that assume one and m their share among rejections. T is found from p,
    then d is exchanged.
    """
    assumed = _assumed(definition, horizon, counts)
    if assumed is None or not chances or any(accepts is None for _, accepts in chances):
        return None
    share, shift = assumed
    low: list[float] = []
    high: list[float] = []
    for chance, accepts in chances:
        moved = share * (1.0 - (accepts or 0.0))
        worked = _if_worked(chance, moved, shift)
        low.append(_mixed(worked, moved, min(STRONG_SHIFT, shift)))
        high.append(_mixed(worked, moved, 0.0))
    return ModelBand(math.fsum(low), math.fsum(high))


def _assumed(
    definition: LeadDefinition, horizon: int, counts: Mapping[str, int]
) -> tuple[float, float] | None:
    """Return the share of rejections whose reason assumes a shift, and the mean shift of those."""
    told = {
        code: counts.get(code, 0)
        for code, reason in definition.reasons.items()
        if reason.kind == "rejection" and reason.conversion != "leave_out"
    }
    if not any(told.values()):
        told = dict.fromkeys(told, 1)
    shifts = {
        code: definition.shift(code, horizon)
        for code in told
        if isinstance(definition.reasons[code].conversion, tuple)
    }
    n = sum(told[code] for code, shift in shifts.items() if shift < 0.0)
    if n == 0:
        return None
    total = sum(told[code] * shift for code, shift in shifts.items())
    return n / sum(told.values()), total / n


def _if_worked(chance: float, moved: float, shift: float) -> float:
    """Return the chance if worked that the mixture of a served chance comes from."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2.0
        if _mixed(middle, moved, shift) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _mixed(worked: float, moved: float, shift: float) -> float:
    odds = worked * math.exp(shift)
    return (1.0 - moved) * worked + moved * odds / (1.0 - worked + odds)
