"""The content of evaluation.json: every part there, plain JSON, true to the judgement."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.training.histories import day, definition_with, selling_history
from tests.training.rolled import QUICK
from training.champion import Champion
from training.evaluation import backtest
from training.judging import STUDENT
from training.lineage import calibrated
from training.recipe import Recipe, learn


@pytest.fixture(scope="module")
def found():
    history, definition = selling_history(1500, follow=700), definition_with()
    old = learn(history, definition, as_of=day(430), recipe=QUICK)
    champion = Champion("7", calibrated(old.scorer, 0.4), QUICK, day(430))
    return backtest(history, definition, as_of=day(700), recipe=QUICK, champion=champion)


def test_the_document_is_plain_json_with_every_part(found):
    document = json.loads(json.dumps(found.document(), allow_nan=False))

    assert document["main_horizon"] == 180
    assert document["recipe"]["student"]["trees"] == QUICK.student.trees
    assert len(document["origins"]) == 4
    assert document["as_of"].startswith("2027-12-02")
    for part in ("results", "by_origin", "reliability", "gains", "slices", "curve", "accounts"):
        assert document[part]
    assert document["capacity"]["weeks"] > 10
    assert document["audit"]["log_loss"] is None
    assert document["cut_off"] == document["origins"][-1]["cut_off"]


def test_cut_offs_add_up_to_the_whole(found):
    document = found.document()
    rows = {(row["model"], row["horizon"]): row for row in document["results"]}
    for (model, horizon), row in rows.items():
        own = [
            one
            for one in document["by_origin"]
            if (one["model"], one["horizon"]) == (model, horizon)
        ]
        assert sum(one["n"] for one in own) == row["n"]
        assert sum(one["n_won"] for one in own) == row["n_won"]
    assert sum(one["n_test"] for one in document["origins"]) == document["n_test"]
    assert rows[STUDENT, 180]["n"] == document["n_test"]


def test_the_tuned_opponent_is_asked_at_the_newest_cut_off_only(found):
    rows = [row for row in found.document()["by_origin"] if row["model"] == "lightgbm_tuned"]

    assert {row["cut_off"] for row in rows} == {found.document()["cut_off"]}
    tuned, own = found.row("lightgbm_tuned", 180), found.row(STUDENT, 180)
    assert 0 < tuned.evaluation.n < own.evaluation.n
    newest = found.judgement.newest
    told = newest.weight[:, newest.horizons.index(180)] > 0
    assert tuned.evaluation.n == told.sum()
    assert tuned.against_student.low <= tuned.against_student.value <= tuned.against_student.high


def test_the_champion_is_compared_at_every_horizon_that_both_tell(found):
    against = found.document()["against_champion"]
    own, theirs = found.row(STUDENT, 180), found.row("champion", 180)

    assert against["version"] == "7"
    assert against["standings"].count("as_served") >= 1
    assert against["relearnt"] == ("relearnt" in against["standings"])
    assert not against["has_seen"]
    main = next(one for one in against["by_horizon"] if one["horizon"] == 180)
    assert main["difference"][0] == pytest.approx(
        own.evaluation.log_loss - theirs.evaluation.log_loss
    )
    assert main["auc_difference"] == pytest.approx(own.evaluation.auc - theirs.evaluation.auc)
    assert main["difference"][1] <= main["difference"][0] <= main["difference"][2]


def test_the_promised_curve_passes_through_the_horizons(found):
    judgement = found.judgement
    promised = {point.days: point.promised for point in found.curve}

    assert promised[0.0] == 0.0
    assert promised[180.0] == pytest.approx(
        judgement.probabilities[STUDENT][:, judgement.main].mean()
    )
    observed = [point.observed for point in found.curve if not np.isnan(point.observed)]
    assert observed == sorted(observed)


def test_the_shift_for_the_served_model_rests_on_all_cut_offs(found):
    assert found.shift == found.judgement.to_add != 0.0
    assert found.document()["calibration_shift"] == found.shift


def test_a_history_too_short_to_judge_leaves_every_part_empty():
    history, definition = selling_history(60, follow=30), definition_with()

    nothing = backtest(history, definition, as_of=day(30), recipe=Recipe())

    assert "too short" in nothing.note
    document = json.loads(json.dumps(nothing.document(), allow_nan=False))
    assert document["results"] == document["origins"] == document["slices"] == []
    assert document["accounts"] is document["capacity"] is document["main_horizon"] is None
    assert nothing.shift == 0.0
