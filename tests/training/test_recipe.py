"""What recipes may differ in: recency, window, size, fields shown; the default stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from features.errors import NotEnoughEvidence
from features.leads import LeadHistory
from tests.training.histories import day, definition_with, history_of, selling_history
from training.labels import label_history
from training.recency import lead_weights, leads_since, observed_within
from training.recipe import Learned, Recipe, learn, teach
from training.student import StudentSettings

DEFINITION = definition_with(recording_began="2026-01-01")
AS_OF = day(400)
QUICK = Recipe(student=StudentSettings(trees=40, scout_trees=20))


@pytest.fixture(scope="module")
def history() -> LeadHistory:
    return selling_history(900)


@pytest.fixture(scope="module")
def usual(history: LeadHistory) -> Learned:
    return learn(history, DEFINITION, as_of=AS_OF, recipe=QUICK)


@pytest.mark.parametrize(
    "change",
    [
        {"half_life_days": 100.0},
        {"window_days": 200.0},
        {"teacher_size": 0.25},
        {"glm_share": 1.0},
        {"dropped_fields": ("employees",)},
    ],
    ids=str,
)
def test_each_choice_makes_another_model_that_can_be_served(
    history: LeadHistory, usual: Learned, change: dict[str, object]
) -> None:
    learned = learn(history, DEFINITION, as_of=AS_OF, recipe=replace(QUICK, **change))  # type: ignore[arg-type]
    assert learned.scorer.model_digest != usual.scorer.model_digest
    chances = learned.scorer.probabilities(learned.codes)
    assert ((chances > 0) & (chances < 1)).all()


def test_what_changes_nothing_gives_the_same_bits(history: LeadHistory, usual: Learned) -> None:
    same = replace(QUICK, dropped_fields=("no_such_field",), window_days=1e6)
    whole = teach(history, DEFINITION, AS_OF, recipe=replace(same, window_days=None))
    forgetful = teach(history, DEFINITION, AS_OF, recipe=same)
    assert usual.teacher is not None
    for taught in (whole, forgetful):
        assert taught.teacher is not None
        np.testing.assert_array_equal(taught.teacher.glm, usual.teacher.glm)  # type: ignore[union-attr]


def test_a_dropped_field_is_not_asked_for(history: LeadHistory) -> None:
    recipe = replace(QUICK, dropped_fields=("employees",))
    learned = learn(history, DEFINITION, as_of=AS_OF, recipe=recipe)
    assert {given.field for given in learned.scorer.encoder.inputs} == {"source", "arrived_at"}
    assert learned.codes.shape == (900, len(learned.scorer.encoder.inputs))
    assert learned.scorer.definition == DEFINITION


def test_dropping_every_field_is_refused(history: LeadHistory) -> None:
    recipe = replace(QUICK, dropped_fields=("employees", "source", "arrived_at"))
    with pytest.raises(NotEnoughEvidence, match="leaves out every field"):
        learn(history, DEFINITION, as_of=AS_OF, recipe=recipe)


def test_a_window_forgets_wins_and_time_before_it(history: LeadHistory) -> None:
    labels = label_history(history, DEFINITION, AS_OF)
    seen = observed_within(labels, 150.0)
    np.testing.assert_allclose(
        seen.entry_days, np.maximum(labels.entry_days, labels.follow_up_days - 150.0)
    )
    taught = teach(history, DEFINITION, AS_OF, recipe=replace(QUICK, window_days=150.0))
    whole = teach(history, DEFINITION, AS_OF, recipe=QUICK)
    assert taught.teacher is not None
    assert whole.teacher is not None
    assert taught.teacher.n_wins == seen.n_wins < whole.teacher.n_wins
    assert observed_within(labels, None) is labels


def test_with_too_few_wins_in_the_window_base_rates_stand_in(history: LeadHistory) -> None:
    learned = learn(history, DEFINITION, as_of=AS_OF, recipe=replace(QUICK, window_days=5.0))
    assert learned.scorer.method == "base_rate"
    assert learned.teacher is None


def test_weights_of_leads_halve_with_their_age_and_end_with_the_window() -> None:
    age = np.array([0.0, 10.0, 20.0, 40.0])
    assert lead_weights(age, half_life_days=None, window_days=None) is None
    np.testing.assert_allclose(
        lead_weights(age, half_life_days=10.0, window_days=None),  # type: ignore[arg-type]
        [1, 0.5, 0.25, 0.0625],
    )
    np.testing.assert_allclose(
        lead_weights(age, half_life_days=10.0, window_days=20.0),  # type: ignore[arg-type]
        [1, 0.5, 0, 0],
    )
    np.testing.assert_allclose(
        lead_weights(age, half_life_days=None, window_days=30.0),  # type: ignore[arg-type]
        [1, 1, 1, 0],
    )


def test_the_age_of_a_lead_without_dates_is_how_many_came_later() -> None:
    history = history_of({"a": None, "b": None, "c": None, "d": None}, mode="snapshot")
    rows = np.array([True, True, False, True])
    assert leads_since(history, rows).tolist() == [2, 1, 0, 0]


def test_how_many_threads_a_machine_has_changes_no_bit():
    told = [
        subprocess.run(
            [sys.executable, "-c", _LEARN],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    ]

    assert told[0] == told[1] != ""


# So many leads that libraries would share the sums out between threads.
_LEARN = """
from features.definition import load_definition
from training.recipe import Recipe, learn
from training.student import StudentSettings
from training.worlds import WorldSettings, make_world

world = make_world(WorldSettings(n_leads=9000, n_test=0, seed=3))
recipe = Recipe(student=StudentSettings(trees=20, scout_trees=10))
learned = learn(world.training_part(), load_definition(), as_of=world.cut_off, recipe=recipe)
print(learned.scorer.model_digest)
"""
