"""Several cut-offs: nothing known later helps, spans follow each other, the truth comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from features.definition import load_definition
from features.errors import NotEnoughEvidence
from tests.training.histories import day, definition_with, history_of, selling_history
from tests.training.rolled import QUICK, without_events_after
from training.champion import Champion
from training.judging import CHAMPION, STUDENT
from training.labels import label_history
from training.lineage import FOLLOW_SHARE, Line, calibrated
from training.metrics import log_loss
from training.recipe import learn
from training.rolling import judge_rolling
from training.worlds import WorldSettings, make_world

DEFINITION = load_definition()


@pytest.fixture(scope="module")
def world():
    return make_world(WorldSettings(n_leads=3000, n_test=0, seed=111, drift=0.5))


@pytest.fixture(scope="module")
def champion(world):
    history, day = world.training_part(), world.cut_off - timedelta(days=260)
    other = replace(QUICK, seed=1, student=replace(QUICK.student, trees=20))
    learned = learn(history, DEFINITION, as_of=day, recipe=other)
    return Champion("3", calibrated(learned.scorer, 0.1), other, day)


@pytest.fixture(scope="module")
def judged(world, champion):
    said = []
    judgement = judge_rolling(
        world.training_part(),
        DEFINITION,
        as_of=world.cut_off,
        recipe=QUICK,
        champion=champion,
        tell=said.append,
    )
    return judgement, said


def test_spans_follow_each_other_and_are_old_enough_to_be_judged(world, judged):
    judgement, said = judged
    history = world.training_part()
    arrived = history.leads["arrived_at"]
    days = [part.cut_off for part in judgement.origins]

    assert len(days) == 4
    assert days == sorted(days)
    spans = np.concatenate([part.span for part in judgement.origins])
    assert len(set(spans)) == len(spans)
    oldest_to_judge = world.cut_off - timedelta(days=FOLLOW_SHARE * DEFINITION.main_horizon)
    between = (arrived >= days[0]) & (arrived <= oldest_to_judge)
    assert set(spans) == set(np.flatnonzero(between))
    for part, following in zip(judgement.origins, days[1:], strict=False):
        assert (arrived.iloc[part.span] < following).all()
        assert not part.learned.rows[part.span].any()
    assert any("Cut-off 2 of 4" in step for step in said)


def test_only_leads_that_were_worked_from_their_arrival_are_judged(judged):
    judgement, _ = judged
    known = judgement.newest.known

    assert known.worked[judgement.lead].all()
    assert (known.entry_days[judgement.lead] == 0).all()
    assert len(judgement.lead) < sum(len(part.span) for part in judgement.origins)


def test_the_oldest_model_still_has_fifty_wins_to_learn_from(judged):
    judgement, _ = judged

    assert judgement.origins[0].learned.labels.n_wins >= 50
    assert all(part.learned.scorer.method == "student" for part in judgement.origins)


def test_what_happens_after_a_cut_off_changes_neither_its_model_nor_its_calibration():
    history, definition = selling_history(1500), definition_with()
    first, second = day(200), day(330)
    now = Line(history, definition, QUICK)
    then = Line(without_events_after(history, second), definition, QUICK)

    for line in (now, then):
        line.at(first)
    learned, shift = now.at(second)
    earlier, earlier_shift = then.at(second)

    assert shift == earlier_shift
    assert shift != 0.0
    assert learned.scorer.model_digest == earlier.scorer.model_digest
    blind = Line(without_events_after(history, first), definition, QUICK)
    assert blind.at(first)[0].scorer.model_digest == now.at(first)[0].scorer.model_digest
    assert blind.at(second)[0].scorer.model_digest != learned.scorer.model_digest


def test_a_recipe_that_does_without_calibration_is_never_shifted():
    history, definition = selling_history(1500), definition_with()
    line = Line(history, definition, replace(QUICK, calibrates=False))

    line.at(day(200))

    assert line.at(day(330))[1] == 0.0


def test_pooled_censoring_weights_bring_back_what_all_leads_did_in_the_end(world, judged):
    judgement, _ = judged
    column = judgement.main
    told = judgement.told()
    in_the_end = label_history(
        world._part(np.arange(3000), until=world.cut_off + timedelta(days=400)),
        DEFINITION,
        world.cut_off + timedelta(days=400),
    )
    won = (in_the_end.won_days[judgement.lead] <= DEFINITION.main_horizon).astype(float)
    outcome, weight = judgement.outcome[told, column], judgement.weight[told, column]
    own = judgement.probabilities[STUDENT][:, column]

    weighed = np.average(outcome, weights=weight)
    assert weighed == pytest.approx(won.mean(), abs=0.02)
    assert abs(outcome.mean() - won.mean()) > abs(weighed - won.mean())
    assert log_loss(outcome, own[told], weight) == pytest.approx(log_loss(won, own), abs=0.03)


def test_a_champion_that_is_older_than_the_cut_off_answers_itself(world, judged, champion):
    judgement, _ = judged
    history = world.training_part()
    codes = champion.scorer.encoder.encode_history(history)

    for part, standing in zip(judgement.origins, judgement.standings, strict=True):
        assert standing == ("as_served" if champion.as_of <= part.cut_off else "relearnt")
        if standing == "as_served":
            np.testing.assert_array_equal(
                part.probabilities[CHAMPION][:, 0],
                champion.scorer.probabilities(codes[part.lead])[:, 0],
            )
    assert set(judgement.standings) == {"as_served", "relearnt"}


def test_a_younger_champion_is_learnt_again_by_its_own_recipe_on_that_day(world, judged, champion):
    judgement, _ = judged
    oldest = judgement.origins[0]

    again = learn(world.training_part(), DEFINITION, as_of=oldest.cut_off, recipe=champion.recipe)

    assert oldest.champion.standing == "relearnt"
    assert oldest.champion.scorer.raw_tables.to_dict() == again.scorer.raw_tables.to_dict()
    assert oldest.champion.scorer.raw_tables.to_dict() != oldest.learned.scorer.raw_tables.to_dict()


def test_the_same_recipe_learnt_again_is_the_student_itself():
    history, definition = selling_history(1500, follow=700), definition_with()
    learned = learn(history, definition, as_of=day(695), recipe=QUICK)
    same = Champion("4", learned.scorer, QUICK, day(695))

    found = judge_rolling(
        history, definition, as_of=day(700), recipe=QUICK, champion=same, n_origins=1
    )

    assert found.standings == ("relearnt",)
    np.testing.assert_array_equal(found.probabilities[CHAMPION], found.probabilities[STUDENT])

    # Without a field that it looks at it cannot be learnt again, and has seen the leads.
    poorer = replace(history, fields=history.fields.drop(columns="employees"))
    found = judge_rolling(
        poorer, definition, as_of=day(700), recipe=QUICK, champion=same, n_origins=1
    )
    assert found.standings == ("has_seen",)
    assert not np.isnan(found.probabilities[CHAMPION][:, found.main]).any()


def test_with_few_wins_the_newest_fifth_is_judged_alone():
    history = selling_history(260, seed=3, follow=400)

    found = judge_rolling(history, definition_with(), as_of=day(400), recipe=QUICK)

    assert len(found.origins) == 1
    assert found.newest.learned.scorer.method == "base_rate"


def test_a_history_without_leads_to_judge_says_so():
    history = history_of({"A": 0.0}, [("A", 1.0, "accepted")])

    with pytest.raises(NotEnoughEvidence, match="too short to keep its newest part"):
        judge_rolling(history, definition_with(), as_of=day(10))
    with pytest.raises(ValueError, match="needs as_of"):
        judge_rolling(history, definition_with(), as_of=None)
    with pytest.raises(ValueError, match="n_origins must be 1 or more"):
        judge_rolling(history, definition_with(), as_of=day(10), n_origins=0)


def snapshot(n=700, seed=0):
    random = np.random.default_rng(seed)
    source = random.choice(["webinar", "exhibition", "referral"], n)
    chance = np.where(source == "webinar", 0.5, 0.2)
    won = random.random(n) < chance
    ends = [(f"L{k}", None, "won" if won[k] else "lost") for k in range(n)]
    fields = {"source": [str(one) for one in source]}
    return history_of({f"L{k}": None for k in range(n)}, ends, fields, mode="snapshot")


def test_a_snapshot_is_judged_at_three_splits_in_the_order_of_its_leads():
    recipe = replace(QUICK, chooses=False)

    found = judge_rolling(snapshot(), definition_with(), as_of=None, recipe=recipe)

    assert [int(part.learned.rows.sum()) for part in found.origins] == [385, 489, 595]
    assert [len(part.span) for part in found.origins] == [104, 106, 105]
    np.testing.assert_array_equal(found.lead, np.arange(385, 700))
    assert (found.weight == 1).all()
    assert found.to_add == 0.0
