"""A short form of the table of named prejudice: see `python -m tests.bench.disagreement_table`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.disagreement_table import main, name_groups, summarise
from training.worlds import WorldSettings


def test_a_prejudiced_team_is_told_apart_from_a_fair_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "table.json"
    given = ["--seeds", "101", "--prejudice", "0", "3", "--leads", "6000", "--json", str(file)]
    assert main(given) == 0
    fair, prejudiced = json.loads(file.read_text("utf-8"))["table"]
    assert (fair["nothing"], fair["first"]) == (1, 0)
    assert (prejudiced["nothing"], prejudiced["first"]) == (0, 1)
    assert "prejudice 0.0 seed 101  nothing" in capsys.readouterr().out


@pytest.mark.worlds
@pytest.mark.parametrize(("prejudice", "named"), [(0.0, "nothing"), (1.5, "first"), (3.0, "first")])
def test_what_is_named_is_right_in_nine_worlds_of_ten(prejudice: float, named: str) -> None:
    lines = [
        name_groups(WorldSettings(n_test=0, seed=seed, prejudice=prejudice, leaks=()))
        for seed in range(1, 11)
    ]
    assert summarise(lines)[named][0] >= 9
