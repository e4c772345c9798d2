"""Choices made on validation inside the training span: the teacher's shares and the student's form.

Test rows are never seen here. Validation is always later than what was learnt from: rolling origins
for the shares, the time-ordered last fifth for the form. The default stays unless another candidate
is better by more than one paired standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from training.linear import CodedInputs
from training.snapshot_teacher import Shares, SnapshotTeacher, SnapshotTeacherSettings
from training.student import Student, StudentSettings, fit_student

__all__ = [
    "FORMS",
    "SHARES",
    "Candidate",
    "Choice",
    "choose_form",
    "choose_shares",
    "choose_snapshot_form",
    "log_losses",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

SHARES: tuple[Shares, ...] = (
    (0.0, 0.2, 0.4, 0.4),
    (0.0, 1 / 3, 1 / 3, 1 / 3),
    (0.0, 0.0, 0.5, 0.5),
    (0.25, 0.25, 0.25, 0.25),
    (0.5, 0.25, 0.0, 0.25),
    (0.25, 0.25, 0.0, 0.5),
    (0.0, 1.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 1.0),
)
"""Blends of the teacher's members; the default first."""

FORMS: Mapping[str, StudentSettings] = {
    "linear start, depth 2, twenty pairs": StudentSettings(),
    "linear start, depth 2, all pairs": StudentSettings(pairs=None),
    "no start, depth 2, all pairs": StudentSettings(pairs=None, starts_linear=False),
}
"""Forms of the student that can be served as tables; the default first."""

ORIGINS = (0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of the training span: learn up to each but the last, judge up to the next."""


@dataclass(frozen=True)
class Candidate:
    """How one candidate did on validation.

    Attributes
    ----------
    name : str
        What it is.
    loss : float
        Mean log loss over the validation leads.
    against_default, standard_error : float
        Paired difference of the mean to the first candidate, and its standard error.
    """

    name: str
    loss: float
    against_default: float
    standard_error: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, beside all that was tried."""

    chosen: str
    candidates: tuple[Candidate, ...]


def log_losses(logits: Floats, outcome: Floats) -> Floats:
    """Return the log loss of each lead, ``log(1 + e^z) − y·z``."""
    losses: Floats = np.logaddexp(0.0, logits) - outcome * logits
    return losses


def choose_form(
    fit: Callable[[StudentSettings], Student],
    losses: Callable[[Student], Floats],
    forms: Mapping[str, StudentSettings] = FORMS,
) -> tuple[StudentSettings, Choice]:
    """Keep the first form unless another beats it by more than one paired standard error.

    Parameters
    ----------
    fit : callable
        Fits a student of the given form on the earlier training leads.
    losses : callable
        Loss of that student for each of the later training leads, in the same order every time
        (censoring-weighted in history mode).
    forms : mapping of str to StudentSettings
        The candidates, the default first.
    """
    per_lead = {name: losses(fit(settings)) for name, settings in forms.items()}
    candidates = _compared(per_lead)
    chosen = candidates[_best(candidates)].name
    return forms[chosen], Choice(chosen, candidates)


def choose_snapshot_form(
    codes: Codes,
    encoder: CodedInputs,
    outcome: Floats,
    *,
    teacher: SnapshotTeacherSettings | None = None,
    forms: Mapping[str, StudentSettings] = FORMS,
) -> tuple[StudentSettings, Choice]:
    """Choose the student's form on the last fifth of leads in order of arrival (snapshot mode).

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Training leads, earliest first.
    encoder : CodedInputs
        Kinds, sizes and bin medians of the inputs.
    outcome : ndarray of shape (n_leads,)
        1 won, 0 not.
    teacher : SnapshotTeacherSettings, optional
        Form of the teacher.
    forms : mapping of str to StudentSettings
        The candidates, the default first.
    """
    cut = int(len(codes) * 0.8)
    labels = np.asarray(outcome, dtype=np.float64)
    soft = SnapshotTeacher.fit(codes[:cut], encoder, labels[:cut], settings=teacher)
    soft_labels = soft.probabilities(codes[:cut])[:, None]
    return choose_form(
        lambda form: fit_student(codes[:cut], encoder, soft_labels, (EVER,), settings=form),
        lambda student: log_losses(student.logits(codes[cut:])[:, 0], labels[cut:]),
        forms,
    )


def choose_shares(
    codes: Codes,
    encoder: CodedInputs,
    outcome: Floats,
    *,
    weights: Floats | None = None,
    settings: SnapshotTeacherSettings | None = None,
    shares: Sequence[Shares] = SHARES,
) -> tuple[SnapshotTeacherSettings, Choice]:
    """Choose the blend of the snapshot teacher's members on rolling origins, pooled.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Training leads, earliest first.
    encoder : CodedInputs
        Kinds, sizes and bin medians of the inputs.
    outcome : ndarray of shape (n_leads,)
        1 won, 0 not.
    weights : ndarray of shape (n_leads,), optional
        What each lead counts when it is learnt from; all are judged alike.
    settings : SnapshotTeacherSettings, optional
        Everything but the shares.
    shares : sequence of four float each
        The candidates, the default first.

    Returns
    -------
    tuple of (SnapshotTeacherSettings, Choice)
        The default shares where no origin has both outcomes before it.
    """
    start = settings or SnapshotTeacherSettings()
    quick = replace(start, seeds=start.seeds[:1])
    labels = np.asarray(outcome, dtype=np.float64)
    members, seen = [np.empty((0, 4))], [np.empty(0)]
    for before, after in _origins(len(codes)):
        if labels[before].min() < labels[before].max():
            fitted = SnapshotTeacher.fit(
                codes[before],
                encoder,
                labels[before],
                weights=None if weights is None else weights[before],
                settings=quick,
            )
            members.append(fitted.members(codes[after]))
            seen.append(labels[after])
    logits, truth = np.concatenate(members), np.concatenate(seen)
    if not len(truth):
        return start, Choice(_named(start.shares), ())
    candidates = _compared(
        {_named(blend): log_losses(logits @ np.asarray(blend), truth) for blend in shares}
    )
    best = _best(candidates)
    return replace(start, shares=shares[best]), Choice(candidates[best].name, candidates)


def _origins(n_leads: int) -> Iterator[tuple[slice, slice]]:
    cuts = [int(n_leads * share) for share in ORIGINS]
    for cut, end in pairwise(cuts):
        if 0 < cut < end:
            yield slice(0, cut), slice(cut, end)


def _named(shares: Shares) -> str:
    members = ("logistic", "grouping", "listing", "bending")
    return ", ".join(
        f"{share:.0%} {name}" for share, name in zip(shares, members, strict=True) if share
    )


def _best(candidates: Sequence[Candidate]) -> int:
    """Return the position of the best candidate, or 0 where none is clearly better than it."""
    clear = [
        position
        for position, found in enumerate(candidates)
        if found.against_default < -found.standard_error
    ]
    return min(clear, key=lambda position: candidates[position].loss, default=0)


def _compared(per_lead: Mapping[str, Floats]) -> tuple[Candidate, ...]:
    first = next(iter(per_lead.values()))
    found = []
    for name, losses in per_lead.items():
        difference = losses - first
        spread = float(difference.std() / np.sqrt(max(len(difference), 1)))
        found.append(Candidate(name, float(losses.mean()), float(difference.mean()), spread))
    return tuple(found)
