"""What the served model is compared with, on the same rows and with the same knowledge.

Base rate, base rate by channel, a linear model alone, LightGBM tuned, and frequency naive Bayes in
the manner of Odoo. Each one learns from training leads and answers for every lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.definition import EVER
from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from training.base_rates import base_rate_tables
from training.labels import HistoryLabels, SnapshotLabels
from training.linear import fit_linear
from training.metrics import observed_rate
from training.naive_bayes import FrequencyNaiveBayes
from training.periods import days_by_period, period_cuts, person_periods
from training.splits import earlier_part
from training.teacher import HazardTeacher
from training.tuned_booster import booster_columns, tune_booster

if TYPE_CHECKING:
    from features.definition import LeadDefinition
    from features.leads import LeadHistory

__all__ = ["BASELINES", "history_baselines", "snapshot_baselines"]

BASELINES = ("base_rate", "base_rate_by_channel", "linear", "lightgbm_tuned", "naive_bayes")
"""The names, in the order of the report."""

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FINEST_BINS = 254
_OLDER = 0.8
"""Share of the training leads that fit a booster's candidates; the newest fifth chooses."""


def snapshot_baselines(
    history: LeadHistory,
    definition: LeadDefinition,
    labels: SnapshotLabels,
    train: Mask,
    *,
    seed: int = 0,
) -> dict[str, Floats]:
    """Return each baseline's chance to be won, by name, for all leads of a snapshot.

    Parameters
    ----------
    history : LeadHistory
        All leads.
    definition : LeadDefinition
        The agreement.
    labels : SnapshotLabels
        Labels of the same leads; only outcomes of training leads are read.
    train : ndarray of bool, shape (n_leads,)
        Leads to learn from; those without a known outcome teach nothing.
    seed : int
        Seed of the booster.

    Returns
    -------
    dict of str to ndarray of float, shape (n_leads,)
        Keyed by `BASELINES`.

    Raises
    ------
    NotEnoughEvidence
        If training leads were not both won and lost.
    """
    known = train & labels.worked
    encoder = LeadEncoder.fit(history, definition, train)
    codes = encoder.encode_history(history)
    fine, fine_codes = _fine(history, definition, train)
    outcome = labels.outcome[known]
    linear = fit_linear(codes[known], encoder, outcome[:, None], ridge=1.0)
    inputs = booster_columns(fine_codes, fine, known)
    older, _ = earlier_part(history, known, share=_OLDER)
    booster = tune_booster(inputs[known], outcome, ~older[known], seed=seed)
    counts = FrequencyNaiveBayes.fit(fine_codes[known], fine.sizes, _kinds(fine), outcome)
    return {
        "base_rate": np.full(len(codes), outcome.mean()),
        "base_rate_by_channel": _channel_rates(encoder, codes, labels, train, (EVER,))[:, 0],
        "linear": _expit(linear.logits(codes)[:, 0]),
        "lightgbm_tuned": _expit(booster.raw_scores(inputs)),
        "naive_bayes": counts.probabilities(fine_codes),
    }


