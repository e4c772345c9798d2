"""How good the recipe is on leads it has not seen: everything that ``evaluation.json`` says.

Models are learnt on several days in the past from what was known then; each is judged on the leads
that came after it, with what is known today, and through the very methods that serving calls.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from training.accounts import Accounts, keep_accounts
from training.audit_lane import AuditLane, judge_audit_lane
from training.champion import Champion
from training.comparison import ChampionComparison, compare_with_champion
from training.documents import figures_of, finite
from training.gains import Capacity, Gain, gains_table, judge_capacity
from training.judging import STUDENT, TEACHER, Judged, ResultRow, Tell
from training.lineage import calibrated
from training.metrics import ReliabilityBin, evaluate, reliability_curve
from training.recipe import Recipe
from training.rolling import RollingJudgement, judge_rolling
from training.slices import Slice, find_slices
from training.time_curve import CurvePoint, time_curve

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["STUDENT", "TEACHER", "Backtest", "backtest", "calibrated"]


@dataclass(frozen=True, eq=False)
class Backtest:
    """The judgement of one training run.

    Attributes
    ----------
    mode : str
        ``history`` or ``snapshot``.
    recipe : Recipe
        What was judged.
    as_of : datetime or None
        The day on which it was judged; None in a snapshot.
    judgement : RollingJudgement or None
        All cut-offs; None where the history is too short to judge anything.
    rows : tuple of ResultRow
        All models at all horizons.
    reliability : tuple of ReliabilityBin
        Promised against observed at the main horizon, in ten groups.
    gains, slices, curve : tuple
        See `training.gains`, `training.slices` and `training.time_curve`.
    capacity, accounts, audit
        See `training.gains`, `training.accounts` and `training.audit_lane`; None where nothing can
        be told.
    against_champion : ChampionComparison or None
        None without a champion.
    note : str
        Why nothing could be judged, or empty.
    """

    mode: str
    recipe: Recipe
    as_of: datetime | None = None
    judgement: RollingJudgement | None = None
    rows: tuple[ResultRow, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    gains: tuple[Gain, ...] = ()
    slices: tuple[Slice, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    capacity: Capacity | None = None
    accounts: Accounts | None = None
    audit: AuditLane | None = None
    against_champion: ChampionComparison | None = None
    note: str = ""

    @property
    def shift(self) -> float:
        """Log-odds that the leads judged here say should be added to a model learnt today."""
        return 0.0 if self.judgement is None else self.judgement.to_add

    def row(self, model: str, horizon: int) -> ResultRow | None:
        """Return the figures of a model at a horizon, if they could be told."""
        return next((r for r in self.rows if r.model == model and r.horizon == horizon), None)

    def document(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``; figures that cannot be told are None."""
        judged = self.judgement
        newest = None if judged is None else judged.newest
        cut_off = None if newest is None else newest.cut_off
        return {
            "mode": self.mode,
            "as_of": _day(self.as_of),
            "cut_off": _day(cut_off),
            "main_horizon": None if judged is None else judged.main_horizon,
            "recipe": asdict(self.recipe),
            "n_train": 0 if newest is None else int(newest.learned.rows.sum()),
            "n_test": 0 if judged is None else int(judged.told().sum()),
            "note": self.note,
            "calibration_shift": self.shift,
            "origins": [] if judged is None else [_origin(judged, part) for part in judged.origins],
            "results": [_result(row) for row in self.rows],
            "by_origin": [] if judged is None else _by_origin(judged),
            "reliability": [group._asdict() for group in self.reliability],
            "gains": [gain.document() for gain in self.gains],
            "capacity": None if self.capacity is None else self.capacity.document(),
            "slices": [part.document() for part in self.slices],
            "accounts": None if self.accounts is None else self.accounts.document(),
            "audit": None if self.audit is None else self.audit.document(),
            "curve": [point.document() for point in self.curve],
            "against_champion": None
            if self.against_champion is None
            else self.against_champion.document(),
        }


def backtest(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None,
    recipe: Recipe,
    champion: Champion | None = None,
    tell: Tell = lambda _: None,
) -> Backtest:
    """Judge the recipe at several cut-offs, and learn from them how to calibrate.

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
    champion : Champion, optional
        The served model, asked about the same leads.
    tell : callable
        Told each step as it begins.
    """
    try:
        judged = judge_rolling(
            history, definition, as_of=as_of, recipe=recipe, champion=champion, tell=tell
        )
    except NotEnoughEvidence as error:
        return Backtest(history.mode, recipe, as_of, note=str(error))
    tell("Writing down how good the model is")
    told, main = judged.told(), judged.main
    return Backtest(
        mode=history.mode,
        recipe=recipe,
        as_of=as_of,
        judgement=judged,
        rows=tuple(judged.rows()),
        reliability=reliability_curve(
            judged.outcome[told, main],
            judged.probabilities[STUDENT][told, main],
            judged.weight[told, main],
        ),
        gains=gains_table(judged),
        slices=find_slices(judged, history, definition),
        curve=time_curve(judged),
        capacity=judge_capacity(judged, history, definition),
        accounts=keep_accounts(judged),
        audit=judge_audit_lane(judged, history, definition),
        against_champion=None if champion is None else compare_with_champion(judged, champion),
    )


def _origin(judged: RollingJudgement, part: Judged) -> dict[str, Any]:
    main = part.horizons.index(judged.main_horizon)
    told = part.weight[:, main] > 0
    return {
        "cut_off": _day(part.cut_off),
        "n_train": int(part.learned.rows.sum()),
        "n_test": int(told.sum()),
        "n_won": int(part.outcome[told, main].sum()),
        "shift": part.shift,
    }


def _by_origin(judged: RollingJudgement) -> list[dict[str, Any]]:
    found = []
    for part in judged.origins:
        for h, horizon in enumerate(part.horizons):
            for model, promised in part.probabilities.items():
                told = (part.weight[:, h] > 0) & ~np.isnan(promised[:, h])
                if not told.any():
                    continue
                figures = evaluate(part.outcome[told, h], promised[told, h], part.weight[told, h])
                found.append(
                    {
                        "cut_off": _day(part.cut_off),
                        "model": model,
                        "horizon": horizon,
                        "n": figures.n,
                        "n_won": figures.n_won,
                        "log_loss": finite(figures.log_loss),
                        "auc": finite(figures.auc),
                        "predicted_over_observed": figures_of(figures.predicted_over_observed),
                    }
                )
    return found


def _result(row: ResultRow) -> dict[str, Any]:
    against = row.against_student
    return {
        "model": row.model,
        "horizon": row.horizon,
        **{name: finite(value) for name, value in row.figures().items()},
        "against_student": None if against is None else figures_of(against),
    }


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
