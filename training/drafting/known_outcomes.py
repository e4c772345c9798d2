"""What became of each lead, as far as the files tell: what the leak scan is judged against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.drafting.columns import Column

__all__ = ["outcome_of_events", "outcome_of_status"]

_LONG_AGO = np.timedelta64(180, "D")


def outcome_of_status(
    kinds: NDArray[np.object_],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return who was won (1, 0, NaN) and who was worked, from what each lead's status means.

    Parameters
    ----------
    kinds : numpy.ndarray of object, shape (n_rows,)
        ``won``, ``lost``, ``rejected``, ``open`` …, or None.
    """
    won, worked = np.full(len(kinds), np.nan), np.full(len(kinds), np.nan)
    won[kinds == "won"] = 1.0
    won[(kinds == "lost") | (kinds == "rejected")] = 0.0
    worked[(kinds == "won") | (kinds == "lost")] = 1.0
    worked[kinds == "rejected"] = 0.0
    return won, worked if (worked == 0).any() else None


def outcome_of_events(
    lead_id: Column,
    arrival: Column | None,
    tables: Sequence[tuple[Column, NDArray[np.object_], Column | None]],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return who was won (1, 0, NaN) and who was worked, from logs of decisions.

    Where a log holds nothing but wins, a lead of more than 180 days before the newest time counts
    as not won; younger ones are not told yet.

    Parameters
    ----------
    lead_id, arrival : Column
        Of the lead table.
    tables : sequence of (Column, ndarray of object, Column or None)
        For each log its lead ids, what each row is, and its times.
    """
    had: dict[str, set[str]] = {kind: set() for kind in ("won", "lost", "rejected", "worked")}
    newest = [] if arrival is None else [_newest(arrival)]
    for owners, kinds, at in tables:
        ids = owners.texts
        for kind, owned in had.items():
            wanted = ("accepted", "touched", "won", "lost") if kind == "worked" else (kind,)
            owned |= {one for one in ids[np.isin(kinds.astype(str), wanted)] if one is not None}
        newest += [] if at is None else [_newest(at)]
    ids = lead_id.texts
    has = {kind: np.array([one in owned for one in ids], bool) for kind, owned in had.items()}
    won = np.where(has["won"], 1.0, np.nan)
    over = has["lost"] | has["rejected"]
    if not over.any() and arrival is not None:
        over = arrival.moments < max(newest) - _LONG_AGO
    won[over & ~has["won"]] = 0.0
    if not had["rejected"]:
        return won, None
    worked = np.where(has["worked"], 1.0, np.where(has["rejected"], 0.0, np.nan))
    return won, worked


def _newest(column: Column) -> np.datetime64:
    told = column.moments[~np.isnat(column.moments)]
    return np.datetime64(told.max() if len(told) else "1970-01-01", "us")
