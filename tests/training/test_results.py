from __future__ import annotations

from training.results import KEPT, as_markdown

ROW = {
    "task": "olist won",
    "split": "4 cut-offs",
    "horizon": 90,
    "model": "student",
    "n": 4894,
    "auc": 0.645,
    "pr_auc": 0.178,
    "log_loss": 0.3418,
    "brier": 0.0979,
    "ece": 0.021,
    "lift_10": 1.88,
    "predicted_over_observed": 0.88,
    "against_student": None,
}


def test_the_page_holds_a_line_for_each_row():
    page = as_markdown([ROW, ROW | {"model": "linear", "against_student": [-0.1, -0.2, 0.1]}])

    assert page.count("| olist won |") == 2
    assert "-0.1000 [-0.2000, +0.1000]" in page


def test_what_people_wrote_below_the_mark_outlives_the_next_writing():
    before = as_markdown([ROW]) + f"\n{KEPT}\n\n## What training costs\n\nFive minutes.\n"

    after = as_markdown([ROW | {"n": 5000}], before)

    assert "| 5000 |" in after
    assert "| 4894 |" not in after
    assert after.endswith(f"{KEPT}\n\n## What training costs\n\nFive minutes.\n")
    assert as_markdown([ROW | {"n": 5000}], after) == after
