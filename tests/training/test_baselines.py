from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.leads import LeadHistory
from tests.training.histories import day, definition_with, history_of, selling_history
from training.baselines import BASELINES, history_baselines, snapshot_baselines
from training.labels import label_history, label_snapshot
from training.metrics import observed_rate, roc_auc

DEFINITION = definition_with(recording_began="2026-01-01")


def snapshot(n: int = 600) -> LeadHistory:
    random = np.random.default_rng(0)
    source = random.choice(["webinar", "exhibition", "phone"], n)
    employees = random.integers(1, 500, n)
    chance = 1 / (1 + np.exp(-(1.5 * (source == "webinar") + employees / 250 - 2)))
    is_won = random.uniform(size=n) < chance
    marks = [(f"L{k}", None, "won" if won else "lost") for k, won in enumerate(is_won)]
    fields = {
        "source": [str(one) for one in source],
        "employees": [str(size) for size in employees],
    }
    return history_of({f"L{k}": float(k) for k in range(n)}, marks, fields, mode="snapshot")


@pytest.fixture(scope="module")
def of_snapshot() -> tuple[LeadHistory, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    history = snapshot()
    labels = label_snapshot(history, DEFINITION)
    train = np.arange(len(history.leads)) < 450
    return history, labels.outcome, train, snapshot_baselines(history, DEFINITION, labels, train)


def test_every_baseline_answers_for_every_lead_of_a_snapshot(of_snapshot) -> None:
    _, outcome, train, answers = of_snapshot
    assert tuple(answers) == BASELINES
    for promised in answers.values():
        assert promised.shape == outcome.shape
        assert ((promised > 0) & (promised < 1)).all()
    assert answers["base_rate"] == pytest.approx(outcome[train].mean())


def test_each_baseline_uses_what_it_may_know(of_snapshot) -> None:
    history, outcome, train, answers = of_snapshot
    auc = {name: roc_auc(outcome[~train], promised[~train]) for name, promised in answers.items()}
    assert auc["base_rate"] == 0.5
    assert 0.55 < auc["base_rate_by_channel"] < auc["linear"]
    assert auc["lightgbm_tuned"] > 0.65
    assert auc["naive_bayes"] > 0.6
    by_channel = pd.Series(answers["base_rate_by_channel"]).groupby(history.fields["source"])
    assert (by_channel.nunique() == 1).all()


def test_outcomes_of_test_leads_change_nothing(of_snapshot) -> None:
    history, _, train, answers = of_snapshot
    labels = label_snapshot(history, DEFINITION)
    labels.outcome[~train] = 1.0 - labels.outcome[~train]
    again = snapshot_baselines(history, DEFINITION, labels, train)
    for name in BASELINES:
        np.testing.assert_array_equal(answers[name], again[name])


def test_every_baseline_answers_for_every_lead_and_horizon_of_a_history() -> None:
    history = selling_history(1200, seed=3)
    labels = label_history(history, DEFINITION, day(400))
    answers = history_baselines(history, DEFINITION, labels)
    assert tuple(answers) == BASELINES
    for promised in answers.values():
        assert promised.shape == (1200, 4)
        assert (np.diff(promised, axis=1) >= 0).all()
        assert ((promised >= 0) & (promised < 1)).all()
    rate = observed_rate(
        labels.entry_days, labels.until_days, ~np.isnan(labels.won_days), DEFINITION.horizons
    )
    np.testing.assert_allclose(answers["base_rate"][7], rate)
    webinar = (history.fields["source"] == "webinar").to_numpy()
    for name in set(BASELINES) - {"base_rate"}:
        assert answers[name][webinar, 2].mean() > 1.3 * answers[name][~webinar, 2].mean()
    for name in ("linear", "lightgbm_tuned", "base_rate_by_channel"):
        assert answers[name][:, 2].mean() == pytest.approx(rate[2], rel=0.2)


def test_naive_bayes_counts_closed_leads_where_losses_are_marked() -> None:
    history = selling_history(1000, seed=4)
    turned_away = [(f"L{k}", 399.0, "rejected", "no_fit") for k in range(0, 1000, 10)]
    lost = [(f"L{k}", 399.5, "lost") for k in range(1, 1000, 10)]
    extra = history_of(
        dict.fromkeys((f"L{k}" for k in range(1000)), 0.0), [*turned_away, *lost]
    ).events
    events = pd.concat([history.events, extra], ignore_index=True)
    events["event_id"] = [f"e{k}" for k in range(len(events))]
    closed = LeadHistory(
        "history", history.leads, history.fields, history.later, events, history.behaviours, ()
    )
    labels = label_history(closed, DEFINITION, day(400))
    rows = np.arange(1000) < 900
    answers = history_baselines(closed, DEFINITION, labels, rows=rows, horizons=(90, 365))
    n_won = int((~np.isnan(labels.won_days[rows])).sum())
    n_lost = int(labels.lost[rows].sum())
    middle = np.median(answers["naive_bayes"])
    assert middle == pytest.approx(n_won / (n_won + n_lost), abs=0.15)
    assert answers["lightgbm_tuned"].shape == (1000, 2)


def test_a_horizon_before_the_first_win_has_the_rate_nought_by_channel() -> None:
    history = selling_history(800, seed=5)
    labels = label_history(history, DEFINITION, day(400))
    first = np.nanmin(labels.won_days)
    assert first > 0.5
    labels.won_days[labels.won_days < 20] = np.nan
    answers = history_baselines(history, DEFINITION, labels, horizons=(15, 90))
    assert (answers["base_rate_by_channel"][:, 0] == 0).all()
    assert (answers["base_rate_by_channel"][:, 1] > 0).all()


def test_the_tuned_booster_stays_out_where_its_newest_fifth_has_no_win() -> None:
    history = selling_history(800, seed=5)
    labels = label_history(history, DEFINITION, day(400))
    labels.won_days[600:] = np.nan  # leads stand in order of arrival

    answers = history_baselines(history, DEFINITION, labels, horizons=(90,))

    assert tuple(answers) == tuple(name for name in BASELINES if name != "lightgbm_tuned")
