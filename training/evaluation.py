"""How good the recipe is on leads it has not seen: out of time, beside its baselines.

A model is learnt on a day in the past from what was known then; it is judged on leads that came
after, with what is known today, and through the very methods that serving calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER, LeadDefinition
from features.errors import NotEnoughEvidence
from features.scorer import Calibration, LeadScorer
from training.baselines import BASELINES, history_baselines, snapshot_baselines
from training.bootstrap import paired_difference
from training.calibrate import calibration_shift
from training.labels import HistoryLabels, SnapshotLabels, label_history
from training.metrics import Evaluation, Interval, censoring_weights, evaluate, reliability_curve
from training.recipe import Learned, Recipe, learn, teach
from training.splits import earlier_part, last_span, origin_at

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = [
    "STUDENT",
    "Backtest",
    "Judged",
    "ResultRow",
    "backtest",
    "calibrated",
    "judge_origin",
    "judge_snapshot",
]

STUDENT = "student"
"""What is served: for all leads, before anyone decides."""
TEACHER = "teacher"
"""For leads that sales has accepted."""
TEST_SHARE = 0.25
SPAN_SHARE = 0.2
FOLLOW_SHARE = 0.75
"""Of the main horizon, for the youngest judged lead: half or more are then followed all of it."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ResultRow:
    """One model's figures at one horizon.

    Attributes
    ----------
    model : str
        ``student`` (what would be served), ``teacher`` or a baseline's name.
    horizon : int
        Days; EVER where dates are not known.
    evaluation : Evaluation
        The figures.
    against_student : Interval or None
        Difference of log loss, student minus this model, with its paired 95 % interval; below 0
        the student is better. None for the student itself.
    """

    model: str
    horizon: int
    evaluation: Evaluation
    against_student: Interval | None = None

    def figures(self) -> dict[str, float]:
        """Return the figures by name, as numbers only."""
        found = self.evaluation
        return {
            "n": float(found.n),
            "n_won": float(found.n_won),
            "auc": found.auc,
            "pr_auc": found.pr_auc,
            "log_loss": found.log_loss,
            "brier": found.brier,
            "ece": found.ece,
            "lift_10": found.lift_10,
            "predicted_over_observed": found.predicted_over_observed[0],
        }


@dataclass(frozen=True, eq=False)
class Judged:
    """Probabilities of every model for test leads, and what became of them.

    Attributes
    ----------
    horizons : tuple of int
        Days of the columns.
    probabilities : dict of str to ndarray of shape (n_test, n_horizons)
        By model.
    outcome, weight : ndarray of shape (n_test, n_horizons)
        1 or 0, and the weight that makes up for those not followed long enough.
    learned : Learned
        The model that was judged.
    known : HistoryLabels or SnapshotLabels
        Labels of all leads, as known when judging.
    """

    horizons: tuple[int, ...]
    probabilities: dict[str, Floats]
    outcome: Floats
    weight: Floats
    learned: Learned
    known: HistoryLabels | SnapshotLabels

    def rows(self) -> Iterator[ResultRow]:
        """Yield the figures of each model at each horizon that can be judged."""
        for h, horizon in enumerate(self.horizons):
            told = self.weight[:, h] > 0
            outcome, weight = self.outcome[told, h], self.weight[told, h]
            if not told.any() or outcome.min() == outcome.max():
                continue
            own = self.probabilities[STUDENT][told, h]
            for model, promised in self.probabilities.items():
                against = (
                    None
                    if model == STUDENT
                    else paired_difference(outcome, own, promised[told, h], weight=weight)
                )
                yield ResultRow(
                    model, horizon, evaluate(outcome, promised[told, h], weight), against
                )


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
        if history.mode == "snapshot":
            return _backtest_snapshot(history, definition, recipe, tell)
        if as_of is None:
            raise ValueError("history mode needs as_of")
        return _backtest_history(history, definition, as_of, recipe, tell)
    except NotEnoughEvidence as error:
        return Backtest(history.mode, None, 0, 0, (), [], 0.0, str(error))


def judge_origin(
    history: LeadHistory,
    definition: LeadDefinition,
    cut_off: datetime,
    today: datetime,
    *,
    test_days: float,
    recipe: Recipe | None = None,
    shift: float = 0.0,
    tell: Tell = lambda _: None,
) -> Judged:
    """Learn at `cut_off` and judge, as of `today`, on worked leads of the days after it."""
    chosen = recipe or Recipe()
    tell(f"Learning as of {cut_off:%Y-%m-%d}")
    learned = learn(history, definition, as_of=cut_off, recipe=chosen)
    tell("Fitting the baselines on the same leads")
    assert isinstance(learned.labels, HistoryLabels)
    horizons = learned.scorer.horizons
    baselines = (
        history_baselines(history, definition, learned.labels, horizons=horizons, seed=chosen.seed)
        if learned.teacher is not None
        else {}
    )
    known = label_history(history, definition, today)
    test = origin_at(history, cut_off, test_days).test & known.worked & (known.entry_days == 0.0)
    scorer = calibrated(learned.scorer, shift)
    outcome = np.zeros((int(test.sum()), len(horizons)))
    weight = np.zeros_like(outcome)
    for h, horizon in enumerate(horizons):
        if (known.follow_up_days[test] >= horizon).any():
            outcome[:, h], weight[:, h] = censoring_weights(
                known.won_days[test], known.follow_up_days[test], horizon
            )
    promised = {STUDENT: scorer.probabilities(learned.codes[test])}
    if learned.teacher is not None:
        promised[TEACHER] = learned.teacher_probabilities()[test]
    promised |= {name: baselines[name][test] for name in BASELINES if name in baselines}
    return Judged(horizons, promised, outcome, weight, learned, known)


