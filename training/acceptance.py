"""P(accept): whether sales will work a lead. Shown beside quality, never multiplied into it.

A second small additive model, served as look-up tables like the student. It learns from decided
leads only, so it knows the habits of sales, prejudice included, and that is its use.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.definition import EVER
from features.errors import NotEnoughEvidence
from features.tables import AdditiveTables
from training.boosters import categories_of, grow
from training.linear import CodedInputs, fit_linear, log_odds
from training.snapshot_teacher import SMALL_BOOSTER
from training.student import Student

__all__ = ["balance", "fit_acceptance"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

RIDGE = 10.0
TREES = 150


def fit_acceptance(
    codes: Codes,
    encoder: CodedInputs,
    accepted: Floats,
    *,
    weights: Floats | None = None,
    seed: int = 0,
) -> AdditiveTables:
    """Learn P(accept) of decided leads, as look-up tables with the one horizon ``EVER``.

    A logistic regression bent by trees of depth 2; its base is moved so that the mean probability
    over the training leads is the share that was accepted.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_leads, n_inputs)
        Codes of decided leads; those whose reason is left out of acceptance are not among them.
    encoder : CodedInputs
        Kinds, sizes and bin medians of the inputs.
    accepted : ndarray of shape (n_leads,)
        1 accepted, 0 rejected.
    weights : ndarray of shape (n_leads,), optional
        Weight of each lead.
    seed : int
        Seed of the booster.

    Raises
    ------
    NotEnoughEvidence
        If all leads were accepted, or all rejected.
    """
    labels = np.asarray(accepted, dtype=np.float64)
    if not len(labels) or labels.min() == labels.max():
        raise NotEnoughEvidence(
            f"All {len(labels)} decided leads were decided alike, so acceptance cannot be learnt. "
            "Record rejections with their reasons, or publish without an acceptance model."
        )
    linear = fit_linear(codes, encoder, labels[:, None], ridge=RIDGE, weights=weights)
    booster = grow(
        codes.astype(np.float64),
        labels,
        categories=categories_of(encoder),
        start=linear.logits(codes)[:, 0],
        trees=TREES,
        parameters={**SMALL_BOOSTER, "num_leaves": 4, "max_depth": 2, "seed": seed},
        weights=weights,
    )
    sizes = tuple(given.size for given in encoder.inputs)
    tables = Student(booster, linear, (EVER,), sizes).tables
    return tables.shifted(balance(tables.logits(codes)[:, 0], labels, weights))


def balance(logits: Floats, labels: Floats, weights: Floats | None = None) -> float:
    """Return the shift of log-odds that makes the mean probability the mean label."""
    share = float(np.average(labels, weights=weights))
    shift = 0.0
    for _ in range(50):
        chance = 0.5 * (1.0 + np.tanh(0.5 * (logits + shift)))
        mean = float(np.average(chance, weights=weights))
        # A curve of mean probabilities is flatter than one lead's, so this step never overshoots.
        step = float(log_odds(np.asarray(share)) - log_odds(np.asarray(mean)))
        shift += step
        if abs(step) < 1e-12:
            break
    return shift
