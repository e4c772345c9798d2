"""Models of one recipe, learnt on one day after another, each calibrated by those before it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.errors import NotEnoughEvidence
from features.scorer import Calibration, LeadScorer
from training.calibrate import CalibrationShift, Fold, pooled_shift
from training.labels import HistoryLabels
from training.recipe import Learned, Recipe, learn, teach
from training.splits import last_span
from training.teacher import HazardTeacher

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["FOLLOW_SHARE", "Line", "calibrated"]

FOLLOW_SHARE = 0.75
"""Of the main horizon, for the youngest judged lead: many older ones are then followed all of it,
and of the younger ones most wins are known."""
_OLDER_SHARE = 0.2
"""Of the leads before the first cut-off: they calibrate the first model."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Line:
    """Learns at one cut-off after another, oldest first.

    What a model is calibrated by is the error of the teachers before it on the leads that came
    after them, as known on its own day: nothing later has any influence.

    Parameters
    ----------
    history : LeadHistory
        All leads, in history mode.
    definition : LeadDefinition
        The agreement.
    recipe : Recipe
        Form of the models.
    """

    def __init__(self, history: LeadHistory, definition: LeadDefinition, recipe: Recipe) -> None:
        self.history = history
        self.definition = definition
        self.recipe = recipe
        self._taught: list[tuple[Mask, Floats]] = []
        self._learned: dict[datetime, tuple[Learned, float]] = {}

    def at(self, cut_off: datetime) -> tuple[Learned, float]:
        """Return the model of a day, and the shift (log-odds) that was known to calibrate it.

        Raises
        ------
        NotEnoughEvidence
            If not even a base rate could be told on that day.
        """
        if cut_off not in self._learned:
            if not self._taught:
                self._teach_before(cut_off)
            learned = learn(self.history, self.definition, as_of=cut_off, recipe=self.recipe)
            assert isinstance(learned.labels, HistoryLabels)
            shift = self.shift(learned.labels).shift
            if isinstance(learned.teacher, HazardTeacher):
                self._keep(learned.rows, learned.teacher, learned.codes)
            self._learned[cut_off] = learned, shift
        return self._learned[cut_off]

    def shift(self, labels: HistoryLabels) -> CalibrationShift:
        """Return the calibration that the teachers so far teach, with labels as known on a day.

        Nothing, where the recipe does without.
        """
        if not self.recipe.calibrates:
            return pooled_shift([], labels, self.definition.horizons, self.definition.main_horizon)
        known = np.asarray(labels.state != "not_arrived")
        spans = [rows for rows, _ in self._taught] + [known]
        folds = [
            Fold(promised, later & ~rows)
            for (_, promised), (rows, later) in zip(self._taught, pairwise(spans), strict=True)
        ]
        return pooled_shift(folds, labels, self.definition.horizons, self.definition.main_horizon)

    def _teach_before(self, cut_off: datetime) -> None:
        """Fit one teacher more, so that the first model has something to be calibrated by."""
        follow_days = FOLLOW_SHARE * self.definition.main_horizon
        try:
            older = last_span(self.history, cut_off, share=_OLDER_SHARE, follow_days=follow_days)
            taught = teach(self.history, self.definition, older.cut_off, recipe=self.recipe)
        except NotEnoughEvidence:
            return
        if taught.teacher is not None:
            self._keep(taught.rows, taught.teacher, taught.codes)

    def _keep(self, rows: Mask, teacher: HazardTeacher, codes: NDArray[np.int32]) -> None:
        self._taught.append((rows, teacher.probabilities(codes, self.definition.horizons)))


def calibrated(scorer: LeadScorer, shift: float) -> LeadScorer:
    """Return the scorer with this shift; base rates are never shifted."""
    old = scorer.calibration
    moved = Calibration(
        old.mode, old.method, old.main_horizon, shift if old.method == "student" else 0.0
    )
    return LeadScorer(scorer.encoder, scorer.raw_tables, scorer.acceptance, moved)
