from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.encoder import LeadEncoder
from features.errors import NotEnoughEvidence
from features.leads import LeadHistory
from tests.training.histories import coded, day, definition_with, history_of, selling_history
from training.labels import label_history
from training.metrics import evaluate, observed_rate
from training.teacher import HazardTeacher

DEFINITION = definition_with(recording_began="2026-01-01")
HORIZONS = DEFINITION.horizons


@pytest.fixture(scope="module")
def taught() -> dict[str, Any]:
    history = selling_history(2500)
    codes, encoder, labels = coded(history, DEFINITION, 400)
    teacher = HazardTeacher.fit(codes, encoder, labels, horizons=HORIZONS)
    return {
        "history": history,
        "codes": codes,
        "encoder": encoder,
        "labels": labels,
        "teacher": teacher,
    }


def truth(history: LeadHistory) -> np.ndarray:
    """Return the true chances at the horizons, for leads whose size is known."""
    employees = history.fields["employees"].astype(float).to_numpy()
    log_rate = 1.0 * (history.fields["source"] == "webinar").to_numpy()
    log_rate = log_rate + 0.5 * (np.log1p(employees) - 4) / 1.2
    return -np.expm1(-0.3 * np.exp(log_rate)[:, None] * np.array(HORIZONS) / 365.25)


@pytest.mark.parametrize(("part", "least"), [("both", 0.93), ("glm", 0.93), ("booster", 0.85)])
def test_the_teacher_finds_who_wins_and_how_fast(
    taught: dict[str, Any], part: Any, least: float
) -> None:
    true = truth(taught["history"])
    known = ~np.isnan(true[:, 0])
    found = taught["teacher"].probabilities(taught["codes"], HORIZONS, part)[known]
    true = true[known]
    for horizon in range(len(HORIZONS)):
        assert found[:, horizon].mean() == pytest.approx(true[:, horizon].mean(), rel=0.15)
        assert np.corrcoef(np.log(found[:, horizon]), np.log(true[:, horizon]))[0, 1] > least


def test_the_mean_promise_is_the_observed_rate(taught: dict[str, Any]) -> None:
    labels = taught["labels"]
    rate = observed_rate(labels.entry_days, labels.until_days, ~np.isnan(labels.won_days), HORIZONS)
    found = taught["teacher"].probabilities(taught["codes"], HORIZONS).mean(axis=0)
    np.testing.assert_allclose(found, rate, rtol=0.08)


def test_chances_rise_with_the_horizon_and_stay_between_zero_and_one(
    taught: dict[str, Any],
) -> None:
    found = taught["teacher"].probabilities(taught["codes"], (1, 10, 30, 77.5, 180, 365))
    assert (np.diff(found, axis=1) > 0).all()
    assert ((found > 0) & (found < 1)).all()


def test_both_is_the_mean_of_the_log_cumulative_hazards(taught: dict[str, Any]) -> None:
    teacher, codes = taught["teacher"], taught["codes"]
    parts = [teacher.log_cumulative_hazards(codes, (90,), part) for part in ("glm", "booster")]
    both = teacher.log_cumulative_hazards(codes, (90,))
    np.testing.assert_allclose(both, (parts[0] + parts[1]) / 2, rtol=1e-12)


def test_same_leads_and_seed_give_the_same_teacher_bit_by_bit(taught: dict[str, Any]) -> None:
    again = HazardTeacher.fit(
        taught["codes"], taught["encoder"], taught["labels"], horizons=HORIZONS
    )
    teacher = taught["teacher"]
    np.testing.assert_array_equal(again.glm, teacher.glm)
    assert again.booster.model_to_string() == teacher.booster.model_to_string()
    np.testing.assert_array_equal(
        again.probabilities(taught["codes"], HORIZONS),
        teacher.probabilities(taught["codes"], HORIZONS),
    )
    other = HazardTeacher.fit(
        taught["codes"], taught["encoder"], taught["labels"], horizons=HORIZONS, seed=1
    )
    assert other.booster.model_to_string() != teacher.booster.model_to_string()


def test_codes_never_seen_in_training_are_answered(taught: dict[str, Any]) -> None:
    last = [given.size - 1 for given in taught["encoder"].inputs]
    codes = np.array([last, [0] * len(last)], dtype=np.int32)
    assert np.isfinite(taught["teacher"].log_cumulative_hazards(codes, HORIZONS)).all()


def test_only_worked_leads_and_chosen_rows_teach(taught: dict[str, Any]) -> None:
    rows = np.arange(2500) < 1200
    teacher = HazardTeacher.fit(taught["codes"], taught["encoder"], taught["labels"], rows=rows)
    assert teacher.n_leads == 1200
    assert teacher.n_wins == int((~np.isnan(taught["labels"].won_days[rows])).sum())


def test_horizons_beyond_a_year_need_a_teacher_that_was_asked_for_them(
    taught: dict[str, Any],
) -> None:
    for horizons in ((30, 730), (0, 30)):
        with pytest.raises(ValueError, match="above 0 and up to 365 days"):
            taught["teacher"].probabilities(taught["codes"], horizons)
    longer = HazardTeacher.fit(
        taught["codes"], taught["encoder"], taught["labels"], horizons=(730,)
    )
    assert longer.probabilities(taught["codes"][:5], (730,)).shape == (5, 1)


