"""A short form of the audit lane's table: the whole one is `python -m tests.bench.shift_table`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.shift_table import main, measure_world, settings_for, summarise


def test_a_wide_audit_lane_finds_the_shift_of_its_world() -> None:
    settings = replace(settings_for(-0.7, seed=101, leads=6000), audit_share=0.5)
    line = measure_world(settings)
    assert line.n_audited > 500
    assert line.estimate == pytest.approx(line.true, abs=0.35)
    assert line.low < line.estimate < line.high
    table = summarise([line, replace(line, estimate=line.true + 0.4)])
    assert table["within"].tolist() == [int(abs(line.estimate - line.true) <= 0.3)]


def test_the_table_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "table.json"
    assert main(["--seeds", "102", "--shift", "-1.5", "--leads", "3000", "--json", str(file)]) == 0
    assert "setting -1.50 seed 102" in capsys.readouterr().out
    written = json.loads(file.read_text("utf-8"))
    assert written["lines"][0]["true"] < -1.0
    assert written["table"][0]["worlds"] == 1


@pytest.mark.worlds
@pytest.mark.parametrize("shift", [0.0, -0.7, -1.5])
def test_an_audit_lane_of_five_percent_finds_the_pooled_shift(shift: float) -> None:
    lines = [measure_world(settings_for(shift, seed=seed, leads=16_000)) for seed in range(1, 11)]
    assert summarise(lines)["within"][0] >= 8
