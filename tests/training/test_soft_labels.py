from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.definition import load_definition
from tests.training.histories import day, definition_with, history_of
from training.labels import label_history, label_snapshot
from training.soft_labels import soft_labels

DEFINITION = load_definition()
EVENTS = [
    ("worked", 1, "accepted"),
    ("timing", 1, "rejected", "bad_timing"),
    ("spam", 1, "rejected", "competitor_student_spam"),
    ("busy", 1, "rejected", "capacity"),
    ("twice", 1, "rejected", "duplicate"),
    ("back", 1, "rejected", "bad_timing"),
    ("back", 60, "recycled"),
    ("spared", 1, "rejected", "competitor_student_spam"),
    ("spared", 60, "recycled"),
    ("dead", 1, "accepted"),
    ("dead", 9, "lost", "no_budget"),
]
NAMES = ["worked", "timing", "spam", "busy", "twice", "back", "spared", "dead", "quiet"]
LABELS = label_history(history_of(dict.fromkeys(NAMES, 0), EVENTS), DEFINITION, day(200))
TEACHER = np.tile([0.02, 0.06, 0.09, 0.12], (len(NAMES), 1))


def shifted(shifts: list[float]) -> np.ndarray:
    odds = TEACHER[0] / (1 - TEACHER[0]) * np.exp(shifts)
    return odds / (1 + odds)


def test_worked_and_rejected_leads_teach_the_student_and_nobody_else() -> None:
    soft = soft_labels(TEACHER, LABELS, DEFINITION)
    assert [NAMES[row] for row in soft.rows] == [
        "worked", "timing", "spam", "back", "spared", "dead",
    ]  # fmt: skip


def test_a_reason_shifts_the_teacher_in_log_odds_at_each_horizon() -> None:
    soft = soft_labels(TEACHER, LABELS, DEFINITION)
    by_name = dict(zip((NAMES[row] for row in soft.rows), soft.probabilities, strict=True))
    np.testing.assert_allclose(by_name["timing"], shifted([-3, -2, -1, 0]), rtol=1e-12)
    np.testing.assert_allclose(by_name["back"], by_name["timing"])
    for name in ("worked", "dead", "spared"):
        np.testing.assert_array_equal(by_name[name], TEACHER[0])
    np.testing.assert_array_equal(by_name["spam"], 0.0)


def test_a_snapshot_takes_the_shift_of_the_main_horizon() -> None:
    marks = [("lost", None, "lost", None), ("timing", None, "rejected", "bad_timing")]
    history = history_of({"lost": None, "timing": None}, marks, mode="snapshot")
    labels = label_snapshot(history, DEFINITION)
    soft = soft_labels(np.array([[0.09], [0.09]]), labels, DEFINITION)
    np.testing.assert_allclose(soft.probabilities[:, 0], [0.09, shifted([-1] * 4)[2]], rtol=1e-12)


def test_shifts_that_would_turn_the_curve_down_keep_it_level() -> None:
    reasons = definition_with().model_dump(mode="json")["reasons"]
    reasons["bad_timing"]["conversion"] = [0, -1, -2, -3]
    soft = soft_labels(TEACHER, LABELS, definition_with(reasons=reasons))
    assert (np.diff(soft.probabilities, axis=1) >= 0).all()


def test_probabilities_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(9, 2\); expected \(9, 4\)"):
        soft_labels(TEACHER[:, :2], LABELS, DEFINITION)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_soft_labels_are_probabilities_that_never_fall(values: list[float]) -> None:
    teacher = np.tile(np.sort(values), (len(NAMES), 1))
    soft = soft_labels(teacher, LABELS, DEFINITION).probabilities
    assert ((soft >= 0) & (soft <= 1)).all()
    assert (np.diff(soft, axis=1) >= 0).all()
    assert (soft <= teacher[0] + 1e-12).all()
