"""Signals of time: what was written, or counted, after the lead arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from training.leaks import wording
from training.leaks.columns import FEWEST, Floats, ScanColumn
from training.leaks.findings import LeakFinding

__all__ = ["Times", "find_time_signals"]

Times = NDArray[np.datetime64]

_DAY = np.timedelta64(1, "D")
_SHARE_AFTER = 0.02
_BLOCKS = 20
_BREAK = 0.5


def find_time_signals(
    columns: Mapping[str, ScanColumn], arrived: Times | None, now: np.datetime64 | None
) -> Iterator[LeakFinding]:
    """Yield the findings of time.

    Parameters
    ----------
    columns : mapping of str to ScanColumn
        Rows in order of arrival.
    arrived : ndarray of datetime64, shape (n,), or None
        Times of arrival; None where only the order is known, NaT where one is not.
    now : datetime64 or None
        The moment that the table shows.
    """
    for name, column in columns.items():
        if column.proven:
            continue
        if arrived is not None and now is not None:
            if column.kind == "time":
                yield from _written_later(name, column, arrived, now)
            elif column.kind == "number":
                yield from _counts_to_export(name, column, arrived, now)
        yield from _break_in_time(name, column)


def _written_later(
    name: str, column: ScanColumn, arrived: Times, now: np.datetime64
) -> Iterator[LeakFinding]:
    """Dates after arrival and never after the export day are records; plans run past that day.

    A wish such as "start in spring" lies after the export day for some of the newest leads.
    """
    values = np.asarray(column.values, dtype="datetime64[us]")
    told = ~np.isnat(values) & ~np.isnat(arrived)
    after = told & (values > arrived + _DAY)
    n, n_after = int(told.sum()), int(after.sum())
    if n_after < FEWEST or n_after < _SHARE_AFTER * n:
        return
    ahead = int((values[after] > now + _DAY).sum())
    evidence: dict[str, float | str] = {
        "n": float(n), "n_after": float(n_after), "n_ahead": float(ahead),
    }  # fmt: skip
    is_record = ahead <= 0.002 * n_after
    yield LeakFinding(
        column.field or name,
        "time_proof",
        "leak" if is_record else "note",
        wording.date_after_arrival(evidence) if is_record else wording.planned_date(evidence),
        wording.REMEDY,
        evidence,
    )


def _counts_to_export(
    name: str, column: ScanColumn, arrived: Times, now: np.datetime64
) -> Iterator[LeakFinding]:
    """Find numbers that count days up to the export day: the age of the lead, or little less.

    The share of leads whose number lies within `_NEAR` days below their age is compared with the
    share it would be if the numbers stood beside other leads (all pairs of number and age).
    """
    values = np.asarray(column.values, dtype=np.float64)
    told = ~np.isnan(values) & ~np.isnat(arrived)
    n = int(told.sum())
    if n < FEWEST:
        return
    age = (now - arrived[told]) / _DAY
    number = values[told]
    if float(number.max()) < _NEAR or len(np.unique(number)) < _NEAR:
        return
    near = float(((number <= age + 1) & (number > age - _NEAR)).mean())
    ages = np.sort(age)
    by_chance = float(
        (
            np.searchsorted(ages, number + _NEAR, side="left")
            - np.searchsorted(ages, number - 1, side="left")
        ).mean()
        / n
    )
    spread = np.sqrt(max(by_chance * (1 - by_chance), 1e-9) / n)
    if near >= by_chance + _EXCESS and near >= by_chance + 8 * spread:
        evidence: dict[str, float | str] = {"n": float(n), "share": near, "by_chance": by_chance}
        yield LeakFinding(
            column.field or name,
            "time_proof",
            "leak" if near >= 0.5 and by_chance <= 0.2 else "suspect",
            wording.counts_to_export(evidence),
            wording.REMEDY,
            evidence,
        )


_NEAR = 30.0
_EXCESS = 0.05


def _break_in_time(name: str, column: ScanColumn) -> Iterator[LeakFinding]:
    """Find one place in the order of arrival where being filled in changes at once."""
    blocks = _filled_by_block(column)
    if blocks is None:
        return
    best = max(range(1, _BLOCKS), key=lambda cut: abs(_jump(blocks, cut)))
    before, after = float(blocks[:best].mean()), float(blocks[best:].mean())
    within = max(float(np.ptp(blocks[:best])), float(np.ptp(blocks[best:])))
    if abs(after - before) < _BREAK or within > abs(after - before) / 2:
        return
    evidence: dict[str, float | str] = {
        "at_share": best / _BLOCKS, "before": before, "after": after,
    }  # fmt: skip
    yield LeakFinding(
        column.field or name,
        "distribution_break",
        "note",
        wording.distribution_break(evidence),
        wording.REMEDY_BREAK,
        evidence,
    )


def _filled_by_block(column: ScanColumn) -> Floats | None:
    n = len(column.filled)
    if n < _BLOCKS * FEWEST:
        return None
    edges = np.linspace(0, n, _BLOCKS + 1).astype(np.int64)[:-1]
    sizes = np.diff([*edges.tolist(), n])
    return np.asarray(np.add.reduceat(column.filled.astype(float), edges) / sizes)


def _jump(blocks: Floats, cut: int) -> float:
    return float(blocks[cut:].mean() - blocks[:cut].mean())
