"""What a lead costs without HTTP: by look-up, beside LightGBM's own explanation, on one thread.

All figures are processor seconds, taken in turn, so that a busy machine slows both sides alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from tests.bench.subjects import as_input

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.encoder import LeadInput
    from tests.bench.subjects import Subject

__all__ = ["SIZES", "InProcess", "columns_of", "in_turn", "measure_in_process"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_EXPLAINED = 2_000
"""Rows for LightGBM's own explanation: its cost per row does not depend on their number."""


@dataclass(frozen=True)
class InProcess:
    """Processor microseconds per lead.

    Attributes
    ----------
    pred_contrib : float
        LightGBM's own explanation of encoded leads, one thread, at the main horizon.
    contributions : float
        The same by look-up.
    encoded : dict of int to float
        Whole answers for encoded leads, by their number: chances at every horizon, score,
        acceptance and contributions.
    raw : dict of str to float
        Whole answers for raw leads, by the way in: ``columns`` of a table, ``leads`` one by one.
    """

    pred_contrib: float
    contributions: float
    encoded: dict[int, float]
    raw: dict[str, float]

    @property
    def growth(self) -> float:
        """Cost per lead at the largest number over that at the smallest."""
        return self.encoded[max(self.encoded)] / self.encoded[min(self.encoded)]


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
    codes = np.array(subject.rows, dtype=np.int32)[:, :-1]
    rows = np.resize(np.array(subject.rows), (_EXPLAINED, len(subject.rows[0])))
    # Each time other leads: what is remembered of a company's values then helps as it does in life.
    leads = [as_input(lead) for lead in subject.leads]
    n_part = len(leads) // (rounds + 1)
    parts = [leads[k * n_part : (k + 1) * n_part] for k in range(rounds + 1)]
    singly = iter(parts)
    tables = iter([columns_of(scorer.definition, part) for part in parts])
    many = {n: np.resize(codes, (n, codes.shape[1])) for n in sizes}
    middle = many[sorted(sizes)[len(sizes) // 2 - 1]]
    repeats = {n: max(1, 20_000 // n) for n in sizes}  # the clock of the processor is coarse

    def answers(n: int) -> Callable[[], object]:
        return lambda: [scorer.score_codes(many[n]) for _ in range(repeats[n])]

    spent = in_turn(
        {
            "pred_contrib": lambda: booster.predict(rows, pred_contrib=True, num_threads=1),
            "contributions": lambda: scorer.tables.contributions(middle, scorer.main_horizon),
            "columns": lambda: scorer.score_columns(*next(tables)),
            "leads": lambda: scorer.score_many(next(singly)),
        }
        | {str(n): answers(n) for n in sizes},
        rounds,
    )
    return InProcess(
        pred_contrib=spent["pred_contrib"] / len(rows) * 1e6,
        contributions=spent["contributions"] / len(middle) * 1e6,
        encoded={n: spent[str(n)] / (n * repeats[n]) * 1e6 for n in sizes},
        raw={name: spent[name] / n_part * 1e6 for name in ("columns", "leads")},
    )


def columns_of(
    definition: LeadDefinition, leads: Sequence[LeadInput]
) -> tuple[dict[str, list[object]], list[datetime]]:
    """Return leads as a table holds them: a column for each field, what they did as numbers."""
    from features.events import behaviour_values

    names = {name for lead in leads for name in lead.fields}
    columns: dict[str, list[object]] = {
        name: [lead.fields.get(name) for lead in leads] for name in sorted(names)
    }
    counted = [
        behaviour_values(definition.behaviours, lead.acts or (), lead.as_of) for lead in leads
    ]
    columns |= {name: [one.get(name) for one in counted] for name in definition.behaviours}
    return columns, [lead.as_of for lead in leads]
