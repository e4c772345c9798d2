"""Base rates by channel, in the form of a model: what is served when there are too few wins.

Each channel's rate is drawn towards the overall one, as if twenty average leads had come with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from features.tables import AdditiveTables
from training.labels import HistoryLabels, SnapshotLabels
from training.metrics import observed_rate

__all__ = ["base_rate_tables"]

PRIOR_LEADS = 20.0
"""Average leads that each channel starts with."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def base_rate_tables(
    encoder: LeadEncoder,
    codes: NDArray[np.int32],
    labels: HistoryLabels | SnapshotLabels,
    rows: Mask,
    horizons: Sequence[int],
) -> AdditiveTables:
    """Return tables in which only the channel's curve is not flat.

    Parameters
    ----------
    encoder : LeadEncoder
        Its definition names the channel field.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of all leads.
    labels : HistoryLabels or SnapshotLabels
        Of the same leads.
    rows : ndarray of bool
        Leads to count.
    horizons : sequence of int
        Days, ascending; those before the first win are left out.

    Raises
    ------
    NotEnoughEvidence
        If no worked lead has won.
    """
    worked = rows & labels.worked
    overall = _rates(labels, worked, horizons)
    told = [h for h, rate in enumerate(overall) if 0.0 < rate < 1.0]
    if not told:
        raise NotEnoughEvidence(
            f"Of {int(worked.sum())} worked leads none has a recorded win (or all have), so not "
            "even a base rate can be told. Check the status values in the source map."
        )
    channel = _channel(encoder)
    mains: list[tuple[Floats, ...]] = []
    base: list[float] = []
    for h in told:
        curves = [np.zeros(size) for size in encoder.sizes]
        level = _log_odds(overall[h])
        if channel is not None:
            column = codes[:, channel]
            for code in range(encoder.sizes[channel]):
                members = worked & (column == code)
                n = float(members.sum())
                own = _rates(labels, members, [horizons[h]])[0] if n else 0.0
                drawn = (n * own + PRIOR_LEADS * overall[h]) / (n + PRIOR_LEADS)
                curves[channel][code] = _log_odds(drawn) - level
            mean = float(curves[channel][column[rows]].mean())
            curves[channel] -= mean
            level += mean
        base.append(level)
        mains.append(tuple(curves))
    return AdditiveTables(tuple(horizons[h] for h in told), tuple(base), tuple(mains))


def _rates(
    labels: HistoryLabels | SnapshotLabels, chosen: Mask, horizons: Sequence[int]
) -> list[float]:
    if isinstance(labels, SnapshotLabels):
        rate = float((labels.outcome[chosen] == 1.0).mean()) if chosen.any() else 0.0
        return [rate] * len(horizons)
    won = ~np.isnan(labels.won_days[chosen])
    until = labels.until_days[chosen]
    return list(map(float, observed_rate(labels.entry_days[chosen], until, won, horizons)))


def _channel(encoder: LeadEncoder) -> int | None:
    """Return the position of the channel's input, or None where the channel never varied."""
    wanted = encoder.definition.channel_field
    return next((k for k, given in enumerate(encoder.inputs) if given.name == wanted), None)


def _log_odds(rate: float) -> float:
    return float(np.log(rate / (1.0 - rate)))
