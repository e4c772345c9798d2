"""What a lead costs without HTTP: by look-up, beside LightGBM's own explanation, on one thread.

All figures are processor seconds, taken in turn, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench.subjects import as_input

if TYPE_CHECKING:
    from tests.bench.subjects import Subject

__all__ = ["SIZES", "InProcess", "in_turn", "measure_in_process"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_EXPLAINED = 2_000
"""Rows for LightGBM's own explanation: its cost per row does not depend on their number."""
_RAW = 5_000


@dataclass(frozen=True)
class InProcess:
    """Processor microseconds per lead.

    Attributes
    ----------
    pred_contrib : float
        LightGBM's own explanation of encoded leads, one thread, at the main horizon.
    encoded : dict of int to float
        Contributions by look-up of encoded leads at the main horizon, by number of leads.
    curve : float
        Chances at every horizon on top of that, at the second largest number.
    raw : dict of str to float
        From raw values, by the way in: ``leads`` one after the other, ``columns`` where the scorer
        has that way.
    """

    pred_contrib: float
    encoded: dict[int, float]
    curve: float
    raw: dict[str, float]

    @property
    def growth(self) -> float:
        """Cost per lead at the largest number over that at the smallest."""
        return self.encoded[max(self.encoded)] / self.encoded[min(self.encoded)]

    @property
    def fastest_raw(self) -> float:
        """The cheapest way in for raw leads."""
        return min(self.raw.values())


def in_turn(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median processor seconds of each piece of work, done by turns."""
    for work in works.values():
        work()
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.process_time()
            work()
            spent[name].append(time.process_time() - started)
    return {name: median(seconds) for name, seconds in spent.items()}


def measure_in_process(
    subject: Subject, *, rounds: int = 3, sizes: Sequence[int] = SIZES
) -> InProcess:
    """Measure look-ups, LightGBM's explanation, and raw leads."""
    assert subject.learned.student is not None
    scorer, booster = subject.scorer, subject.learned.student.booster
    main = scorer.main_horizon
    codes = np.array(subject.rows, dtype=np.int32)[:, :-1]
    rows = np.resize(np.array(subject.rows), (_EXPLAINED, len(subject.rows[0])))
    leads = [as_input(lead) for lead in subject.leads[:_RAW]]
    many = {n: np.resize(codes, (n, codes.shape[1])) for n in sizes}
    curve_at = sorted(sizes)[-2] if len(sizes) > 1 else sizes[0]

    def look_up(n: int) -> Callable[[], object]:
        # Small numbers are repeated: the clock of the processor is coarse.
        repeats = max(1, 20_000 // n)
        return lambda: [scorer.tables.contributions(many[n], main) for _ in range(repeats)]

    works: dict[str, Callable[[], object]] = {
        "pred_contrib": lambda: booster.predict(rows, pred_contrib=True, num_threads=1),
        "curve": lambda: scorer.probabilities(many[curve_at]),
        "leads": lambda: scorer.score_many(leads),
    }
    by_columns = _by_columns(scorer, subject.leads[:_RAW])
    if by_columns is not None:
        works["columns"] = by_columns
    works |= {str(n): look_up(n) for n in sizes}
    spent = in_turn(works, rounds)
    return InProcess(
        pred_contrib=spent["pred_contrib"] / len(rows) * 1e6,
        encoded={n: spent[str(n)] / (n * max(1, 20_000 // n)) * 1e6 for n in sizes},
        curve=spent["curve"] / curve_at * 1e6,
        raw={
            name: spent[name] / len(leads) * 1e6 for name in ("leads", "columns") if name in spent
        },
    )


def _by_columns(scorer: Any, leads: Sequence[Mapping[str, Any]]) -> Callable[[], object] | None:
    """Return the work of scoring a table of raw columns, where the scorer offers it."""
    score_columns = getattr(scorer, "score_columns", None)
    if score_columns is None:
        return None
    names = sorted({name for lead in leads for name in lead["fields"]})
    columns = {name: [lead["fields"].get(name) for lead in leads] for name in names}
    as_of = [as_input(lead).as_of for lead in leads]
    acts = [as_input(lead).acts for lead in leads]
    return lambda: score_columns(columns, acts, as_of)
