"""One model judged on leads that came after it, beside its baselines.

The model stands on a day in the past and knows what was known then; it is judged with what is known
today, through the very methods that serving calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER, LeadDefinition
from training.baselines import BASELINES, history_baselines, snapshot_baselines
from training.bootstrap import paired_difference
from training.labels import HistoryLabels, SnapshotLabels, label_history
from training.lineage import calibrated
from training.metrics import Evaluation, Interval, censoring_weights, evaluate
from training.recipe import Learned, Recipe, learn
from training.splits import origin_at

if TYPE_CHECKING:
    from features.leads import LeadHistory
    from training.champion import AskedChampion

__all__ = [
    "CHAMPION",
    "STUDENT",
    "TEACHER",
    "Judged",
    "ResultRow",
    "Tell",
    "judge_learned",
    "judge_origin",
    "judge_snapshot",
    "result_rows",
]

STUDENT = "student"
"""What is served: for all leads, before anyone decides."""
TEACHER = "teacher"
"""For leads that sales has accepted."""
CHAMPION = "champion"
"""What is served today."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ResultRow:
    """One model's figures at one horizon.

    Attributes
    ----------
    model : str
        ``student`` (what would be served), ``teacher``, ``champion`` or a baseline's name.
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
    """Probabilities of every model for test leads of one cut-off, and what became of them.

    Attributes
    ----------
    horizons : tuple of int
        Days of the columns.
    probabilities : dict of str to ndarray of shape (n_test, n_horizons)
        By model; a column is NaN where the model does not speak of that horizon.
    outcome, weight : ndarray of shape (n_test, n_horizons)
        1 or 0, and the weight that makes up for those not followed long enough.
    learned : Learned
        The model that was judged, before its calibration.
    known : HistoryLabels or SnapshotLabels
        Labels of all leads, as known when judging.
    lead : ndarray of int, shape (n_test,)
        Positions of the test leads in ``history.leads``.
    span : ndarray of int
        Positions of all leads of the test span, also of those without an outcome.
    cut_off : datetime or None
        The day it stood on; None in a snapshot.
    shift : float
        Log-odds by which it was calibrated, as could be known on that day.
    champion : AskedChampion or None
        The served model as it would have stood on that day.
    """

    horizons: tuple[int, ...]
    probabilities: dict[str, Floats]
    outcome: Floats
    weight: Floats
    learned: Learned
    known: HistoryLabels | SnapshotLabels
    lead: NDArray[np.intp]
    span: NDArray[np.intp]
    cut_off: datetime | None = None
    shift: float = 0.0
    champion: AskedChampion | None = None

    def promise(self, leads: NDArray[np.intp]) -> Floats:
        """Return what the student promises any leads, shape (len(leads), n_horizons)."""
        return calibrated(self.learned.scorer, self.shift).probabilities(self.learned.codes[leads])

    def beside(self, champion: AskedChampion) -> Judged:
        """Return the same with the champion's probabilities among the others."""
        promised = champion.promise(self.lead, self.horizons)
        return replace(
            self, probabilities={**self.probabilities, CHAMPION: promised}, champion=champion
        )

    def rows(self) -> Iterator[ResultRow]:
        """Yield the figures of each model at each horizon that can be judged."""
        return result_rows(self.horizons, self.probabilities, self.outcome, self.weight)


def result_rows(
    horizons: tuple[int, ...],
    probabilities: Mapping[str, Floats],
    outcome: Floats,
    weight: Floats,
    origin: NDArray[np.int64] | None = None,
) -> Iterator[ResultRow]:
    """Yield the figures of each model at each horizon; arrays as in `Judged`.

    A model that says nothing about some leads is judged, and compared, on the others alone.
    """
    for h, horizon in enumerate(horizons):
        for model, promised in probabilities.items():
            told = (weight[:, h] > 0) & ~np.isnan(promised[:, h])
            won, weights = outcome[told, h], weight[told, h]
            if not told.any() or won.min() == won.max():
                continue
            against = (
                None
                if model == STUDENT
                else paired_difference(
                    won,
                    probabilities[STUDENT][told, h],
                    promised[told, h],
                    weight=weights,
                    strata=None if origin is None else origin[told],
                )
            )
            yield ResultRow(model, horizon, evaluate(won, promised[told, h], weights), against)


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
    known = label_history(history, definition, today)
    test = origin_at(history, cut_off, test_days).test
    return judge_learned(history, definition, learned, known, test, recipe=chosen, shift=shift)


def judge_learned(
    history: LeadHistory,
    definition: LeadDefinition,
    learned: Learned,
    known: HistoryLabels,
    test: Mask,
    *,
    recipe: Recipe,
    shift: float = 0.0,
    tunes: bool = True,
) -> Judged:
    """Judge a learned model on those `test` leads that were worked and seen from arrival.

    Baselines see every field, also those that the recipe leaves out; `tunes` says whether the tuned
    booster, which takes longest, is among them.
    """
    assert isinstance(learned.labels, HistoryLabels)
    horizons = learned.scorer.horizons
    beside = (
        history_baselines(
            history,
            definition,
            learned.labels,
            horizons=horizons,
            encoded=None if recipe.dropped_fields else (learned.scorer.encoder, learned.codes),
            tunes=tunes,
            seed=recipe.seed,
        )
        if learned.teacher is not None
        else {}
    )
    span = np.flatnonzero(test)
    test = test & known.worked & (known.entry_days == 0.0)
    outcome = np.zeros((int(test.sum()), len(horizons)))
    weight = np.zeros_like(outcome)
    for h, horizon in enumerate(horizons):
        if (known.follow_up_days[test] >= horizon).any():
            outcome[:, h], weight[:, h] = censoring_weights(
                known.won_days[test], known.follow_up_days[test], horizon
            )
    promised = {STUDENT: calibrated(learned.scorer, shift).probabilities(learned.codes[test])}
    if learned.teacher is not None:
        promised[TEACHER] = learned.teacher_probabilities()[test]
    promised |= {name: beside[name][test] for name in BASELINES if name in beside}
    return Judged(
        horizons,
        promised,
        outcome,
        weight,
        learned,
        known,
        np.flatnonzero(test),
        span,
        learned.labels.as_of,
        shift,
    )


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
    return Judged(
        (EVER,),
        promised,
        outcome,
        np.ones_like(outcome),
        learned,
        labels,
        np.flatnonzero(told),
        np.flatnonzero(test),
    )
