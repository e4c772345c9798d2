"""A short form of the drift table: the whole one is `python -m tests.bench.drift_table`."""

from __future__ import annotations

import json

import pytest

from tests.bench.drift_table import SHIFTS, Line, Size, judge_seed, main, table_text

SMALL = Size(a_week=250, learnt_weeks=16, quiet_weeks=4, trees=20)


def test_a_quiet_company_is_left_in_peace_and_a_changed_one_is_not() -> None:
    line = judge_seed(100, SMALL, ["channels_up"])

    assert line.false_alarms <= 1
    assert line.found == {"channels_up": 1}


def test_the_table_counts_seeds_weeks_and_changes() -> None:
    found = dict.fromkeys(SHIFTS, 1)
    lines = [
        Line(1, 0, (), found),
        Line(2, 2, ("source", "score"), {**found, "acceptance_up": None}),
    ]

    text = table_text(lines, Size())

    assert "at most 1 false alarm in 20 quiet weeks: 1 of 2 seeds; 2 in 40 weeks" in text
    assert "acceptance_up: found within 2 weeks in 1 of 2" in text
    assert "not found" in text


@pytest.mark.worlds
def test_acceptance_ten_companies_of_five_hundred_leads_a_week(tmp_path) -> None:
    assert main(["--json", str(tmp_path / "drift.json")]) == 0

    lines = json.loads((tmp_path / "drift.json").read_text())
    assert len(lines) == 10
    assert sum(line["false_alarms"] <= 1 for line in lines) == 10
    for shift in SHIFTS:
        assert sum(line["found"][shift] is not None for line in lines) >= 9
