"""The recipe as one step: leads and their labels up to a day → a model that can be served.

Worked leads teach a teacher; its probabilities, shifted by what sales' reasons mean, teach the
student on all decided leads; the student is read off into look-up tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.definition import EVER, LeadDefinition
from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from features.scorer import Calibration, LeadScorer
from features.tables import AdditiveTables
from training.acceptance import fit_acceptance
from training.base_rates import base_rate_tables
from training.horizons import MIN_WINS, main_of, published_horizons
from training.labels import HistoryLabels, SnapshotLabels, label_history, label_snapshot
from training.recency import lead_weights, leads_since, observed_within
from training.shifts import ReasonShifts, audited_rejections, estimate_shifts
from training.snapshot_teacher import SnapshotTeacher, SnapshotTeacherSettings
from training.soft_labels import SoftLabels, soft_labels
from training.splits import time_order
from training.student import Student, StudentSettings, count_crossings, fit_student
from training.teacher import HazardTeacher
from training.tune import choose_shares

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = [
    "MIN_WINS",
    "Learned",
    "Recipe",
    "Taught",
    "distil",
    "learn",
    "shown_encoder",
    "teach",
    "teach_codes",
]

_MIN_DECIDED = 100

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Recipe:
    """What may differ between two trainings of the same leads.

    Attributes
    ----------
    seed : int
        Seed of the boosters; same leads and seed, same model, bit by bit.
    student : StudentSettings
        Form of the student.
    snapshot_teacher : SnapshotTeacherSettings
        Form of the teacher where no dates are known.
    chooses : bool
        Whether the shares of that teacher's members are chosen on rolling validation inside the
        leads it learns from; else they are taken as given.
    half_life_days : float or None
        Time in which what was observed loses half its weight; None keeps all of it.
    window_days : float or None
        What was observed longer ago is forgotten; None forgets nothing.
    teacher_size : float
        Trees of the booster of history mode's teacher, as a multiple of the usual number.
    glm_share : float
        Share of the regression in that teacher, 0 to 1.
    dropped_fields : tuple of str
        Fields and behaviours that the model is not shown.
    calibrates : bool
        Whether the model takes over the shift that the newest leads ask for (`training.calibrate`).

    In a snapshot, whose times may be missing, half-life and window are counted in leads that came
    later.
    """

    seed: int = 0
    student: StudentSettings = field(default_factory=StudentSettings)
    snapshot_teacher: SnapshotTeacherSettings = field(default_factory=SnapshotTeacherSettings)
    chooses: bool = True
    half_life_days: float | None = None
    window_days: float | None = None
    teacher_size: float = 1.0
    glm_share: float = 0.5
    dropped_fields: tuple[str, ...] = ()
    calibrates: bool = True


@dataclass(frozen=True, eq=False)
class Learned:
    """A model and what it was made of.

    Attributes
    ----------
    scorer : LeadScorer
        Ready to score; not yet calibrated, without reference and evaluation.
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of *all* leads of the history by the model's encoder, as of their arrival.
    labels : HistoryLabels or SnapshotLabels
        As known at the cut-off.
    rows : ndarray of bool
        Leads that were there to learn from.
    teacher : HazardTeacher, SnapshotTeacher or None
        None under base rates.
    student : Student or None
        None under base rates.
    crossings : int
        Leads on which the guard of the horizons would act.
    shifts : ReasonShifts or None
        What the audit lane says the reasons mean; None where there is none.
    """

    scorer: LeadScorer
    codes: Codes
    labels: HistoryLabels | SnapshotLabels
    rows: Mask
    teacher: HazardTeacher | SnapshotTeacher | None
    student: Student | None
    crossings: int
    shifts: ReasonShifts | None = None

    def teacher_probabilities(self) -> Floats:
        """Return the teacher's chance for all leads if worked, shape (n_leads, n_horizons).

        Raises
        ------
        NotEnoughEvidence
            If there is no teacher, because base rates stand in.
        """
        if isinstance(self.teacher, HazardTeacher):
            return self.teacher.probabilities(self.codes, self.scorer.horizons)
        if isinstance(self.teacher, SnapshotTeacher):
            return self.teacher.probabilities(self.codes)[:, None]
        raise NotEnoughEvidence("There is no teacher: base rates by channel stand in for a model.")


def learn(
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    as_of: datetime | None = None,
    rows: Mask | None = None,
    recipe: Recipe | None = None,
) -> Learned:
    """Learn a model from what was known on a day.

    Parameters
    ----------
    history : LeadHistory
        All leads; in history mode, events after `as_of` have no influence.
    definition : LeadDefinition
        The agreement.
    as_of : datetime, optional
        The cut-off; needed in history mode.
    rows : ndarray of bool, optional
        Leads to learn from, all by default; in history mode those that arrived before `as_of`.
    recipe : Recipe, optional
        Form of the model.

    Raises
    ------
    NotEnoughEvidence
        If not even a base rate can be told: no lead has a known outcome.
    """
    chosen = recipe or Recipe()
    with threadpool_limits(limits=1):  # more threads add up in another order: other last bits
        if history.mode == "snapshot":
            return _learn_snapshot(history, definition, rows, chosen)
        if as_of is None:
            raise ValueError("history mode needs as_of, the day on which it stands")
        return _learn_history(history, definition, as_of, rows, chosen)


@dataclass(frozen=True, eq=False)
class Taught:
    """The first half of the recipe: what worked leads teach, before any student.

    Attributes
    ----------
    encoder, codes, labels, rows
        As in `Learned`.
    published : tuple of int
        Horizons with enough evidence; empty where base rates must stand in.
    teacher : HazardTeacher or None
        None where base rates must stand in.
    shifts : ReasonShifts or None
        As in `Learned`.
    """

    encoder: LeadEncoder
    codes: Codes
    labels: HistoryLabels
    rows: Mask
    published: tuple[int, ...]
    teacher: HazardTeacher | None
    shifts: ReasonShifts | None = None


def teach(
    history: LeadHistory,
    definition: LeadDefinition,
    as_of: datetime,
    *,
    rows: Mask | None = None,
    recipe: Recipe | None = None,
) -> Taught:
    """Fit the teacher of history mode on what was known at `as_of`."""
    chosen = recipe or Recipe()
    labels = label_history(history, definition, as_of)
    there = np.asarray(labels.state != "not_arrived")
    if rows is not None:
        there = there & rows
    encoder = shown_encoder(LeadEncoder.fit(history, definition, there), chosen.dropped_fields)
    codes = encoder.encode_history(history)
    return teach_codes(codes, encoder, labels, there, chosen)


def teach_codes(
    codes: Codes, encoder: LeadEncoder, labels: HistoryLabels, rows: Mask, recipe: Recipe
) -> Taught:
    """Fit the teacher on leads that are already labelled and encoded, as `teach` does."""
    horizons = encoder.definition.horizons
    observed = observed_within(labels, recipe.window_days)
    # What the audit lane says of the reasons is measured against a teacher without it.
    learning = rows & ~audited_rejections(labels)
    published = published_horizons(observed, learning, horizons)
    teacher = shifts = None
    if published:
        teacher = HazardTeacher.fit(
            codes,
            encoder,
            observed,
            horizons=horizons,
            rows=learning,
            seed=recipe.seed,
            half_life_days=recipe.half_life_days,
            size=recipe.teacher_size,
            glm_share=recipe.glm_share,
        )
        shifts = estimate_shifts(teacher, codes, encoder, observed, rows=rows)
    return Taught(encoder, codes, labels, rows, published, teacher, shifts)


def shown_encoder(encoder: LeadEncoder, dropped_fields: Sequence[str]) -> LeadEncoder:
    """Return the encoder without the inputs of some fields or behaviours.

    Raises
    ------
    NotEnoughEvidence
        If no input would be left.
    """
    if not dropped_fields:
        return encoder
    kept = [given for given in encoder.inputs if given.field not in dropped_fields]
    if not kept:
        raise NotEnoughEvidence(
            "The recipe leaves out every field that differs between leads. Leave out fewer."
        )
    return LeadEncoder(encoder.definition, kept, encoder.habits)


def _learn_history(
    history: LeadHistory,
    definition: LeadDefinition,
    as_of: datetime,
    rows: Mask | None,
    recipe: Recipe,
) -> Learned:
    taught = teach(history, definition, as_of, rows=rows, recipe=recipe)
    encoder, codes, labels, there = taught.encoder, taught.codes, taught.labels, taught.rows
    teacher, published = taught.teacher, taught.published
    if teacher is None:
        return _base_rates(encoder, codes, labels, there, definition.horizons)
    student = distil(taught, definition, recipe)
    scorer = LeadScorer(
        encoder,
        student.tables.only(published),
        _acceptance(codes, encoder, labels.accepted, there, recipe),
        Calibration("history", "student", main_of(definition.main_horizon, published)),
    )
    crossings = _crossings(scorer, codes[there])
    return Learned(scorer, codes, labels, there, teacher, student, crossings, taught.shifts)


def _learn_snapshot(
    history: LeadHistory, definition: LeadDefinition, rows: Mask | None, recipe: Recipe
) -> Learned:
    labels = label_snapshot(history, definition)
    there = np.ones(len(history.leads), dtype=bool) if rows is None else rows
    worked = labels.worked & there
    encoder = shown_encoder(LeadEncoder.fit(history, definition, there), recipe.dropped_fields)
    codes = encoder.encode_history(history)
    if int((labels.outcome[worked] == 1.0).sum()) < MIN_WINS:
        return _base_rates(encoder, codes, labels, there, (EVER,))
    order = time_order(history)
    order = order[worked[order]]
    weights = _recency(leads_since(history, there), recipe)
    if weights is not None:
        order = order[weights[order] > 0]
    given, outcome = codes[order], labels.outcome[order]
    counted = None if weights is None else weights[order]
    shares = recipe.snapshot_teacher
    if recipe.chooses:
        shares, _ = choose_shares(given, encoder, outcome, weights=counted, settings=shares)
    teacher = SnapshotTeacher.fit(given, encoder, outcome, weights=counted, settings=shares)
    soft = soft_labels(teacher.probabilities(codes)[:, None], labels, definition)
    student = _fit_student(codes, encoder, soft, there, weights, (EVER,), recipe)
    scorer = LeadScorer(
        encoder,
        student.tables,
        _acceptance(codes, encoder, labels.accepted, there, recipe),
        Calibration("snapshot", "student", EVER),
    )
    return Learned(scorer, codes, labels, there, teacher, student, 0)


def distil(taught: Taught, definition: LeadDefinition, recipe: Recipe) -> Student:
    """Teach the student what the teacher knows: the second half of the recipe of history mode."""
    assert taught.teacher is not None
    promised = taught.teacher.probabilities(taught.codes, definition.horizons)
    soft = soft_labels(promised, taught.labels, definition, taught.shifts)
    weights = _recency(taught.labels.follow_up_days, recipe)
    return _fit_student(
        taught.codes, taught.encoder, soft, taught.rows, weights, definition.horizons, recipe
    )


def _recency(age: Floats, recipe: Recipe) -> Floats | None:
    return lead_weights(age, half_life_days=recipe.half_life_days, window_days=recipe.window_days)


def _fit_student(
    codes: Codes,
    encoder: LeadEncoder,
    soft: SoftLabels,
    there: Mask,
    weights: Floats | None,
    horizons: Sequence[int],
    recipe: Recipe,
) -> Student:
    use = there[soft.rows]
    if weights is not None:
        use &= weights[soft.rows] > 0
    rows = soft.rows[use]
    return fit_student(
        codes[rows],
        encoder,
        soft.probabilities[use],
        horizons,
        weights=None if weights is None else weights[rows],
        settings=recipe.student,
    )


def _base_rates(
    encoder: LeadEncoder,
    codes: Codes,
    labels: HistoryLabels | SnapshotLabels,
    there: Mask,
    horizons: Sequence[int],
) -> Learned:
    tables = base_rate_tables(encoder, codes, labels, there, tuple(horizons))
    mode: Literal["history", "snapshot"] = (
        "history" if isinstance(labels, HistoryLabels) else "snapshot"
    )
    main = EVER if mode == "snapshot" else encoder.definition.main_horizon
    scorer = LeadScorer(
        encoder, tables, None, Calibration(mode, "base_rate", main_of(main, tables.horizons))
    )
    return Learned(scorer, codes, labels, there, None, None, 0)


def _acceptance(
    codes: Codes, encoder: LeadEncoder, accepted: Floats, there: Mask, recipe: Recipe
) -> AdditiveTables | None:
    """Return the tables of P(accept), or None where too few leads were decided either way."""
    decided = there & ~np.isnan(accepted)
    n_accepted = int(accepted[decided].sum())
    if min(n_accepted, int(decided.sum()) - n_accepted) < _MIN_DECIDED // 2:
        return None
    return fit_acceptance(codes[decided], encoder, accepted[decided], seed=recipe.seed)


def _crossings(scorer: LeadScorer, codes: Codes) -> int:
    return count_crossings(scorer.tables.logits(codes))
