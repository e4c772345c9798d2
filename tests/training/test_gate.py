"""The gate on plain arrays: what passes, what stands in the way, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.definition import load_definition
from features.scorer import Calibration, LeadScorer
from features.tables import AdditiveTables
from features.terms import AcceptedFinding
from tests.builders import small_encoder, small_scorer
from training.audit_lane import AuditLane
from training.champion import Champion
from training.gate import decide, judge_gate, judging_column
from training.gate_conditions import Comparison, Condition, is_exact, paired
from training.gate_renewal import served_ratio
from training.gate_scores import curve_differences, resampled_means
from training.gate_segments import Part
from training.gate_words import TITLES, WORDS
from training.leaks.findings import LeakFinding, LeakScan, Sentences
from training.metrics import Interval, log_loss
from training.pipeline import Rules, train_on
from training.recipe import Recipe
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world

HORIZONS = (90, 180)


def expit(x):
    return 1.0 / (1.0 + np.exp(-x))


def logit(p):
    return np.log(p / (1.0 - p))


def leads(n=4000, error=0.0, their_error=1.0, seed=0, level=0.0, n_origins=4, swapped=False):
    """Return a comparison in which the truth is known, with errors of stated size in log-odds."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2.0, 0.9, n)
    truth = expit(np.column_stack([log_odds - 0.7, log_odds]))
    draw = rng.random(n)
    outcome = (draw[:, None] < truth).astype(float)

    def model(size, shift=0.0):
        moved = log_odds + rng.normal(0, size, n) + shift if size else log_odds + shift
        return expit(np.column_stack([moved - 0.7, moved]))

    mine, theirs = model(error, level), model(their_error)
    if swapped:
        mine, theirs = theirs, mine
    origin = np.repeat(np.arange(n_origins), n // n_origins)
    return Comparison(HORIZONS, 1, outcome, np.ones_like(outcome), origin, mine, mine, mine, theirs)


def baselines(found):
    rates = np.tile(found.outcome.mean(axis=0), (len(found.outcome), 1))
    return {"base_rate": rates, "linear": found.theirs}


def named(verdict, name) -> Condition:
    return next(one for one in verdict.conditions if one.name == name)


def scan(*findings):
    return LeakScan(findings, 100)


def leak(field="tags", accepted=None):
    said = Sentences(ja="疑い", en="suspect")
    return LeakFinding(field, "purity", "leak", said, said, {}, accepted)


def test_a_clearly_better_model_is_promoted_as_better_and_every_condition_has_its_figure():
    found = leads()

    verdict = decide(found, baselines(found), champion_version="3", age_days=10)

    assert verdict.rule == "better"
    assert verdict.may_be_promoted
    assert {one.name for one in verdict.conditions} == set(TITLES) - {"exact", "arrival"}
    assert all(one.figure and one.limit for one in verdict.conditions)
    assert "version 3" in verdict.words.en
    assert "版3" in verdict.words.ja


def test_without_a_champion_the_first_model_is_judged_against_rates_by_channel():
    found = leads()

    verdict = decide(found, baselines(found))

    assert verdict.rule == "first_model"
    assert verdict.champion_version == ""
    assert "win rates by channel" in verdict.words.en


def test_what_could_not_be_checked_is_named_and_makes_it_ok_instead_of_ready():
    found = leads()
    lane = AuditLane(80, 25, 0.3, 0.3, Interval(0.0, -0.02, 0.02), -0.01, Sentences(ja="x", en="x"))
    parts = [Part("source", "webinar", np.ones(len(found.outcome), dtype=bool))]

    without = decide(found, baselines(found), champion_version="3")
    complete = decide(found, baselines(found), champion_version="3", audit=lane, parts=parts)

    assert (without.level, complete.level) == ("ok", "ready")
    assert "sales refused" in without.words.en
    assert "確かめられません" in without.words.ja


def test_no_condition_hides_another():
    found = leads(n=400, level=1.0, error=2.0, their_error=0.0, n_origins=2)

    verdict = decide(found, baselines(found), champion_version="3")

    assert verdict.level == "not_ready"
    assert {"evidence", "better"} <= set(verdict.failed)
    assert len(verdict.conditions) == 10
    assert all(one.words.ja and one.words.en for one in verdict.conditions)


def test_a_model_that_is_worse_is_kept_out_also_where_the_champion_is_old():
    found = leads(swapped=True)

    verdict = decide(found, baselines(found), champion_version="3", age_days=900)

    assert not verdict.may_be_promoted
    assert named(verdict, "better").passed is False
    assert named(verdict, "refresh").passed is False


@pytest.mark.parametrize(
    ("age", "ratio", "rule"),
    [(100, None, "refresh"), (10, None, ""), (10, Interval(1.6, 1.3, 1.9), "refresh"),
     (10, Interval(1.6, 0.9, 2.4), ""), (10, Interval(1.1, 1.05, 1.2), ""), (None, None, "")],
)  # fmt: skip
def test_an_equal_model_only_renews_a_champion_that_is_old_or_promises_wrongly(age, ratio, rule):
    found = leads()
    same = replace(found, theirs=found.mine)

    verdict = decide(
        same,
        {"base_rate": baselines(found)["base_rate"]},
        champion_version="3",
        age_days=age,
        champion_ratio=ratio,
    )

    assert verdict.rule == rule
    assert verdict.may_be_promoted == bool(rule)
    assert named(verdict, "better").passed is False


def test_a_renewal_is_called_ok_and_says_that_it_is_not_shown_to_be_better():
    found = leads()

    verdict = decide(replace(found, theirs=found.mine), {}, champion_version="3", age_days=100)

    assert verdict.level == "ok"
    assert "not shown to be better" in verdict.words.en


@pytest.mark.parametrize(("n", "n_origins", "passed"), [(4000, 3, True), (4000, 2, False), (600, 4, False)])  # fmt: skip
def test_three_cut_offs_and_a_hundred_wins_are_needed(n, n_origins, passed):
    found = leads(n=n - n % n_origins, n_origins=n_origins)

    evidence = named(decide(found, baselines(found)), "evidence")

    assert evidence.passed is passed
    assert evidence.figure.startswith(f"{n_origins}, ")


def test_the_judging_horizon_is_the_main_one_else_the_longest_shorter_one_with_the_wins():
    outcome = np.zeros((300, 3))
    outcome[:150, 0] = outcome[:120, 1] = outcome[:130, 2] = 1.0
    weight = np.ones_like(outcome)
    weight[:60, 2] = 0.0

    assert judging_column(outcome, weight, 2) == 1
    assert judging_column(outcome, np.ones_like(outcome), 2) == 2
    assert judging_column(outcome * 0, weight, 2) == 2


def test_one_horizon_that_got_worse_is_named():
    found = leads()
    mine = found.mine.copy()
    mine[:, 0] = mine[:, 0] * 0.3

    steady = named(decide(replace(found, mine=mine), baselines(found)), "horizons")

    assert steady.passed is False
    assert "90 days" in steady.words.en


def test_a_model_that_ranks_worse_fails_by_its_auc():
    found = leads()
    rng = np.random.default_rng(1)

    ranking = named(
        decide(replace(found, student=rng.permutation(found.student)), baselines(found)), "ranking"
    )

    assert ranking.passed is False
    assert float(ranking.figure) < -0.1


def test_promises_of_twice_the_wins_fail_on_the_last_cut_off_only():
    found = leads()
    last = found.origin == 3
    twice = np.minimum(found.worked * 2.0, 0.99)
    newest = replace(found, worked=np.where(last[:, None], twice, found.worked))
    oldest = replace(found, worked=np.where((found.origin == 0)[:, None], twice, found.worked))

    assert named(decide(newest, baselines(found)), "calibration").passed is False
    assert named(decide(oldest, baselines(found)), "calibration").passed is True


def test_a_segment_fails_where_the_champion_keeps_its_promises_there():
    found = leads()
    rows = np.arange(len(found.outcome)) % 4 == 0
    worked = np.where(rows[:, None], np.minimum(found.worked * 2.0, 0.99), found.worked)
    parts = [Part("source", "webinar", rows), Part("source", "exhibition", ~rows)]
    off = replace(found, worked=worked)

    alone = named(decide(off, baselines(found), parts=parts), "segments")
    both = named(decide(replace(off, theirs=worked), baselines(found), parts=parts), "segments")

    assert alone.passed is False
    assert "source = webinar" in alone.words.en
    assert "exhibition" not in alone.words.en
    assert both.passed is True


def test_a_small_segment_is_not_judged():
    found = leads()
    rows = np.cumsum(found.outcome[:, 1]) <= 29
    worked = np.where(rows[:, None], 0.99, found.worked)

    judged = named(
        decide(replace(found, worked=worked), {}, parts=[Part("source", "x", rows)]), "segments"
    )

    assert judged.passed is None


def test_a_model_that_a_linear_one_beats_is_kept_out():
    found = leads(error=0.8)
    linear = leads().mine

    simple = named(decide(found, baselines(found) | {"linear": linear}), "simple")

    assert simple.passed is False
    assert "linear model +" in simple.figure.en
    assert "線形モデル +" in simple.figure.ja


@pytest.mark.parametrize(
    ("n_won", "low_90", "passed"), [(25, 0.001, False), (25, -0.001, True), (19, 0.001, None)]
)
def test_the_audit_lane_vetoes_from_twenty_wins(n_won, low_90, passed):
    found = leads()
    lane = AuditLane(
        200, n_won, 0.3, 0.3, Interval(0.01, -0.01, 0.03), low_90, Sentences(ja="x", en="x")
    )

    verdict = decide(found, baselines(found), audit=lane)

    assert named(verdict, "audit").passed is passed
    assert ("audit" in verdict.failed) == (passed is False)


@pytest.mark.parametrize(("error", "guarded", "passed"), [(1e-12, 0.0, True), (1e-5, 0.0, False), (1e-12, 0.01, False)])  # fmt: skip
def test_reasons_must_add_up_and_chances_must_not_fall(error, guarded, passed):
    assert is_exact(error, guarded).passed is passed


def test_an_open_leak_finding_blocks_and_an_accepted_one_is_listed_by_name():
    scorer = base_rate_scorer()
    accepted = AcceptedFinding.model_construct(by="Hanako", why="asked on the form")

    blocked = judge_gate(None, scorer, leaks=scan(leak("tags")), n_wins=12)
    passed = judge_gate(None, scorer, leaks=scan(leak("tags", accepted)), n_wins=12)

    assert blocked.failed == ("arrival",)
    assert "tags (purity)" in named(blocked, "arrival").words.en
    assert "accepted_findings" in named(blocked, "arrival").words.ja
    assert passed.may_be_promoted
    assert "accepted by name: tags" in named(passed, "arrival").words.en


def base_rate_scorer():
    encoder = small_encoder(load_definition())
    scorer = small_scorer()
    return LeadScorer(
        encoder, scorer.raw_tables, None, Calibration("history", "base_rate", 180, 0.0)
    )


def test_below_fifty_wins_base_rates_may_be_published_and_say_that_nothing_is_learnt():
    verdict = judge_gate(None, base_rate_scorer(), n_wins=31)

    assert (verdict.level, verdict.rule) == ("ok", "base_rate")
    assert "Nothing is learnt yet" in verdict.words.en
    assert "19 more" in verdict.words.en
    assert "あと19件" in verdict.words.ja


def test_base_rates_do_not_take_the_place_of_a_model_that_has_learnt():
    champion = Champion("4", small_scorer(), Recipe())

    verdict = judge_gate(None, base_rate_scorer(), champion=champion, n_wins=31)

    assert not verdict.may_be_promoted
    assert "version 4" in verdict.words.en


def test_a_model_that_could_not_be_tried_is_kept_out():
    verdict = judge_gate(None, small_scorer())

    assert verdict.failed[0] == "evidence"
    assert "too short" in named(verdict, "evidence").words.en


def test_the_document_is_json_content_with_the_agreed_keys():
    found = leads()

    told = decide(found, baselines(found), champion_version="3").document()

    keys = {"level", "rule", "may_be_promoted", "champion_version", "words", "failed", "conditions"}
    assert set(told) == keys
    assert set(told["conditions"][0]) == {"name", "passed", "figure", "limit", "words"}
    assert type(told["may_be_promoted"]) is bool
    assert all(type(one["passed"]) in (bool, type(None)) for one in told["conditions"])


def test_every_condition_has_its_three_sentences():
    assert set(WORDS) == set(TITLES)
    assert all(set(said) == {"passed", "failed", "unknown"} for said in WORDS.values())


def test_over_one_horizon_the_curve_is_that_horizons_log_loss():
    found = leads()
    one = slice(1, 2)

    difference, told = curve_differences(
        found.outcome[:, one], found.weight[:, one], found.mine[:, one], found.theirs[:, one]
    )

    outcome = found.outcome[:, 1]
    expected = log_loss(outcome, found.mine[:, 1]) - log_loss(outcome, found.theirs[:, 1])
    assert told.all()
    assert difference.mean() == pytest.approx(expected)


def test_the_curve_is_the_chance_given_to_what_happened_and_counts_nothing_twice():
    outcome = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    mine, theirs = np.array([[0.1, 0.3]] * 3), np.array([[0.2, 0.25]] * 3)

    difference, _ = curve_differences(outcome, np.ones((3, 2)), mine, theirs)

    assert difference == pytest.approx(-np.log([0.1 / 0.2, 0.2 / 0.05, 0.7 / 0.75]))


def test_a_horizon_that_one_model_does_not_tell_is_left_to_the_next():
    outcome, mine = np.array([[1.0, 1.0]]), np.array([[np.nan, 0.3]])

    difference, told = curve_differences(outcome, np.ones((1, 2)), mine, np.array([[0.2, 0.25]]))

    assert difference == pytest.approx(-np.log([0.3 / 0.25]))
    assert told.all()


def test_the_bound_covers_and_the_draws_keep_their_strata():
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], [50, 150])
    values = np.where(strata == 0, 10.0, 0.0) + rng.normal(0, 1, 200)

    drawn = resampled_means(values, strata)

    assert drawn.std() == pytest.approx(1 / np.sqrt(200), rel=0.15)
    assert np.array_equal(drawn, resampled_means(values, strata))