def history_baselines(
    history: LeadHistory,
    definition: LeadDefinition,
    labels: HistoryLabels,
    *,
    rows: Mask | None = None,
    horizons: Sequence[int] | None = None,
    encoded: tuple[LeadEncoder, Codes] | None = None,
    tunes: bool = True,
    seed: int = 0,
) -> dict[str, Floats]:
    """Return each baseline's chance to win by each horizon, by name, for all leads of a history.

    Base rates are those of Kaplan and Meier with late entry; the linear model and the booster learn
    hazards from the same person-period rows as the teacher, the booster with time as one more
    column. Naive Bayes knows no time: as in a CRM it counts leads won by now against leads lost or
    turned away by now (against all others where nobody is ever marked lost) and gives the same
    answer for every horizon.

    Parameters
    ----------
    history : LeadHistory
        All leads.
    definition : LeadDefinition
        The agreement.
    labels : HistoryLabels
        Labels as known at the cut-off.
    rows : ndarray of bool, optional
        Leads to learn from; all that had arrived by default.
    horizons : sequence of int, optional
        Days; the definition's by default.
    encoded : tuple of LeadEncoder and ndarray of int32, optional
        An encoder that was fitted on the same leads with all fields, and its codes of all leads;
        made here by default.
    tunes : bool
        Whether ``lightgbm_tuned`` is wanted; it takes longer than all the others together.
    seed : int
        Seed of the boosters.

    Returns
    -------
    dict of str to ndarray of float, shape (n_leads, n_horizons)
        Keyed by `BASELINES`; without ``lightgbm_tuned`` where it is not wanted, or its choice has
        no win to go by.

    Raises
    ------
    NotEnoughEvidence
        If there are no wins.
    """
    days = tuple(definition.horizons if horizons is None else horizons)
    there = np.asarray(labels.state != "not_arrived")
    if rows is not None:
        there &= rows
    worked = there & labels.worked
    if encoded is None:
        encoder = LeadEncoder.fit(history, definition, there)
        encoded = encoder, encoder.encode_history(history)
    encoder, codes = encoded
    fine, fine_codes = _fine(history, definition, there)
    # Only its regression is asked: the booster beside it is kept as small as it can be.
    teacher = HazardTeacher.fit(
        codes, encoder, labels, horizons=days, rows=there, seed=seed, size=0.0
    )
    is_won = ~np.isnan(labels.won_days[worked])
    overall = observed_rate(labels.entry_days[worked], labels.until_days[worked], is_won, days)
    outcome, is_counted = _closed(labels, there)
    counts = FrequencyNaiveBayes.fit(
        fine_codes[is_counted], fine.sizes, _kinds(fine), outcome[is_counted]
    )
    ever = counts.probabilities(fine_codes)
    found = {
        "base_rate": np.tile(overall, (len(codes), 1)),
        "base_rate_by_channel": _channel_rates(encoder, codes, labels, there, days),
        "linear": teacher.probabilities(codes, days, "glm"),
        "naive_bayes": np.tile(ever[:, None], (1, len(days))),
    }
    if tunes:
        with suppress(NotEnoughEvidence):
            found["lightgbm_tuned"] = _tuned_hazards(
                history, fine, fine_codes, labels, there, days, seed
            )
    return {name: found[name] for name in BASELINES if name in found}


def _tuned_hazards(
    history: LeadHistory,
    fine: LeadEncoder,
    codes: Codes,
    labels: HistoryLabels,
    there: Mask,
    days: tuple[int, ...],
    seed: int,
) -> Floats:
    """Return the chances by a tuned Poisson booster with the period as a column."""
    periods = person_periods(labels, there, period_cuts(days))
    worked = there & labels.worked
    inputs = booster_columns(codes, fine, worked)
    older, _ = earlier_part(history, worked, share=_OLDER)
    booster = tune_booster(
        _with_period(inputs[periods.lead], periods.period),
        periods.is_won.astype(np.float64),
        ~older[periods.lead],
        objective="poisson",
        start=np.log(periods.exposure_days * periods.rates[periods.period]),
        seed=seed,
    )
    hazards = [
        rate * np.exp(booster.raw_scores(_with_period(inputs, np.full(len(codes), period))))
        for period, rate in enumerate(periods.rates)
    ]
    cumulative = np.column_stack(hazards) @ days_by_period(days, periods.cuts)
    return np.asarray(-np.expm1(-cumulative))


def _with_period(inputs: sparse.csr_array, period: NDArray[np.int64]) -> sparse.csr_array:
    column = sparse.csr_array(period.astype(np.float64)[:, None])
    return sparse.csr_array(sparse.hstack([inputs, column], format="csr"))


def _channel_rates(
    encoder: LeadEncoder,
    codes: Codes,
    labels: HistoryLabels | SnapshotLabels,
    rows: Mask,
    horizons: tuple[int, ...],
) -> Floats:
    """Return rates by channel; a horizon before the first win has the rate 0."""
    tables = base_rate_tables(encoder, codes, labels, rows, horizons)
    rates = np.zeros((len(codes), len(horizons)))
    rates[:, [horizons.index(horizon) for horizon in tables.horizons]] = _expit(
        tables.logits(codes)
    )
    return rates


def _closed(labels: HistoryLabels, there: Mask) -> tuple[Floats, Mask]:
    """Return outcome and choice of the leads that a CRM calls won or lost by now."""
    is_won = there & ~np.isnan(labels.won_days)
    is_lost = there & ~is_won & (labels.lost | np.isin(labels.state, ("rejected", "left_out")))
    return is_won.astype(np.float64), (is_won | is_lost) if is_lost.any() else there


def _fine(
    history: LeadHistory, definition: LeadDefinition, rows: Mask
) -> tuple[LeadEncoder, Codes]:
    """Return an encoder that keeps every value it has seen, and its codes."""
    encoder = LeadEncoder.fit(history, definition, rows, min_leads=1, max_bins=_FINEST_BINS)
    return encoder, encoder.encode_history(history)


def _kinds(encoder: LeadEncoder) -> tuple[str, ...]:
    return tuple(given.kind for given in encoder.inputs)


def _expit(logit: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))