def test_without_a_recorded_win_there_is_nothing_to_learn() -> None:
    history = history_of(
        {f"L{k}": float(k) for k in range(20)},
        [("L1", 2, "accepted")],
        {"source": ["phone", "webinar"] * 10},
    )
    codes, encoder, labels = coded(history, DEFINITION, 100)
    with pytest.raises(NotEnoughEvidence, match="recording_began"):
        HazardTeacher.fit(codes, encoder, labels)


DATA = os.environ.get("LEADS_REAL_DATA")


def funnel() -> LeadHistory:
    """Return the public funnel: leads by first contact, wins by date, nothing else."""
    folder = Path(str(DATA)) / "olist_funnel"
    leads = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv")
    wins = pd.read_csv(folder / "olist_closed_deals_dataset.csv", usecols=["mql_id", "won_date"])
    leads = leads.sort_values(["first_contact_date", "mql_id"], ignore_index=True)
    zero = datetime(2026, 1, 1)

    def days(times: pd.Series) -> list[float]:
        return [float(gap) for gap in (pd.to_datetime(times) - zero) / timedelta(days=1)]

    fields = leads[["landing_page_id", "origin"]].astype(object)
    fields = fields.where(fields.notna(), None)
    return history_of(
        dict(zip(leads["mql_id"], days(leads["first_contact_date"]), strict=True)),
        [
            (lead, at, "won")
            for lead, at in zip(wins["mql_id"], days(wins["won_date"]), strict=True)
        ],
        {"landing_page": list(fields["landing_page_id"]), "origin": list(fields["origin"])},
    )


@pytest.mark.skipif(DATA is None, reason="LEADS_REAL_DATA is not set: real data is not here")
def test_on_a_real_funnel_the_teacher_is_calibrated_on_what_came_after_each_cut_off() -> None:
    category = {"type": "category", "names": {"ja": "x", "en": "x"}, "group": "interest"}
    fields = {
        "landing_page": category,
        "origin": category,
        "arrived_at": {**category, "type": "time"},
    }
    definition = definition_with(fields=fields, channel_field="origin", time_zone="UTC")
    history = funnel()
    finally_known = label_history(history, definition, datetime(2018, 12, 31, tzinfo=UTC))
    promised, outcome = [], []
    for month in (2, 3, 4, 5):
        cut_off = datetime(2018, month, 1, tzinfo=UTC)
        labels = label_history(history, definition, cut_off)
        encoder = LeadEncoder.fit(history, definition, labels.state != "not_arrived")
        codes = encoder.encode_history(history)
        teacher = HazardTeacher.fit(codes, encoder, labels)
        arrived = history.leads["arrived_at"]
        test = np.asarray((arrived >= cut_off) & (arrived < cut_off + timedelta(days=30)))
        promised.append(teacher.probabilities(codes[test], (90,))[:, 0])
        outcome.append((finally_known.won_days[test] <= 90).astype(float))
    result = evaluate(np.concatenate(outcome), np.concatenate(promised))
    assert result.n == 4894
    assert result.log_loss <= 0.346
    assert 0.85 <= result.predicted_over_observed.value <= 1.15


def test_days_of_the_helper_are_days() -> None:
    assert day(1.5) == datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_half_life_follows_what_changed(taught: dict[str, Any]) -> None:
    labels = taught["labels"]
    # The market falls to a fifth: only one in five of the wins of the newer half remains.
    is_newer = np.arange(2500) >= 1250
    kept = np.random.default_rng(0).random(2500) < 0.2
    fallen = replace(labels, won_days=np.where(is_newer & ~kept, np.nan, labels.won_days))
    rate = []
    for half_life_days in (None, 1e9, 40.0):
        teacher = HazardTeacher.fit(
            taught["codes"], taught["encoder"], fallen, half_life_days=half_life_days
        )
        rate.append(float(teacher.probabilities(taught["codes"], (90,)).mean()))
    assert rate[1] == pytest.approx(rate[0], rel=1e-3)
    assert rate[2] < 0.75 * rate[0]


def test_the_share_of_the_regression_goes_from_the_booster_to_the_regression(
    taught: dict[str, Any],
) -> None:
    teacher, codes = taught["teacher"], taught["codes"]
    for share, part in ((0.0, "booster"), (1.0, "glm")):
        alone = replace(teacher, glm_share=share)
        np.testing.assert_array_equal(
            alone.probabilities(codes, HORIZONS), teacher.probabilities(codes, HORIZONS, part)
        )


def test_the_booster_has_a_multiple_of_the_usual_trees(taught: dict[str, Any]) -> None:
    given = (taught["codes"], taught["encoder"], taught["labels"])
    assert taught["teacher"].booster.num_trees() == 40
    assert HazardTeacher.fit(*given, size=0.25).booster.num_trees() == 10