def test_of_models_with_equal_errors_few_pass_as_better():
    passed = 0
    for seed in range(60):
        measured = paired(leads(n=1000, error=0.5, their_error=0.5, seed=seed))
        passed += measured is not None and measured[1] < 0

    assert passed <= 9


def test_what_serves_is_not_called_wrong_for_the_discount_that_refusals_ask_for():
    found = leads()
    discounted = replace(found, mine=found.mine * 0.6, theirs=found.mine * 0.6)

    ratio = served_ratio(discounted)

    assert ratio is not None
    assert ratio.low < 1.0 < ratio.high
    assert ratio.value == pytest.approx(1.0, abs=0.15)


def test_a_judgement_of_files_gives_a_verdict_with_all_conditions(trained):
    judgement = trained.backtest.judgement

    verdict = judge_gate(
        judgement, trained.scorer, leaks=scan(), n_wins=trained.learned.labels.n_wins
    )

    assert {one.name for one in verdict.conditions} == set(TITLES)
    assert named(verdict, "exact").passed is True
    assert named(verdict, "arrival").passed is True
    assert verdict.rule in ("first_model", "")


# --- what an independent review found ------------------------------------------------------------


def test_a_linear_truth_does_not_keep_a_model_out_that_is_as_good_as_the_linear_one():
    found = leads(error=0.02)
    rng = np.random.default_rng(3)
    linear = expit(logit(found.worked) + rng.normal(0, 0.02, (len(found.worked), 1)))

    simple = named(decide(found, baselines(found) | {"linear": linear}), "simple")

    assert simple.passed is True