def judge_snapshot(
    history: LeadHistory,
    definition: LeadDefinition,
    train: Mask,
    test: Mask,
    *,
    recipe: Recipe | None = None,
    tell: Tell = lambda _: None,
) -> Judged:
    """Learn from the `train` leads of a snapshot and judge on its worked `test` leads."""
    chosen = recipe or Recipe()
    tell("Learning from the older leads")
    learned = learn(history, definition, rows=train, recipe=chosen)
    labels = learned.labels
    assert isinstance(labels, SnapshotLabels)
    tell("Fitting the baselines on the same leads")
    baselines = snapshot_baselines(history, definition, labels, train, seed=chosen.seed)
    told = test & labels.worked
    promised = {STUDENT: learned.scorer.probabilities(learned.codes[told])}
    if learned.teacher is not None and (learned.labels.state == "rejected").any():
        promised[TEACHER] = learned.teacher_probabilities()[told]
    promised |= {name: baselines[name][told][:, None] for name in BASELINES}
    outcome = labels.outcome[told][:, None]
    return Judged((EVER,), promised, outcome, np.ones_like(outcome), learned, labels)


def _backtest_history(
    history: LeadHistory, definition: LeadDefinition, as_of: datetime, recipe: Recipe, tell: Tell
) -> Backtest:
    follow_days = FOLLOW_SHARE * definition.main_horizon
    newest = last_span(history, as_of, share=SPAN_SHARE, follow_days=follow_days)
    test_days = (as_of - timedelta(days=follow_days) - newest.cut_off) / timedelta(days=1)
    # The judged model takes its own calibration from a fold before it: never from the test.
    shift = _shift_before(history, definition, newest.cut_off, recipe, tell)
    judged = judge_origin(
        history,
        definition,
        newest.cut_off,
        as_of,
        test_days=test_days,
        recipe=recipe,
        shift=shift,
        tell=tell,
    )
    known = judged.known
    to_add = 0.0
    if judged.learned.teacher is not None and isinstance(known, HistoryLabels):
        to_add = calibration_shift(
            judged.learned.teacher_probabilities(),
            known,
            judged.learned.scorer.horizons,
            judged.learned.scorer.main_horizon,
            ~judged.learned.rows & (known.state != "not_arrived"),
        ).shift
    return _summary("history", newest.cut_off, judged, to_add)


def _shift_before(
    history: LeadHistory, definition: LeadDefinition, as_of: datetime, recipe: Recipe, tell: Tell
) -> float:
    """Return the calibration that could be known at `as_of`: an older teacher on newer leads."""
    tell("Measuring the calibration on an older fold")
    try:
        older = last_span(
            history, as_of, share=SPAN_SHARE, follow_days=FOLLOW_SHARE * definition.main_horizon
        )
        taught = teach(history, definition, older.cut_off, recipe=recipe)
    except NotEnoughEvidence:
        return 0.0
    if taught.teacher is None:
        return 0.0
    horizons = definition.horizons
    known = label_history(history, definition, as_of)
    promised = taught.teacher.probabilities(taught.codes, horizons)
    return calibration_shift(promised, known, horizons, definition.main_horizon, older.test).shift


def _backtest_snapshot(
    history: LeadHistory, definition: LeadDefinition, recipe: Recipe, tell: Tell
) -> Backtest:
    train, test = earlier_part(history, share=1.0 - TEST_SHARE)
    judged = judge_snapshot(history, definition, train, test, recipe=recipe, tell=tell)
    # No shift: where statuses have no dates, the level of the newest fifth wanders; measured on
    # rolling origins a shift made the next leads worse (docs/decisions/0004).
    return _summary("snapshot", None, judged, 0.0)


def _summary(mode: str, cut_off: datetime | None, judged: Judged, shift: float) -> Backtest:
    main = judged.horizons.index(judged.learned.scorer.main_horizon)
    told = judged.weight[:, main] > 0
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
        cut_off,
        int(judged.learned.rows.sum()),
        int(told.sum()),
        tuple(judged.rows()),
        [group._asdict() for group in curve],
        shift,
    )


def calibrated(scorer: LeadScorer, shift: float) -> LeadScorer:
    """Return the scorer with this shift; base rates are never shifted."""
    old = scorer.calibration
    moved = Calibration(
        old.mode, old.method, old.main_horizon, shift if old.method == "student" else 0.0
    )
    return LeadScorer(scorer.encoder, scorer.raw_tables, scorer.acceptance, moved)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
