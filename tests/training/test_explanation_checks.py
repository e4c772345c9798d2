"""Checks of the reasons: they add up, stay, agree with what happened, and never show a person."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from features.definition import load_definition
from features.factors import MIN_CASES
from features.leads import LeadHistory
from features.scorer import POINTS_PER_LOGIT, LeadScorer
from features.tables import AdditiveTables
from features.wording import LANGUAGES, input_name
from tests.builders import random_tables
from tests.training.coded_leads import Codes, category, number
from tests.training.histories import day, definition_with, history_of, selling_history
from training.concepts import fields_together
from training.explanation_checks import ExplanationChecks, check_explanations
from training.explanation_stability import check_stability
from training.recipe import Learned, Recipe, learn
from training.snapshot_teacher import SnapshotTeacherSettings
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world

QUICK = Recipe(student=StudentSettings(trees=120, scout_trees=40))
DEFINITION = load_definition()


@pytest.fixture(scope="module")
def company() -> tuple[LeadHistory, Learned]:
    """A model of a small invented company."""
    world = make_world(WorldSettings(n_leads=2500, n_test=0, seed=104, leaks=()))
    history = world.training_part()
    return history, learn(history, DEFINITION, as_of=world.cut_off, recipe=QUICK)


@pytest.fixture(scope="module")
def checks(company: tuple[LeadHistory, Learned]) -> ExplanationChecks:
    history, learned = company
    return check_explanations(learned.scorer, learned, history, DEFINITION, recipe=QUICK, n_draws=2)


@pytest.fixture(scope="module")
def seller() -> tuple[LeadHistory, Learned]:
    """Worked leads only; webinar leads and large firms win most, and the model knows it."""
    history = selling_history(1200)
    return history, learn(history, definition_with(), as_of=day(400), recipe=QUICK)


def served(scorer: LeadScorer, tables: AdditiveTables) -> LeadScorer:
    """The same scorer with other tables."""
    return LeadScorer(scorer.encoder, tables, scorer.acceptance, scorer.calibration)


def test_contributions_add_up_to_the_score_of_every_past_lead(checks: ExplanationChecks) -> None:
    assert 0.0 <= checks.additivity < 1e-9
    assert 0.0 <= checks.additivity_probability < 1e-9


def test_a_served_chance_that_the_contributions_do_not_give_is_found(
    company: tuple[LeadHistory, Learned],
) -> None:
    history, learned = company
    tables = learned.scorer.raw_tables
    falling = replace(tables, base=tuple(sorted(tables.base, reverse=True)))
    crossed = check_explanations(
        served(learned.scorer, falling), learned, history, DEFINITION, n_draws=0
    )
    assert crossed.additivity < 1e-9
    assert crossed.additivity_probability > 0.01


def test_the_strongest_reasons_stay_when_leads_are_drawn_anew(checks: ExplanationChecks) -> None:
    found = checks.stability
    assert found.top3_agreement is not None
    assert found.global_agreement is not None
    assert 0.4 < found.top3_agreement <= 1.0
    assert (found.n_draws, found.n_leads) == (2, 500)


def test_reasons_that_no_lead_taught_do_not_stay(company: tuple[LeadHistory, Learned]) -> None:
    history, learned = company
    scorer = learned.scorer
    invented = served(scorer, random_tables(scorer.encoder.sizes, scorer.horizons, seed=3))
    lost = check_stability(
        replace(learned, scorer=invented), history, DEFINITION, recipe=QUICK, n_draws=1
    )
    kept = check_stability(learned, history, DEFINITION, recipe=QUICK, n_draws=1)
    assert lost.top3_agreement is not None
    assert kept.top3_agreement is not None
    assert lost.top3_agreement < kept.top3_agreement - 0.2


def test_the_same_seed_gives_the_same_agreement(seller: tuple[LeadHistory, Learned]) -> None:
    history, learned = seller
    told: list[str] = []
    first, second = (
        check_stability(
            learned,
            history,
            definition_with(),
            recipe=QUICK,
            n_draws=1,
            n_leads=50,
            tell=told.append,
        )
        for _ in range(2)
    )
    assert first == second
    assert told == ["Drawing leads anew (1 of 1)"] * 2


def test_no_further_draw_begins_after_the_time_limit(seller: tuple[LeadHistory, Learned]) -> None:
    history, learned = seller
    found = check_stability(
        learned, history, definition_with(), recipe=QUICK, n_draws=4, time_limit_seconds=0.0
    )
    assert found.n_draws == 1


def test_base_rates_have_no_reasons_to_draw_anew(seller: tuple[LeadHistory, Learned]) -> None:
    history, learned = seller
    plain = replace(learned, teacher=None, student=None)
    found = check_explanations(plain.scorer, plain, history, definition_with(), n_draws=3)
    assert found.stability.top3_agreement is None
    assert found.stability.n_draws == 0


def test_importance_is_the_mean_size_of_a_fields_contributions(
    company: tuple[LeadHistory, Learned], checks: ExplanationChecks
) -> None:
    _, learned = company
    scorer = learned.scorer
    parts = scorer.tables.contributions(learned.codes[learned.rows], scorer.main_horizon)
    title = scorer.encoder.positions["job_title"]
    assert len(title) == 2
    expected = np.abs(parts[:, title].sum(axis=1)).mean() * POINTS_PER_LOGIT
    found = {moved.field: moved for moved in checks.importance}
    assert found["job_title"].points == pytest.approx(expected)
    assert found["job_title"].group == "fit"
    assert {moved.field for moved in checks.importance} == {
        given.field for given in scorer.encoder.inputs
    }
    assert [m.points for m in checks.importance] == sorted(
        (m.points for m in checks.importance), reverse=True
    )


def test_a_group_counts_what_is_left_after_its_fields_cancel(checks: ExplanationChecks) -> None:
    alone: dict[str, float] = {}
    for moved in checks.importance:
        alone[moved.group] = alone.get(moved.group, 0.0) + moved.points
    assert {moved.group for moved in checks.groups} == set(alone)
    assert all(0 < moved.points <= alone[moved.group] + 1e-9 for moved in checks.groups)
    assert any(moved.points < 0.9 * alone[moved.group] for moved in checks.groups)


def test_company_size_is_one_concept_with_its_members_summed(checks: ExplanationChecks) -> None:
    size = next(found for found in checks.concepts if "employees" in found.members)
    assert size.members == ("employees", "capital")
    assert size.label == {"ja": "従業員数・資本金", "en": "Employees + Capital"}
    assert size.group == "fit"
    assert 0.55 <= size.correlation <= 1.0
    assert 0.0 < size.points <= size.apart
    members = [moved.points for moved in checks.importance if moved.field in size.members]
    assert size.apart == pytest.approx(sum(members))


def joined(*columns: np.ndarray) -> Codes:
    return np.column_stack(columns).astype(np.int32)


def test_fields_move_together_whatever_their_kinds() -> None:
    rng = np.random.default_rng(1)
    size, other = rng.integers(1, 13, 3000), rng.integers(1, 13, 3000)
    channel = rng.integers(2, 6, 3000)
    copy = np.where(rng.random(3000) < 0.95, channel, rng.integers(2, 6, 3000))
    falling = np.clip(13 - size + rng.integers(-1, 2, 3000), 1, 12)
    inputs = [
        number("a", 12),
        number("b", 12),
        number("c", 12),
        category("d", 4),
        category("e", 4),
    ]
    found = fields_together(joined(size, other, falling, channel, copy), inputs)
    assert [one.members for one in found] == [("a", "c"), ("d", "e")]
    assert all(one.correlation > 0.9 for one in found)


def test_a_number_that_is_given_where_a_category_says_so_goes_with_it() -> None:
    rng = np.random.default_rng(2)
    channel = rng.integers(2, 5, 2000)
    minutes = np.where(channel == 2, rng.integers(1, 9, 2000), 0)
    found = fields_together(joined(minutes, channel), [number("a", 8), category("d", 3)])
    assert [one.members for one in found] == [("a", "d")]


def test_a_chain_of_fields_is_no_concept_unless_its_ends_agree() -> None:
    rng = np.random.default_rng(3)
    first, last = rng.integers(1, 13, 4000), rng.integers(1, 13, 4000)
    middle = np.where(rng.random(4000) < 0.5, first, last)
    inputs = [number("a", 12), number("b", 12), number("c", 12)]
    found = fields_together(joined(first, middle, last), inputs, threshold=0.4)
    assert len(found) == 1
    assert len(found[0].members) == 2


def test_fields_that_say_nothing_of_each_other_stay_apart() -> None:
    rng = np.random.default_rng(4)
    codes = joined(rng.integers(0, 13, 60), rng.integers(2, 32, 60), rng.integers(2, 32, 60))
    inputs = [number("a", 12), category("b", 30), category("c", 30)]
    assert fields_together(codes, inputs) == ()
    assert fields_together(codes[:0], inputs) == ()
    assert fields_together(np.ones_like(codes), inputs) == ()


def test_signs_agree_with_what_was_observed_where_the_model_is_right(
    seller: tuple[LeadHistory, Learned],
) -> None:
    history, learned = seller
    found = check_explanations(learned.scorer, learned, history, definition_with(), n_draws=0)
    told = {(sign.field, sign.value["en"]): sign for sign in found.signs}
    webinar = told["source", "Webinar"]
    assert webinar.agrees
    assert webinar.score_agrees
    assert webinar.points > 0
    assert webinar.observed_points > 0
    assert webinar.rate > webinar.overall
    assert webinar.words == {}


def test_a_contribution_against_what_was_observed_is_flagged_in_plain_words(
    seller: tuple[LeadHistory, Learned],
) -> None:
    history, learned = seller
    scorer = learned.scorer
    (position,) = scorer.encoder.positions["source"]
    turned = replace(
        scorer.raw_tables,
        mains=tuple(
            tuple(-2 * curve if i == position else curve for i, curve in enumerate(curves))
            for curves in scorer.raw_tables.mains
        ),
    )
    wrong = check_explanations(
        served(scorer, turned), learned, history, definition_with(), n_draws=0
    )
    webinar = next(sign for sign in wrong.signs if sign.value["en"] == "Webinar")
    assert wrong.signs[0].agrees is False
    assert not webinar.agrees
    assert not webinar.score_agrees
    assert webinar.words["en"].startswith("Lowers the score, though such leads won more often")
    assert "look here" in webinar.words["en"]
    assert "点数を下げますが" in webinar.words["ja"]


def test_curves_carry_points_leads_and_rates_of_the_strongest_fields(
    company: tuple[LeadHistory, Learned], checks: ExplanationChecks
) -> None:
    _, learned = company
    scorer = learned.scorer
    fields = {curve.field.partition(".")[0] for curve in checks.dependence}
    open_fields = [
        moved.field
        for moved in checks.importance
        if not getattr(DEFINITION.fields.get(moved.field), "personal", False)
    ]
    assert fields == set(open_fields[:8])
    for curve in checks.dependence:
        assert input_name(DEFINITION, curve.field, "en")
        assert curve.bands
        for band in curve.bands:
            assert set(band["label"]) == set(LANGUAGES)
            assert (band["rate"] is None) == (band["n"] < MIN_CASES)
    source = next(curve for curve in checks.dependence if curve.field == "source")
    webinar = next(band for band in source.bands if band["label"]["en"] == "Webinar")
    (position,) = scorer.encoder.positions["source"]
    code = scorer.encoder.inputs[position].code("webinar")
    main = scorer.tables.position(scorer.main_horizon)
    expected = scorer.tables.mains[main][position][code] * POINTS_PER_LOGIT
    assert webinar["points"] == pytest.approx(expected)
    assert [band["points"] for band in source.bands] == sorted(
        (band["points"] for band in source.bands), reverse=True
    )


def test_no_value_of_a_personal_field_is_in_the_document(
    company: tuple[LeadHistory, Learned], checks: ExplanationChecks
) -> None:
    _, learned = company
    written = json.dumps(checks.document(), ensure_ascii=False)
    personal = [
        given
        for given in learned.scorer.encoder.inputs
        if getattr(DEFINITION.fields.get(given.field), "personal", False)
    ]
    domains = next(given for given in personal if given.name == "email.domain").levels
    assert domains
    assert not [level for level in domains if level in written]
    shown = {curve.field for curve in checks.dependence}
    assert not shown & {given.name for given in personal}
    for sign in checks.signs:
        if sign.field in {given.name for given in personal}:
            assert sign.value["en"] in ("(personal: value not shown)", "not given")


def test_the_document_is_json_with_the_agreed_keys(checks: ExplanationChecks) -> None:
    document = checks.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {"additivity", "stability", "signs", "concepts", "importance", "groups"} < set(document)
    assert set(document["stability"]) >= {"top3_agreement", "n_draws", "n_leads"}
    assert set(document["importance"][0]) == {"field", "points", "group"}
    assert set(document["groups"][0]) == {"group", "points"}
    assert {"field", "bands"} < set(document["dependence"][0])
    assert set(document["dependence"][0]["bands"][0]) == {"label", "points", "n", "rate"}
    assert {"members", "group", "correlation"} < set(document["concepts"][0])
    assert {"field", "value", "points", "observed_points", "agrees"} < set(document["signs"][0])


def test_a_snapshot_is_checked_like_a_history() -> None:
    rng = np.random.default_rng(5)
    source = rng.choice(["webinar", "exhibition", "referral"], 800)
    employees = rng.integers(1, 500, 800)
    chance = np.where(source == "webinar", 0.5, 0.15) + 0.0004 * employees
    won = rng.random(800) < chance
    ids = [f"L{k}" for k in range(800)]
    history = history_of(
        dict.fromkeys(ids),
        [(lead, None, "won" if is_won else "lost") for lead, is_won in zip(ids, won, strict=True)],
        {"source": source.tolist(), "employees": [str(size) for size in employees]},
        mode="snapshot",
    )
    small = SnapshotTeacherSettings(
        grouping_trees=20, listing_trees=20, bending_trees=20, seeds=(1,)
    )
    recipe = replace(QUICK, snapshot_teacher=small, chooses=False)
    learned = learn(history, definition_with(), recipe=recipe)
    found = check_explanations(
        learned.scorer, learned, history, definition_with(), recipe=recipe, n_draws=1
    )
    assert found.stability.top3_agreement == 1.0, "there are but two fields"
    webinar = next(sign for sign in found.signs if sign.value["en"] == "Webinar")
    assert webinar.agrees
    assert found.additivity < 1e-9