@pytest.mark.parametrize(
    ("moved", "passed"), [(0.0, True), (-0.7, True), (-4.0, False), (1.5, False)]
)
def test_what_is_served_must_lie_near_the_chances_of_worked_leads(moved, passed):
    found = leads()
    served = replace(found, student=expit(logit(found.student) + moved))

    assert named(decide(served, baselines(served)), "served").passed is passed


def test_the_luck_of_the_wins_that_were_learnt_from_counts_for_the_level():
    found = leads(level=0.35)

    strict = named(decide(found, baselines(found)), "calibration")
    lenient = named(decide(replace(found, n_taught=30), baselines(found)), "calibration")

    assert strict.passed is False
    assert lenient.passed is True


def test_falling_chances_are_found_on_the_leads_that_are_given():
    scorer = small_scorer()
    tables = scorer.raw_tables
    falling = AdditiveTables(
        tables.horizons, tuple(reversed(tables.base)), tables.mains, tables.pairs
    )
    wrong = LeadScorer(
        scorer.encoder, falling, scorer.acceptance, scorer.calibration, scorer.reference
    )
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, size, 500) for size in scorer.encoder.sizes])

    verdict = judge_gate(None, wrong, codes=codes.astype(np.int32), n_wins=80)

    assert named(verdict, "exact").passed is False


def test_the_verdict_is_told_with_its_level_in_both_languages():
    verdict = decide(leads(), baselines(leads()), champion_version="3")

    assert verdict.in_words("en").startswith(("Ready. ", "OK to use. "))
    assert verdict.in_words("ja").startswith(("使えます。", "条件つきで使えます。"))


def test_a_history_in_which_nothing_could_be_learnt_is_not_enough_evidence():
    world = make_world(WorldSettings(n_leads=1500, n_test=0, seed=3, leaks=()))
    recipe = Recipe(student=StudentSettings(trees=30, scout_trees=15))

    model = train_on(
        world.training_part(),
        load_definition(),
        as_of=world.cut_off,
        recipe=recipe,
        rules=Rules(draws=0),
    )

    assert model.scorer.method == "student"
    assert model.verdict.level == "not_ready"
    assert "evidence" in model.verdict.failed
