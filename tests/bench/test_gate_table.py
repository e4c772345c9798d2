"""A short form of the gate's table: the whole one is `python -m tests.bench.gate_table`."""

from __future__ import annotations

import json
from functools import cache

import pytest

from tests.bench.gate_table import PAIRS, Trial, by_pair, failures, main, summarise, trials


@cache
def one_world() -> tuple[Trial, ...]:
    """All pairs in one small world."""
    return tuple(trials(190))


def test_every_pair_is_judged_with_its_true_effect() -> None:
    found = one_world()

    assert [(one.challenger, one.champion) for one in found] == list(PAIRS)
    effects = {(one.challenger, one.champion): one.effect for one in found}
    assert effects["truth", "far"] < effects["truth", "near"] < 0
    assert effects["far", "truth"] == pytest.approx(-effects["truth", "far"])


def test_nothing_that_is_worse_passes_as_better_and_the_plainly_better_are_found() -> None:
    found = one_world()

    assert not [one for one in found if one.effect > 5e-3 and one.measured]
    assert [one for one in found if one.effect < -20e-3 and one.measured]


def test_the_tables_say_how_often_each_kind_passed() -> None:
    table = summarise(one_world()).set_index("true effect")

    assert table.loc["worse", "promoted_as_better"] == 0.0
    assert table["pairs"].max() <= len(PAIRS)
    assert len(by_pair(one_world())) == len(PAIRS)
    assert failures(one_world()).between(0, 1).all()


@pytest.mark.worlds
def test_over_a_hundred_worlds_better_ones_pass_and_others_do_not(tmp_path) -> None:
    assert main(["--json", str(tmp_path / "gate.json")]) == 0
    table = {
        row["true effect"]: row for row in json.loads((tmp_path / "gate.json").read_text())["table"]
    }
    assert table["better by > 10e-3"]["promoted_as_better"] >= 0.7
    assert table["equal or worse"]["promoted_as_better"] <= 0.05
