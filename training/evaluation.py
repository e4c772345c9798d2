"""How good the recipe is on leads it has not seen: out of time, beside its baselines.

A model is learnt on a day in the past from what was known then; it is judged on leads that came
after, with what is known today, and through the very methods that serving calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from training.judging import (
    STUDENT,
    TEACHER,
    Judged,
    ResultRow,
    Tell,
    judge_origin,
    judge_snapshot,
)
from training.lineage import calibrated
from training.metrics import reliability_curve
from training.recipe import Recipe
from training.rolling import RollingJudgement, judge_rolling

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = [
    "STUDENT",
    "TEACHER",
    "Backtest",
    "Judged",
    "ResultRow",
    "RollingJudgement",
    "backtest",
    "calibrated",
    "judge_origin",
    "judge_rolling",
    "judge_snapshot",
]


@dataclass(frozen=True, eq=False)
class Backtest:
    """The judgement of one training run.

    Attributes
    ----------
    mode : str
        ``history`` or ``snapshot``.
    cut_off : datetime or None
        Day on which the judged model stood; None in a snapshot.
    n_train, n_test : int
        Leads it had learnt from; worked leads it was judged on.
    rows : tuple of ResultRow
        All models at all horizons; empty where the history is too short to judge anything.
    reliability : list of dict
        Promised against observed at the main horizon, in ten groups.
    shift : float
        Log-odds that the newest leads say should be added.
    note : str
        Why nothing could be judged, or empty.
    """

    mode: str
    cut_off: datetime | None
    n_train: int
    n_test: int
    rows: tuple[ResultRow, ...]
    reliability: list[dict[str, float]]
    shift: float
    note: str = ""

    def row(self, model: str, horizon: int) -> ResultRow | None:
        """Return the figures of a model at a horizon, if they could be told."""
        return next((r for r in self.rows if r.model == model and r.horizon == horizon), None)

    def document(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``; figures that cannot be told are None."""
        return {
            "mode": self.mode,
            "cut_off": None if self.cut_off is None else self.cut_off.isoformat(),
            "n_train": self.n_train,
            "n_test": self.n_test,
            "note": self.note,
            "calibration_shift": self.shift,
            "reliability": self.reliability,
            "results": [
                {
                    "model": row.model,
                    "horizon": row.horizon,
                    **{name: _finite(value) for name, value in row.figures().items()},
                    "against_student": None
                    if row.against_student is None
                    else [_finite(value) for value in row.against_student],
                }
                for row in self.rows
            ],
        }


def backtest(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None,
    recipe: Recipe,
    tell: Tell = lambda _: None,
) -> Backtest:
    """Judge the recipe on the newest leads, and learn from them how to calibrate.

    Parameters
    ----------
    history : LeadHistory
        All leads.
    definition : LeadDefinition
        The agreement.
    as_of : datetime or None
        Today, in history mode.
    recipe : Recipe
        Form of the model.
    tell : callable
        Told each step as it begins.
    """
    try:
        judged = judge_rolling(history, definition, as_of=as_of, recipe=recipe, tell=tell)
    except NotEnoughEvidence as error:
        return Backtest(history.mode, None, 0, 0, (), [], 0.0, str(error))
    return _summary(history.mode, judged)


def _summary(mode: str, judged: RollingJudgement) -> Backtest:
    told = judged.told()
    main = judged.main
    curve = (
        reliability_curve(
            judged.outcome[told, main],
            judged.probabilities[STUDENT][told, main],
            weight=judged.weight[told, main],
        )
        if told.any()
        else ()
    )
    return Backtest(
        mode,
        judged.newest.cut_off,
        int(judged.newest.learned.rows.sum()),
        int(told.sum()),
        tuple(judged.rows()),
        [group._asdict() for group in curve],
        judged.to_add,
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
