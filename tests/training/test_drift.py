from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import NotEnoughEvidence
from features.leads import LeadHistory, read_history
from features.scorer import LeadScorer
from features.source_map import load_source_map
from tests.conftest import TODAY, world_files
from training.drift import DriftWatch, watch_drift
from training.pipeline import TrainedModel

NEW = 500
"""Invented leads a week; the small company itself has about twenty."""


@pytest.fixture(scope="module")
def past(world_folder: Path, trained: TrainedModel) -> LeadHistory:
    """The leads that the model learnt from."""
    return read_history(
        world_files(world_folder),
        trained.scorer.definition,
        load_source_map(world_folder / "source_map.yaml"),
        today=TODAY,
    )


@pytest.fixture(scope="module")
def coming(past: LeadHistory, trained: TrainedModel) -> LeadHistory:
    """Two weeks of new leads: leads of the last year once more, with all that became of them."""
    random = np.random.default_rng(11)
    made = made_at(trained)
    age = made - past.leads["arrived_at"]
    pool = np.flatnonzero((age < timedelta(days=365)) & (age > timedelta(days=100)))
    drawn = random.choice(pool, 2 * NEW)
    arrived = made + pd.to_timedelta(np.sort(random.uniform(0.01, 14, len(drawn))), unit="D")
    old_ids = past.leads["lead_id"].to_numpy()[drawn]
    ids = np.array([f"N{place}" for place in range(len(drawn))], dtype=object)
    moved = arrived - pd.DatetimeIndex(past.leads["arrived_at"].iloc[drawn])
    return replace(
        past,
        leads=pd.DataFrame(
            {"lead_id": ids, "arrived_at": arrived.as_unit("us"), "sequence": range(len(ids))}
        ).astype({"lead_id": object}),
        fields=past.fields.iloc[drawn].reset_index(drop=True),
        later=past.later.iloc[drawn].reset_index(drop=True),
        events=copied(past.events, old_ids, ids, moved, "event_id"),
        behaviours=copied(past.behaviours, old_ids, ids, moved),
    )


def copied(table: pd.DataFrame, old: Any, new: Any, moved: Any, *own: str) -> pd.DataFrame:
    """Return the rows of drawn leads under new names and at their new times."""
    drawn = pd.DataFrame({"lead_id": old, "new": new, "moved": moved}).astype({"lead_id": object})
    rows = table.merge(drawn, on="lead_id", sort=False)
    rows["at"] = (rows["at"] + rows.pop("moved")).astype("datetime64[us, UTC]")
    rows["lead_id"] = rows.pop("new").astype(object)
    for column in own:
        rows[column] = [f"n{place}" for place in range(len(rows))]
    return rows.sort_values("at", kind="stable").reset_index(drop=True)


def made_at(trained: TrainedModel) -> pd.Timestamp:
    return pd.Timestamp(trained.scorer.reference["recent"]["until"])


def look(trained: TrainedModel, history: LeadHistory, days: float = 14, **asked: Any) -> DriftWatch:
    """Watch as it was known so many days after the model was made."""
    until = made_at(trained) + timedelta(days=days)
    scorer = asked.pop("scorer", trained.scorer)
    return watch_drift(
        scorer, history, scorer.definition, as_of=until.to_pydatetime(), **asked
    )  # fmt: skip


def with_field(history: LeadHistory, name: str, change: Any, share: float = 1.0) -> LeadHistory:
    """Return a history in which `change` is done to a share of one field's values."""
    random = np.random.default_rng(12)
    values = [change(value) if random.random() < share else value for value in history.fields[name]]
    return replace(history, fields=history.fields.assign(**{name: pd.Series(values, dtype=object)}))


def alarms_of(watch: DriftWatch) -> dict[str, Any]:
    return {alarm.subject: alarm for alarm in watch.alarms}


def test_a_quiet_week_raises_no_alarm_and_shows_all_figures(trained, coming):
    watch = look(trained, coming)
    document = json.loads(json.dumps(watch.document(), allow_nan=False))

    assert document["alarms"] == []
    assert 400 < document["n"] < 600
    assert [one["input"] for one in document["fields"]] == [
        given.name for given in trained.scorer.encoder.inputs
    ]
    assert all(one["psi"] < 0.2 and one["n"] == document["n"] for one in document["fields"])
    assert document["score"]["mean_now"] == pytest.approx(document["score"]["mean_before"], rel=0.2)
    assert document["acceptance"]["accepted"] == pytest.approx(
        document["acceptance"]["expected"], abs=0.08
    )
    assert document["before"]["n"] == 1000
    assert "目立った変化はありません" in watch.in_words(trained.scorer.definition.zone, "ja")


