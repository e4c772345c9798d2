import json
from datetime import UTC, datetime

import numpy as np
import pytest

from features.definition import load_definition
from features.encoder import LeadInput
from features.errors import LeadsRejected, NotEnoughEvidence
from features.leads import read_history
from features.scorer import LeadScorer
from features.source_map import load_source_map
from tests.conftest import TODAY, world_files
from training.evaluation import STUDENT, TEACHER, backtest
from training.pipeline import as_of_history, train, train_on
from training.recipe import Recipe, learn, teach
from training.report import render_report
from training.worlds import WorldSettings, make_world, write_world


@pytest.fixture(scope="module")
def history(world_folder):
    definition = load_definition(world_folder / "lead_definition.yaml")
    how = load_source_map(world_folder / "source_map.yaml")
    return read_history(world_files(world_folder), definition, how, today=TODAY)


def test_a_trained_model_is_judged_beside_its_baselines(trained):
    models = {row.model for row in trained.backtest.rows}

    assert {
        STUDENT,
        TEACHER,
        "base_rate",
        "base_rate_by_channel",
        "linear",
        "naive_bayes",
    } <= models
    assert trained.scorer.method == "student"
    assert trained.scorer.evaluation["results"]
    json.dumps(trained.scorer.evaluation, allow_nan=False)


def test_same_leads_and_seed_give_the_same_model(trained, history, quick_recipe):
    again = train_on(history, trained.scorer.definition, recipe=quick_recipe)

    assert again.scorer.model_digest == trained.scorer.model_digest


def test_the_cp932_and_the_utf8_export_of_a_world_give_the_same_model(
    trained, world_folder, tmp_path, quick_recipe
):
    world = make_world(WorldSettings(n_leads=2000, n_test=0, seed=5, prejudice=1.5))
    folder = write_world(world, tmp_path / "cp932", encoding="cp932")
    definition = load_definition(folder / "lead_definition.yaml")
    how = load_source_map(folder / "source_map.yaml")
    raw = (folder / "leads.csv").read_bytes()

    history = read_history(world_files(folder), definition, how, today=TODAY)
    learned = learn(history, definition, as_of=as_of_history(history), recipe=quick_recipe)

    assert "リードID".encode("cp932") in raw
    shifted = LeadScorer(
        learned.scorer.encoder,
        learned.scorer.raw_tables,
        learned.scorer.acceptance,
        trained.scorer.calibration,
    )
    assert shifted.model_digest == trained.scorer.model_digest


def test_a_field_known_only_after_hand_off_never_reaches_a_model(trained):
    fields = {given.field for given in trained.scorer.encoder.inputs}

    assert not fields & {"sales_stage", "visit_count", "quote_amount"}
    assert {"source", "job_title", "page_views_30d"} <= fields


def test_what_happens_after_the_cut_off_changes_nothing(history, trained, quick_recipe):
    definition = trained.scorer.definition
    cut_off = datetime(2026, 2, 1, tzinfo=UTC)
    known = history.events[history.events["at"] <= cut_off].reset_index(drop=True)
    earlier = type(history)(
        history.mode, history.leads, history.fields, history.later, known, history.behaviours, ()
    )

    now = learn(history, definition, as_of=cut_off, recipe=quick_recipe)
    then = learn(earlier, definition, as_of=cut_off, recipe=quick_recipe)

    assert now.scorer.model_digest == then.scorer.model_digest


def test_contributions_add_up_and_horizons_never_fall_on_every_lead_of_the_history(trained):
    scorer, codes = trained.scorer, trained.learned.codes
    logits = scorer.tables.logits(codes)

    for position, horizon in enumerate(scorer.horizons):
        total = scorer.tables.base[position] + scorer.tables.contributions(codes, horizon).sum(
            axis=1
        )
        np.testing.assert_allclose(total, logits[:, position], atol=1e-9)
    assert (np.diff(logits, axis=1) >= 0).all()
    assert trained.learned.crossings == 0


def test_the_evidence_beside_a_score_counts_worked_leads(trained):
    reference = trained.scorer.reference
    n_worked = int(trained.learned.labels.worked.sum())

    for given, bands in zip(trained.scorer.encoder.inputs, reference["inputs"], strict=True):
        assert sum(band["n"] for band in bands) == reference["overall"]["n"] <= n_worked
        assert [band["from"] for band in bands] == [0, *(band["to"] + 1 for band in bands[:-1])]
        assert bands[-1]["to"] == given.size - 1
        assert all(band["rate"] is None or 0 <= band["rate"] <= 1 for band in bands)
    assert trained.scorer.score(LeadInput({"source": "webinar"}, None, datetime.now(UTC))).interval


def test_fewer_than_fifty_wins_give_base_rates_by_channel_and_say_so(tmp_path):
    world = make_world(WorldSettings(n_leads=500, n_test=0, seed=3, days=300))
    folder = write_world(world, tmp_path / "small")

    model = train(
        world_files(folder),
        folder / "source_map.yaml",
        folder / "lead_definition.yaml",
        today=TODAY,
    )

    assert model.scorer.method == "base_rate"
    assert model.booster is None
    fields = {"source": "webinar", "employees": "3", "job_title": "社長"}
    scored = model.scorer.score(LeadInput(fields, None, datetime.now(UTC)))
    assert {part.field for part in scored.contributions if part.logit} <= {"source"}
    page = render_report(model.scorer)
    assert "fewer than 50, so base rates by channel are used" in page


def test_no_win_at_all_is_not_enough_for_anything(history, trained, quick_recipe):
    nothing = history.events[history.events["kind"] != "won"].reset_index(drop=True)
    without = type(history)(
        history.mode, history.leads, history.fields, history.later, nothing, history.behaviours, ()
    )

    with pytest.raises(NotEnoughEvidence, match="none has a recorded win"):
        train_on(without, trained.scorer.definition, recipe=quick_recipe)


def test_a_history_too_short_to_judge_says_so_instead_of_inventing_figures(history, trained):
    early = datetime(2024, 12, 15, tzinfo=UTC)

    found = backtest(history, trained.scorer.definition, as_of=early, recipe=Recipe())

    assert found.rows == ()
    assert found.note


def test_the_teacher_stands_alone_before_any_student(history, trained):
    taught = teach(history, trained.scorer.definition, as_of_history(history))

    assert taught.teacher is not None
    assert taught.teacher.n_wins == trained.learned.teacher.n_wins


def test_history_mode_needs_a_day_to_stand_on(history, trained):
    with pytest.raises(ValueError, match="needs as_of"):
        learn(history, trained.scorer.definition)
    with pytest.raises(ValueError, match="needs as_of"):
        backtest(history, trained.scorer.definition, as_of=None, recipe=Recipe())


def test_the_report_stands_alone_and_names_every_model_and_reason(trained):
    page = render_report(trained.scorer)

    assert page.startswith("<!doctype html>")
    assert "src=" not in page
    assert "<script" not in page
    for word in ("LightGBM", "予算なし", "No budget", "Base rate by channel", "Log loss"):
        assert word in page


def test_wrong_files_end_with_every_finding_and_no_model(world_folder, tmp_path):
    leads = tmp_path / "leads.csv"
    lines = (world_folder / "leads.csv").read_text("utf-8").splitlines()
    leads.write_text("\n".join([lines[0], lines[1], lines[1]]), "utf-8")

    with pytest.raises(LeadsRejected, match="nothing was used and nothing was written"):
        train(
            [leads, *world_files(world_folder)[1:]],
            world_folder / "source_map.yaml",
            world_folder / "lead_definition.yaml",
            today=TODAY,
        )
