"""Recipes tried on cut-offs inside the training span, each on the leads up to the next cut-off.

Nothing later than the day of the choice has any influence: a teacher learns from the labels of its
cut-off, its calibration from the teachers before it, and it is judged with the labels of the day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.definition import LeadDefinition
from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from features.terms import Names
from training.calibrate import Fold, pooled_shift
from training.candidates import Candidate, by_fields, by_recency, history_sizes, snapshot_sizes
from training.labels import HistoryLabels, SnapshotLabels, label_history, label_snapshot
from training.lineage import FOLLOW_SHARE
from training.metrics import censoring_weights, log_losses
from training.recency import lead_weights
from training.recipe import Recipe, shown_encoder, teach_codes
from training.snapshot_teacher import SnapshotTeacher
from training.splits import following_spans, time_order
from training.stability import Evidence, UnstableFields, history_evidence, unstable_fields
from training.teacher import HazardTeacher
from training.verdicts import to_microseconds

if TYPE_CHECKING:
    from features.leads import LeadHistory

__all__ = ["HistoryTrial", "Losses", "SnapshotTrial"]

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

N_ORIGINS = 4
FIRST_SHARE = 0.5
"""Of the leads that can be judged, those before the first cut-off."""
DEFAULT = Names(ja="標準のレシピ", en="the default recipe")


class Losses(NamedTuple):
    """Log loss of each test lead of a cut-off: calibrated as the recipe says, and not at all."""

    served: Floats
    unshifted: Floats


class HistoryTrial:
    """Cut-offs of a history, and what every candidate shares there.

    The codes are made once, by an encoder that has seen all leads of the day of the choice: it
    reads no outcomes.

    Parameters
    ----------
    history : LeadHistory
        In history mode.
    definition : LeadDefinition
        The agreement.
    as_of : datetime
        The day of the choice.
    recipe : Recipe
        The default candidate.

    Raises
    ------
    NotEnoughEvidence
        If there are too few leads for even one cut-off.
    """

    def __init__(
        self, history: LeadHistory, definition: LeadDefinition, as_of: datetime, recipe: Recipe
    ) -> None:
        self.definition = definition
        self.known = label_history(history, definition, as_of)
        there = np.asarray(self.known.state != "not_arrived")
        self.encoder = LeadEncoder.fit(history, definition, there)
        self.codes = np.zeros((len(there), len(self.encoder.inputs)), dtype=np.int32)
        self.codes[there] = self.encoder.encode_history(history, there)
        self.origins: list[tuple[HistoryLabels, Mask]] = []
        self._defaults: list[HazardTeacher] = []
        for cut_off, test in self._spans(history):
            labels = label_history(history, definition, cut_off)
            before = np.asarray(labels.state != "not_arrived")
            encoder = shown_encoder(self.encoder, recipe.dropped_fields)
            codes = _shown(self.codes, self.encoder, recipe)
            taught = teach_codes(codes, encoder, labels, before, recipe)
            if taught.teacher is not None and _can_be_judged(self.known, test, self._horizons[:1]):
                self.origins.append((labels, test))
                self._defaults.append(taught.teacher)
        self._recipe = recipe

    @property
    def span(self) -> float:
        """Days under observation, of the lead that was observed longest."""
        worked = self.known.worked
        observed = self.known.follow_up_days[worked] - self.known.entry_days[worked]
        return float(observed.max(initial=0.0))

    def candidates(self) -> Iterator[Candidate]:
        """Yield the default, then recipes that differ from it in one thing each."""
        default = self._recipe
        yield Candidate("default", DEFAULT, default)
        yield from by_recency(default, self.span, Names(ja="日", en="days"))
        yield from history_sizes(default)
        yield from by_fields(default, self.unstable[-1])

    @cached_property
    def unstable(self) -> list[UnstableFields]:
        """The unstable fields as known at each cut-off, and at last on the day of the choice."""
        found = []
        for labels in [*(labels for labels, _ in self.origins), self.known]:
            there = np.asarray(labels.state != "not_arrived")
            order = np.argsort(-np.where(there, labels.follow_up_days, -np.inf), kind="stable")
            found.append(
                unstable_fields(
                    self.codes,
                    self.encoder,
                    order[: int(there.sum())],
                    history_evidence(labels, there),
                )
            )
        return found

    def judge(self, candidate: Candidate) -> Iterator[Losses]:
        """Yield the losses of a candidate at one cut-off after another.

        Raises
        ------
        NotEnoughEvidence
            If the candidate can tell nothing at some cut-off.
        """
        horizons = self.definition.horizons
        promised = np.zeros((len(self.codes), len(horizons)))
        folds: list[Fold] = []
        for place, (labels, test) in enumerate(self.origins):
            recipe = candidate.on(self.unstable[place])
            encoder = shown_encoder(self.encoder, recipe.dropped_fields)
            codes = _shown(self.codes, self.encoder, recipe)
            teacher = self._teacher(place, codes, encoder, recipe)
            shift = pooled_shift(folds, labels, horizons, self.definition.main_horizon).shift
            promised[test] = teacher.probabilities(codes[test], horizons)
            folds.append(Fold(promised, test))
            yield Losses(
                self._losses(promised, test, shift if recipe.calibrates else 0.0),
                self._losses(promised, test, 0.0),
            )

    def _teacher(
        self, place: int, codes: Codes, encoder: LeadEncoder, recipe: Recipe
    ) -> HazardTeacher:
        default = self._defaults[place]
        if replace(recipe, glm_share=self._recipe.glm_share) == self._recipe:
            return replace(default, glm_share=recipe.glm_share)
        labels, _ = self.origins[place]
        before = np.asarray(labels.state != "not_arrived")
        teacher = teach_codes(codes, encoder, labels, before, recipe).teacher
        if teacher is None:
            raise NotEnoughEvidence("Too few wins are left to learn from.")
        return teacher

    @property
    def _horizons(self) -> list[int]:
        wanted = self.definition.main_horizon
        return [horizon for horizon in self.definition.horizons if horizon <= wanted]

    def _losses(self, promised: Floats, test: Mask, shift: float) -> Floats:
        """Return the mean over the horizons up to the main one that can be told, by lead."""
        judged = test & self.known.worked & (self.known.entry_days == 0.0)
        won, followed = self.known.won_days[judged], self.known.follow_up_days[judged]
        told = [h for h in self._horizons if _can_be_judged(self.known, test, [h])]
        losses = np.zeros(int(judged.sum()))
        for horizon in told:
            outcome, weight = censoring_weights(won, followed, horizon)
            chance = promised[judged, self.definition.horizons.index(horizon)]
            odds = chance / (1.0 - chance) * np.exp(shift)
            losses += weight / weight.mean() * log_losses(outcome, odds / (1.0 + odds))
        return losses / len(told)

    def _spans(self, history: LeadHistory) -> list[tuple[datetime, Mask]]:
        """Return cut-offs, oldest first, each with the leads up to the next one."""
        arrived = to_microseconds(history.leads["arrived_at"])
        old_enough = np.asarray(self.known.state != "not_arrived") & (
            self.known.follow_up_days >= FOLLOW_SHARE * self.definition.main_horizon
        )
        if int(old_enough.sum()) < N_ORIGINS:
            raise NotEnoughEvidence("The history is too short to try recipes on parts of it.")
        shares = np.linspace(FIRST_SHARE, 1.0, N_ORIGINS + 1)[:-1]
        return following_spans(arrived, old_enough, shares)


class SnapshotTrial:
    """The same where dates are not known: learn from the first leads, judge on the next.

    The shares of the teacher's members stay those of the recipe while candidates are compared.

    Parameters
    ----------
    history : LeadHistory
        In snapshot mode.
    definition : LeadDefinition
        The agreement.
    recipe : Recipe
        The default candidate.
    rows : ndarray of bool
        The leads of the choice.
    """

    def __init__(
        self, history: LeadHistory, definition: LeadDefinition, recipe: Recipe, rows: Mask
    ) -> None:
        labels: SnapshotLabels = label_snapshot(history, definition)
        self.encoder = LeadEncoder.fit(history, definition, rows)
        self.codes = np.zeros((len(rows), len(self.encoder.inputs)), dtype=np.int32)
        self.codes[rows] = self.encoder.encode_history(history, rows)
        order = time_order(history)
        self._order = order[rows[order]]
        self._rank = np.zeros(len(rows))
        self._rank[self._order] = np.arange(len(self._order))
        self._worked = order[(rows & labels.worked)[order]]
        self._outcome = labels.outcome
        self._recipe = recipe
        shares = np.linspace(FIRST_SHARE, 1.0, N_ORIGINS + 1)
        ends = [int(len(self._worked) * share) for share in shares]
        self.origins = [
            (start, end)
            for start, end in pairwise(ends)
            if 0.0 < self._outcome[self._worked[:start]].mean() < 1.0 and end > start
        ]

    def candidates(self) -> Iterator[Candidate]:
        """Yield the default, then recipes that differ from it in one thing each."""
        default = self._recipe
        yield Candidate("default", DEFAULT, default)
        yield from by_recency(default, len(self._order), Names(ja="件", en="leads"))
        yield from snapshot_sizes(default)
        yield from by_fields(default, self.unstable[-1])

    @cached_property
    def unstable(self) -> list[UnstableFields]:
        """The unstable fields as known at each cut-off, and at last on the day of the choice."""
        found = []
        for end in [*(start for start, _ in self.origins), len(self._worked)]:
            lead = self._worked[:end]
            won = self._outcome[lead]
            evidence = Evidence(lead, won, np.full(end, won.mean()))
            until = int(self._rank[lead[-1]]) + 1
            found.append(unstable_fields(self.codes, self.encoder, self._order[:until], evidence))
        return found

    def judge(self, candidate: Candidate) -> Iterator[Losses]:
        """Yield the losses of a candidate at one cut-off after another."""
        for place, (start, end) in enumerate(self.origins):
            recipe = candidate.on(self.unstable[place])
            encoder = shown_encoder(self.encoder, recipe.dropped_fields)
            codes = _shown(self.codes, self.encoder, recipe)
            lead = self._worked[:start]
            weights = lead_weights(
                self._rank[lead[-1]] - self._rank[lead],
                half_life_days=recipe.half_life_days,
                window_days=recipe.window_days,
            )
            if weights is not None:
                lead, weights = lead[weights > 0], weights[weights > 0]
            settings = recipe.snapshot_teacher
            teacher = SnapshotTeacher.fit(
                codes[lead],
                encoder,
                self._outcome[lead],
                weights=weights,
                settings=replace(settings, seeds=settings.seeds[:1]),
            )
            test = self._worked[start:end]
            losses = log_losses(self._outcome[test], teacher.probabilities(codes[test]))
            yield Losses(losses, losses)


def _shown(codes: Codes, encoder: LeadEncoder, recipe: Recipe) -> Codes:
    if not recipe.dropped_fields:
        return codes
    kept = [k for k, given in enumerate(encoder.inputs) if given.field not in recipe.dropped_fields]
    return np.ascontiguousarray(codes[:, kept])


def _can_be_judged(known: HistoryLabels, test: Mask, horizons: list[int]) -> bool:
    judged = test & known.worked & (known.entry_days == 0.0)
    follow_up = known.follow_up_days[judged]
    return bool(len(follow_up)) and bool((follow_up >= max(horizons)).any())
