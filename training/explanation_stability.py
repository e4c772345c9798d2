"""Would the strongest reasons be the same, had other leads of the same kind come in?

Leads are drawn anew with replacement (the bootstrap), teacher and student learn again from them by
the same encoder, and the three strongest fields of the same past leads are compared. To cost less
than learning once, the student learns the main horizon only and has half as many trees.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from features.errors import NotEnoughEvidence
from training.labels import HistoryLabels
from training.recency import lead_weights, leads_since
from training.recipe import Learned, Recipe, teach_codes
from training.snapshot_teacher import SnapshotTeacher
from training.soft_labels import soft_labels
from training.student import fit_student

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = ["Stability", "by_field", "check_stability"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

TOP = 3


@dataclass(frozen=True, slots=True)
class Stability:
    """How far the strongest reasons stay when leads are drawn anew.

    Attributes
    ----------
    top3_agreement : float or None
        Mean share of a lead's three strongest fields that stay among the three, 0 to 1; None where
        nothing was learnt, or no draw had enough wins.
    global_agreement : float or None
        The same for the three fields that move all leads most.
    n_draws, n_leads : int
        Draws, and leads looked at in each.
    """

    top3_agreement: float | None
    global_agreement: float | None
    n_draws: int
    n_leads: int


def by_field(parts: Floats, places: Sequence[str]) -> tuple[list[str], Floats]:
    """Return the fields, and the signed sums of their inputs' contributions, (n_leads, n_fields).

    Parameters
    ----------
    parts : ndarray of shape (n_leads, n_inputs)
        Contribution of each input.
    places : sequence of str
        Field of each input.
    """
    names = list(dict.fromkeys(places))
    belongs = np.array([[field == name for name in names] for field in places], dtype=np.float64)
    return names, parts @ belongs


def check_stability(
    learned: Learned,
    history: LeadHistory,
    definition: LeadDefinition,
    *,
    recipe: Recipe,
    n_draws: int = 5,
    n_leads: int = 500,
    time_limit_seconds: float = 300.0,
    tell: Callable[[str], None] = lambda _: None,
) -> Stability:
    """Learn again from leads drawn anew, and compare the strongest reasons of past leads.

    Parameters
    ----------
    learned : Learned
        The model whose reasons are in question.
    history, definition
        What it was learnt from.
    recipe : Recipe
        Its recipe.
    n_draws, n_leads : int
        Draws, and past leads to look at.
    time_limit_seconds : float
        No further draw begins after it.
    tell : callable
        Told each draw as it begins.
    """
    there = np.flatnonzero(learned.rows)
    if learned.student is None or not len(there):
        return Stability(None, None, 0, 0)
    random = np.random.default_rng([recipe.seed, 5])
    looked_at = np.sort(random.choice(there, min(n_leads, len(there)), replace=False))
    asked, places = learned.codes[looked_at], [g.field for g in learned.scorer.encoder.inputs]
    main = learned.scorer.main_horizon
    before = by_field(learned.scorer.tables.contributions(asked, main), places)[1]
    until = time.monotonic() + time_limit_seconds
    single, overall = [], []
    for draw in range(n_draws):
        if draw and time.monotonic() > until:
            break
        tell(f"Drawing leads anew ({draw + 1} of {n_draws})")
        drawn = np.sort(random.choice(there, len(there)))
        try:
            student = _learnt_again(learned, history, definition, recipe, drawn)
        except NotEnoughEvidence:
            continue
        after = by_field(student.tables.contributions(asked, student.horizons[0]), places)[1]
        single.append(_overlap(np.abs(before), np.abs(after)))
        overall.append(_overlap(*(np.abs(parts).mean(axis=0)[None] for parts in (before, after))))
    if not single:
        return Stability(None, None, 0, len(asked))
    return Stability(float(np.mean(single)), float(np.mean(overall)), len(single), len(asked))


def _learnt_again(
    learned: Learned,
    history: LeadHistory,
    definition: LeadDefinition,
    recipe: Recipe,
    drawn: NDArray[np.intp],
) -> Any:
    """Return a student of the main horizon, learnt from the drawn leads."""
    encoder, codes, main = learned.scorer.encoder, learned.codes[drawn], learned.scorer.main_horizon
    labels: Any = replace(
        learned.labels,
        **{
            part.name: getattr(learned.labels, part.name)[drawn]
            for part in fields(learned.labels)
            if isinstance(getattr(learned.labels, part.name), np.ndarray)
        },
    )
    if isinstance(labels, HistoryLabels):
        everyone = np.ones(len(drawn), dtype=bool)
        teacher = teach_codes(codes, encoder, labels, everyone, recipe).teacher
        if teacher is None:
            raise NotEnoughEvidence("Too few wins among the drawn leads.")
        promised = teacher.probabilities(codes, definition.horizons)
        column, age = definition.horizons.index(main), labels.follow_up_days
    else:
        assert isinstance(learned.teacher, SnapshotTeacher)
        age = leads_since(history, learned.rows)[drawn]
        form = replace(recipe.snapshot_teacher, shares=learned.teacher.shares, seeds=(recipe.seed,))
        use = labels.worked & (_weights(age, recipe) > 0)
        again = SnapshotTeacher.fit(
            codes[use],
            encoder,
            labels.outcome[use],
            weights=_weights(age, recipe)[use],
            settings=form,
        )
        promised, column = again.probabilities(codes)[:, None], 0
    soft = soft_labels(promised, labels, definition)
    weights = _weights(age, recipe)[soft.rows]
    counts = weights > 0
    return fit_student(
        codes[soft.rows[counts]],
        encoder,
        soft.probabilities[counts][:, [column]],
        (EVER,),
        weights=weights[counts],
        settings=replace(
            recipe.student,
            trees=max(1, recipe.student.trees // 4),
            learning_rate=2 * recipe.student.learning_rate,
            pairs=None,
        ),
    )


def _weights(age: Floats, recipe: Recipe) -> Floats:
    weights = lead_weights(
        age, half_life_days=recipe.half_life_days, window_days=recipe.window_days
    )
    return np.ones(len(age)) if weights is None else weights


def _overlap(first: Floats, second: Floats) -> float:
    """Return the mean share of the strongest of each row that both have."""
    n = min(TOP, first.shape[1])
    chosen = [np.argsort(-sizes, axis=1, kind="stable")[:, :n] for sizes in (first, second)]
    shared = (chosen[0][:, :, None] == chosen[1][:, None, :]).any(axis=2)
    return float(shared.mean())
