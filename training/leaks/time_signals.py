"""Signals of time: what was written, or counted, after the lead arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.leaks import wording
from training.leaks.columns import FEWEST, Floats, ScanColumn
from training.leaks.findings import LeakFinding

__all__ = ["Times", "compare_exports", "find_time_signals"]

Times = NDArray[np.datetime64]

_DAY = np.timedelta64(1, "D")
_NEAR = 30.0
_EXCESS = 0.05
_SHARE_AFTER = 0.02
_BLOCKS = 20
_BREAK = 0.5
_FEW_CHANGES = 10
_MANY_CHANGES = 0.05


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


def compare_exports(
    earlier: Mapping[str, ScanColumn],
    later: Mapping[str, ScanColumn],
    *,
    earlier_ids: Sequence[object],
    later_ids: Sequence[object],
) -> tuple[LeakFinding, ...]:
    """Find columns whose values change from one export to a later one.

    Parameters
    ----------
    earlier, later : mapping of str to ScanColumn
        The same table on two days.
    earlier_ids, later_ids : sequence of object
        Keys of their rows; rows that both have are compared.

    Returns
    -------
    tuple of LeakFinding
        A leak where one lead in 20 or more changed, a suspect from one in 100 (and 10 leads) on:
        rarer changes are corrections.
    """
    place = {key: row for row, key in enumerate(earlier_ids)}
    both = [(place[key], row) for row, key in enumerate(later_ids) if key in place]
    before, after = np.array(both, dtype=np.int64).reshape(-1, 2).T
    found: list[LeakFinding] = []
    for name, column in later.items():
        if name not in earlier or column.proven or column.later:
            continue
        old, new = earlier[name].values[before], column.values[after]
        same = (old == new) | (~earlier[name].filled[before] & ~column.filled[after])
        n_changed = int((~same).sum())
        if n_changed < max(_FEW_CHANGES, 0.01 * len(both)):
            continue
        evidence: dict[str, float | str] = {"n": float(len(both)), "n_changed": float(n_changed)}
        found.append(
            LeakFinding(
                column.field or name,
                "time_proof",
                "leak" if n_changed >= _MANY_CHANGES * len(both) else "suspect",
                wording.changed(evidence),
                wording.REMEDY,
                evidence,
            )
        )
    return tuple(found)


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


def _break_in_time(name: str, column: ScanColumn) -> Iterator[LeakFinding]:
    """Find one place in the order of arrival where being filled in changes at once."""
    blocks = _filled_by_block(column)
    if blocks is None:
        return
    if (spells := _spells(blocks)) > 2:
        yield _filled_in_spells(name, column, blocks, spells)
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


def _spells(blocks: Floats) -> int:
    """Count the stretches of time in which a column is filled in, or is not, by turns."""
    if float(np.ptp(blocks)) < _BREAK:
        return 1
    low, high = float(blocks.min()), float(blocks.max())
    clear = np.abs(blocks - (low + high) / 2) > (high - low) / 4
    on = blocks[clear] > (low + high) / 2
    return 1 + int((on[1:] != on[:-1]).sum())


def _filled_in_spells(name: str, column: ScanColumn, blocks: Floats, spells: int) -> LeakFinding:
    evidence: dict[str, float | str] = {
        "against": "time",
        "n_spells": float(spells),
        "least": float(blocks.min()),
        "most": float(blocks.max()),
    }
    return LeakFinding(
        column.field or name,
        "missingness",
        "suspect",
        wording.filled_in_spells(evidence),
        wording.REMEDY,
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