def test_a_channel_that_gained_is_named_with_its_shares_in_both_languages(trained, coming):
    watch = look(trained, with_field(coming, "source", lambda _: "ウェビナー", 0.25))
    alarm = alarms_of(watch)["source"]

    assert alarm.measure == "categories"
    assert alarm.value < alarm.limit
    assert alarm.now - alarm.before == pytest.approx(0.2, abs=0.07)
    assert alarm.words["ja"].startswith("流入元: ウェビナーが ")
    assert f"→ {100 * alarm.now:.0f}%" in alarm.words["ja"]
    assert alarm.words["en"].startswith("Source: Webinar, ")
    assert "再学習" in alarm.remedy["ja"]
    assert "train again" in alarm.remedy["en"]
    assert watch.alarms[0] is alarm
    told = watch.in_words(trained.scorer.definition.zone, "ja")
    assert "変化が 1 件あります" in told or "変化が 2 件あります" in told
    assert alarm.words["ja"] in told


def test_a_field_that_comes_empty_is_named_as_such(trained, coming):
    alarm = alarms_of(look(trained, with_field(coming, "employees", lambda _: None, 0.3)))[
        "employees"
    ]

    assert alarm.measure == "missing"
    assert "空欄の割合が" in alarm.words["ja"]
    assert "left empty" in alarm.words["en"]


def test_values_that_no_earlier_lead_had_are_told_without_showing_them(trained, coming):
    watch = look(trained, with_field(coming, "source", lambda _: "ポッドキャスト", 0.2))
    alarm = alarms_of(watch)["source"]

    assert alarm.measure == "unseen"
    assert "学習時にほとんどなかった値" in alarm.words["ja"]
    assert "ポッドキャスト" not in json.dumps(watch.document(), ensure_ascii=False)


def test_a_number_that_grew_is_told_by_the_share_above_a_line(trained, coming):
    watch = look(trained, with_field(coming, "employees", lambda _: "9000名", 0.3))
    alarm = alarms_of(watch)["employees"]

    assert alarm.measure == "numbers"
    assert "名以上の割合が" in alarm.words["ja"]
    assert "people or more" in alarm.words["en"]
    assert alarm.now > alarm.before + 0.2


def test_a_personal_field_is_named_and_none_of_its_values(trained, coming):
    watch = look(trained, with_field(coming, "email", lambda _: "taro.tanaka@gmail.com", 0.5))
    written = json.dumps(watch.document(), ensure_ascii=False)

    alarm = alarms_of(watch)["email"]
    assert "メールアドレス" in alarm.words["ja"]
    assert "値の内訳が変化" in alarm.words["ja"]
    assert [word for word in ("gmail", "taro", "tanaka", "フリーメール") if word in written] == []


def test_a_week_of_weekends_is_no_drift(trained, coming):
    def on_sunday(_: object) -> str:
        return "2026-11-08T11:00:00+09:00"

    assert look(trained, with_field(coming, "arrived_at", on_sunday)).alarms == ()


def test_weeks_that_always_differ_raise_no_alarm_when_they_differ_again(trained, coming):
    history = with_field(coming, "source", lambda _: "ウェビナー", 0.25)
    reference = json.loads(json.dumps(trained.scorer.reference))
    recent = reference["recent"]
    recent["week"] = float(NEW)
    recent["spread"] = [20.0] * len(recent["spread"])

    assert "source" in alarms_of(look(trained, history))
    watch = look(trained, history, scorer=with_reference(trained.scorer, reference))
    assert "source" not in alarms_of(watch)


def with_reference(scorer: LeadScorer, reference: dict[str, Any]) -> LeadScorer:
    return LeadScorer(
        scorer.encoder, scorer.raw_tables, scorer.acceptance, scorer.calibration, reference
    )


