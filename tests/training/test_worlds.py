"""The invented market: its rates, its truth, and who knows what when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from features.definition import load_definition
from features.events import Act, behaviour_values
from features.text import (
    category_key,
    company_form,
    email_domain_kind,
    parse_number,
    phone_kind,
    text_length,
)
from features.titles import title_rank
from training.worlds import HORIZONS, World, WorldImpossible, WorldSettings, make_world
from training.worlds.activity import draw_acts_before
from training.worlds.leaks import LEAKS
from training.worlds.people import draw_people
from training.worlds.sales import pooled_shift
from training.worlds.vocabulary import RANKS, TITLES

CHANCES = [f"p_{days}" for days in HORIZONS]
SMALL = WorldSettings(n_leads=1200, n_test=200, days=365, seed=5)


@cache
def world_of(given: WorldSettings) -> World:
    return make_world(given)


def full_world(prejudice: float = 1.5) -> World:
    """The size of the acceptance; made once for all tests."""
    return world_of(WorldSettings(prejudice=prejudice))


def test_base_rates_are_those_of_the_published_simulator() -> None:
    truth = full_world().training_truth()
    assert truth[CHANCES].mean().to_numpy() == pytest.approx([0.022, 0.059, 0.089, 0.112], rel=0.06)


def test_the_truth_ranks_as_well_as_the_published_simulators() -> None:
    truth = pd.concat([full_world().test_truth(), full_world().training_truth()])
    assert roc_auc_score(truth["won_days"] <= 90, truth["p_90"]) == pytest.approx(0.77, abs=0.02)


def test_the_truth_is_what_happens_to_leads_that_are_worked() -> None:
    truth = full_world().truth
    for days in HORIZONS:
        realised = (truth["won_days"] <= days).mean()
        noise = np.sqrt(realised / len(truth))
        assert truth[f"p_{days}"].mean() == pytest.approx(realised, abs=3.5 * noise)
    tenth = pd.qcut(truth["p_90"], 10, labels=False)
    table = truth.assign(won=truth["won_days"] <= 90).groupby(tenth)[["p_90", "won"]].mean()
    assert np.abs(table["p_90"] - table["won"]).max() < 0.02


def test_shares_of_decisions_are_those_of_the_published_simulator() -> None:
    world = full_world()
    handling = world.training_truth()["handling"].value_counts(normalize=True)
    assert handling["neglected"] == pytest.approx(0.18, abs=0.01)
    worked = handling["worked"] + handling["recycled"]
    assert worked * 16_000 == pytest.approx(6_270, rel=0.05)
    assert handling["rejected"] * 16_000 == pytest.approx(6_800, rel=0.05)
    events = world.training_part().events
    assert (events["kind"] == "won").sum() == pytest.approx(820, rel=0.15)
    assert {"accepted", "rejected", "touched", "won", "lost", "recycled", "retracted"} == set(
        events["kind"]
    )


@pytest.mark.parametrize("prejudice", [0.0, 1.5, 3.0])
def test_rejected_leads_are_truly_worse_by_the_shift_that_was_asked_for(prejudice: float) -> None:
    truth = full_world(prejudice).training_truth()
    rejected = truth[truth["handling"].isin(["rejected", "recycled"])]
    shift = pooled_shift(rejected["worked_90"].to_numpy(), rejected["own_90"].to_numpy())
    assert shift == pytest.approx(-0.7, abs=0.1)


def test_without_a_shift_sales_hears_nothing() -> None:
    truth = world_of(WorldSettings(rejection_shift=0.0)).training_truth()
    rejected = truth[truth["handling"] == "rejected"]
    shift = pooled_shift(rejected["worked_90"].to_numpy(), rejected["own_90"].to_numpy())
    assert shift == pytest.approx(0.0, abs=0.1)  # competitors are known as such, and are a few


def test_a_shift_that_no_hearing_can_give_is_refused() -> None:
    with pytest.raises(
        WorldImpossible, match=r"rejection_shift -2.5 cannot be reached.*deepest is -"
    ):
        make_world(replace(SMALL, rejection_shift=-2.5))


def test_prejudice_moves_decisions_and_not_the_truth() -> None:
    fair, unfair = full_world(0.0), full_world(3.0)
    pd.testing.assert_frame_equal(fair.fields, unfair.fields)
    same = [*CHANCES, "won_days", "is_prejudiced"]
    pd.testing.assert_frame_equal(fair.truth[same], unfair.truth[same])
    worked = [
        world.truth.groupby("is_prejudiced")["propensity"].mean().to_numpy()
        for world in (fair, unfair)
    ]
    assert worked[0][1] == pytest.approx(worked[0][0], abs=0.08)
    assert worked[1][1] < 0.5 * worked[1][0]


def test_prejudice_turns_good_judgement_into_none() -> None:
    agreement = [
        np.corrcoef(world.truth["propensity"], world.truth["p_90"])[0, 1]
        for world in map(full_world, (0.0, 1.5, 3.0))
    ]
    assert agreement[0] > 0.75
    assert 0.1 < agreement[1] < 0.45
    assert -0.15 < agreement[2] < 0.1


def test_chances_rise_with_the_horizon_and_stay_probabilities() -> None:
    chances = full_world().truth[CHANCES].to_numpy()
    assert (np.diff(chances, axis=1) > 0).all()
    assert chances.min() > 0
    assert chances.max() < 1


def test_nothing_is_known_after_the_cut_off() -> None:
    world = full_world()
    history = world.training_part()
    for moments in (
        history.leads["arrived_at"],
        history.events["at"],
        history.behaviours["at"],
    ):
        assert moments.max() <= world.cut_off
    assert len(history.leads) == 16_000
    assert set(history.events["lead_id"]) <= set(history.leads["lead_id"])
    assert world.events["at"].max() > world.cut_off


def test_the_test_span_follows_the_cut_off_and_knows_no_outcome() -> None:
    world = full_world()
    future = world.test_part()
    arrived = future.leads["arrived_at"]
    assert arrived.min() >= world.cut_off
    assert arrived.max() <= world.cut_off + timedelta(days=60)
    assert len(future.events) == 0
    assert future.leads["lead_id"].equals(world.test_truth()["lead_id"])


def test_a_decision_never_comes_before_the_arrival_nor_a_win_before_the_first_touch() -> None:
    world = full_world()
    arrived = world.leads.set_index("lead_id")["arrived_at"]
    events = world.events
    assert (events["at"] >= events["lead_id"].map(arrived)).all()
    first = events[events["kind"] == "touched"].groupby("lead_id")["at"].min()
    won = events[events["kind"] == "won"].set_index("lead_id")["at"]
    both = won.index.intersection(first.index)
    assert (won[both] > first[both]).all()
    assert won.index.is_unique


def test_winners_are_busier_after_arrival_so_that_point_in_time_matters() -> None:
    world = full_world()
    arrived = world.leads.set_index("lead_id")["arrived_at"]
    acts = world.behaviours
    later = acts[np.asarray(acts["at"] > acts["lead_id"].map(arrived))]
    count = later.groupby("lead_id").size().reindex(world.leads["lead_id"]).fillna(0).to_numpy()
    wins = world.truth["won_days"].notna().to_numpy()
    assert roc_auc_score(wins, count) > 0.9


def test_the_truth_reads_the_behaviours_that_the_features_compute() -> None:
    people = draw_people(SMALL)
    _, activity = draw_acts_before(SMALL.seed, people)
    world = world_of(SMALL)
    behaviours = load_definition().behaviours
    acts = dict(list(world.behaviours.groupby("lead_id")))
    for row in range(0, 1400, 7):
        own = acts.get(world.leads["lead_id"][row], world.behaviours.iloc[:0])
        done = [
            Act(kind, at.to_pydatetime(), None if np.isnan(amount) else amount)
            for at, kind, amount in zip(own["at"], own["kind"], own["amount"], strict=True)
        ]
        as_of = world.leads["arrived_at"][row].to_pydatetime()
        read = behaviour_values(behaviours, done, as_of)
        since = activity.days_since_view[row]
        assert read == {
            "page_views_30d": activity.page_views[row],
            "pricing_views_30d": activity.pricing_views[row],
            "downloads_90d": activity.downloads[row],
            "webinar_minutes_90d": activity.webinar_minutes[row],
            "mail_opens_30d": activity.mail_opens[row],
            "days_since_page_view": None if np.isnan(since) else pytest.approx(since),
        }


def test_the_truth_reads_the_fields_that_the_parsers_read() -> None:
    people, world = draw_people(SMALL), world_of(SMALL)

    def read(name: str, parse: object) -> list[object]:
        return [parse(value) for value in world.fields[name]]  # type: ignore[operator]

    numbers = {
        "employees": (parse_number, people.employees),
        "capital": (parse_number, people.capital),
        "message": (text_length, people.message),
    }
    for name, (parse, known) in numbers.items():
        values = np.array([np.nan if v is None else v for v in read(name, parse)], dtype=float)
        np.testing.assert_allclose(values, known, rtol=1e-9)
    kinds = ("free", "company", "academic", "government")
    assert read("email", email_domain_kind) == [kinds[kind] for kind in people.mail]
    phones = ("fixed", "mobile", "toll_free", None)
    assert read("phone", phone_kind) == [phones[kind] for kind in people.phone]
    ranks = [None if title < 0 else RANKS[TITLES[title][1]][0] for title in people.title]
    assert [None if rank is None else rank for rank in read("job_title", title_rank)] == ranks
    assert set(read("company", company_form)) == {
        "kabushiki",
        "yugen",
        "godo",
        "foundation",
        "none",
    }


def test_every_category_is_one_the_definition_names() -> None:
    world, definition = world_of(SMALL), load_definition()
    for name in ("source", "industry", "product"):
        known = {category_key(names.ja) for names in definition.fields[name].values.values()}
        assert {category_key(value) for value in world.fields[name]} <= known


def test_a_duplicate_repeats_the_person_and_is_turned_away_as_one() -> None:
    world = full_world()
    reasons = world.events["reason"]
    repeated = world.events.loc[reasons == "duplicate", "lead_id"]
    assert 50 < len(repeated) < 200
    mails = world.fields["email"].where(world.leads["lead_id"].isin(repeated)).dropna()
    assert world.fields["email"].isin(mails).sum() >= 2 * len(mails)


def test_drift_moves_channels_product_and_market() -> None:
    still, moving = (world_of(WorldSettings(drift=drift)) for drift in (0.0, 1.0))
    early, late = slice(0, 4000), slice(12_000, 16_000)

    def webinars(world: World, rows: slice) -> float:
        return float((world.fields["source"].iloc[rows] == "ウェビナー").mean())

    assert webinars(still, late) == pytest.approx(webinars(still, early), abs=0.03)
    assert webinars(moving, late) > webinars(moving, early) + 0.04
    assert "製品C" not in set(moving.fields["product"].iloc[early])
    assert "製品C" in set(still.fields["product"].iloc[early])


def test_a_strong_drift_makes_the_same_kind_of_lead_worth_less() -> None:
    world = world_of(WorldSettings(drift=3.0))
    alike = (world.fields["source"] == "自然検索") & (world.fields["product"] == "製品A")
    chances = world.truth["p_90"][alike]
    assert chances[:16_000].tail(400).mean() < 0.9 * chances.head(400).mean()


def test_an_audit_lane_works_rejected_leads_at_random() -> None:
    world = world_of(WorldSettings(audit_share=0.15, prejudice=3.0))
    truth = world.training_truth()
    audited = truth[truth["handling"] == "audited"]
    assert 600 < len(audited) < 1100
    shift = pooled_shift(audited["worked_90"].to_numpy(), audited["own_90"].to_numpy())
    assert shift == pytest.approx(-0.7, abs=0.2)
    lane = world.events[world.events["kind"] == "audit"]
    assert (lane["amount"] == 0.15).all()


@pytest.mark.parametrize("name", ["sales_stage", "visit_count", "quote_amount"])
def test_a_known_later_column_tells_the_outcome(name: str) -> None:
    history = full_world().training_part()
    won = history.leads["lead_id"].isin(history.events.query("kind == 'won'")["lead_id"])
    told = history.later[name].fillna("")
    rate = won.groupby(told).transform("mean")
    assert roc_auc_score(won, rate) > 0.9


@pytest.mark.parametrize("strength", [0.0, 0.6, 1.0])
def test_planted_columns_leak_as_much_as_asked(strength: float) -> None:
    names = tuple(LEAKS)
    world = world_of(WorldSettings(leaks=names, leak_strength=strength))
    events = world.training_part().events
    won = world.leads["lead_id"][:16_000].isin(events.query("kind == 'won'")["lead_id"])
    assert {"契約番号", "最終活動からの日数", "現在の担当課"} < set(world.planted)
    assert len(world.planted.columns) + len(world.later.columns) == 12
    told = world.planted["契約番号"][:16_000].notna()
    assert roc_auc_score(won, told) == pytest.approx(0.5 + strength / 2, abs=0.05)


def test_an_unknown_leak_is_refused_by_name() -> None:
    with pytest.raises(
        WorldImpossible, match=r"unknown leaks \['horoscope'\]; there are \['contract"
    ):
        make_world(replace(SMALL, leaks=("horoscope",)))


@pytest.mark.parametrize(
    ("name", "value"), [("n_leads", 3), ("rejection_shift", 0.2), ("drift", 9.0), ("seed", -1)]
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(WorldImpossible, match=f"{name} must be from .* got {value}"):
        WorldSettings(**{name: value})  # type: ignore[arg-type]


def test_progress_is_told_from_nothing_to_done() -> None:
    told: list[float] = []
    make_world(SMALL, progress=lambda what, share: told.append(share))
    assert told[0] == 0.0
    assert told[-1] == 1.0
    assert told == sorted(told)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_leads=st.integers(20, 300),
    n_test=st.integers(0, 50),
    days=st.integers(60, 900),
    drift=st.sampled_from([0.0, 1.0, 2.5]),
)
@settings(max_examples=15)
def test_any_small_world_holds_together(
    seed: int, n_leads: int, n_test: int, days: int, drift: float
) -> None:
    world = make_world(
        WorldSettings(n_leads=n_leads, n_test=n_test, days=days, seed=seed, rejection_shift=0.0,
                      drift=drift)
    )  # fmt: skip
    history = world.training_part()
    assert len(history.leads) == len(history.fields) == len(history.later) == n_leads
    assert len(world.test_part().leads) == n_test
    assert history.leads["arrived_at"].is_monotonic_increasing
    assert history.events["at"].is_monotonic_increasing
    assert history.behaviours["at"].is_monotonic_increasing
    assert history.events["event_id"].is_unique
    retracted = history.events.query("kind == 'retracted'")["reason"]
    assert retracted.isin(world.events["event_id"]).all()