def turned_round(history: LeadHistory, share: float) -> LeadHistory:
    """Return a history in which a share of the acceptances are rejections of the same moment."""
    random = np.random.default_rng(13)
    events = history.events
    accepted = events[np.asarray(events["kind"] == "accepted")]
    turned = accepted[random.random(len(accepted)) < share]
    kept = events[~np.asarray(events["lead_id"].isin(turned["lead_id"]))]
    refused = turned.assign(kind="rejected", reason="no_fit")
    both = pd.concat([kept, refused], ignore_index=True)
    return replace(history, events=both.sort_values("at", kind="stable").reset_index(drop=True))


def test_sales_that_accepts_fewer_of_the_same_leads_is_named(trained, coming):
    alarm = alarms_of(look(trained, turned_round(coming, 0.3)))["acceptance"]

    assert alarm.now < alarm.before - 0.08
    assert alarm.words["ja"].startswith("営業の受け入れ: これまでの判断なら")
    assert "would be usual" in alarm.words["en"]


def test_leads_on_which_sales_has_not_decided_yet_say_nothing_about_acceptance(trained, coming):
    watch = look(trained, coming, days=0.9)

    assert watch.n > 20
    assert watch.acceptance == {}
    assert any("acceptance changed cannot be told" in note["en"] for note in watch.notes)


def test_wins_are_compared_with_those_of_the_same_age_and_missing_ones_are_named(trained, coming):
    quiet = look(trained, coming, days=90)
    found = quiet.document()["performance"]
    assert quiet.n == 0
    assert found["expected"] > 10
    assert found["ratio"][1] < 1 < found["ratio"][2]
    assert quiet.alarms == ()

    lost = coming.events[np.asarray(coming.events["kind"] != "won")].reset_index(drop=True)
    (alarm,) = look(trained, replace(coming, events=lost), days=90).alarms
    assert (alarm.subject, alarm.measure) == ("performance", "wins")
    assert alarm.words["ja"].startswith("受注: これまでどおりなら ")
    assert "のところ 0 件" in alarm.words["ja"]
    assert "outcomes are still recorded" in alarm.remedy["en"]


def test_leads_that_the_model_has_learnt_from_are_told(trained, past):
    watch = watch_drift(trained.scorer, past, trained.scorer.definition, window_days=91)

    assert any("has learnt from leads of this span" in note["en"] for note in watch.notes)
    assert watch.alarms == ()
    assert watch.performance == {}


def test_a_beginning_can_be_chosen(trained, coming):
    made = made_at(trained)
    watch = look(trained, coming, since=made.to_pydatetime())

    assert watch.n == len(coming.leads)
    assert watch.document()["since"] == made.isoformat()
    with pytest.raises(NotEnoughEvidence, match="No lead or event is newer than"):
        look(trained, coming, days=3, since=(made + timedelta(days=4)).to_pydatetime())


def test_a_table_without_dates_says_what_it_cannot_tell(trained, coming):
    undated = replace(
        coming,
        mode="snapshot",
        leads=coming.leads.assign(
            arrived_at=pd.Series(pd.NaT, index=coming.leads.index, dtype="datetime64[us, UTC]")
        ),
        fields=coming.fields.drop(columns="arrived_at"),
        behaviours=coming.behaviours.iloc[:0],
    )

    watch = watch_drift(trained.scorer, undated, trained.scorer.definition)
    document = watch.document()

    assert (document["since"], document["until"], document["n"]) == (None, None, 2 * NEW)
    assert document["acceptance"] == document["performance"] == {}
    assert any("no times of arrival" in note["en"] for note in watch.notes)
    assert alarms_of(watch)["page_views_30d"].measure == "missing"
    assert "ファイルのリード" in watch.in_words(trained.scorer.definition.zone, "ja")


def test_a_model_without_a_record_of_its_newest_leads_is_compared_with_all(trained, coming):
    reference = {"counts": trained.scorer.reference["counts"]}
    history = with_field(coming, "source", lambda _: "ウェビナー", 0.3)

    watch = look(trained, history, scorer=with_reference(trained.scorer, reference))

    assert "source" in alarms_of(watch)
    assert watch.score == {}
    assert any("keeps no record of its newest leads" in note["en"] for note in watch.notes)
    with pytest.raises(NotEnoughEvidence, match="Train it again"):
        look(trained, coming, scorer=with_reference(trained.scorer, {}))


def test_every_note_exists_in_both_languages(trained, coming):
    from training.drift_words import NOTES

    assert all(note.keys() == {"ja", "en"} and all(note.values()) for note in NOTES.values())
