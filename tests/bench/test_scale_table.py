"""A short form of the table; the whole one is `python -m tests.bench.scale_table`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.scale_table import Cost, as_markdown, exponent, main


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    costs = [Cost(n, 0.0, 2e-6 * n**1.5, 0.1, 0.2) for n in (1_000, 10_000, 100_000)]
    assert exponent(costs) == pytest.approx(1.5)


def test_each_size_is_measured_in_a_process_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scale.json"
    assert main(["--sizes", "500", "1000", "--step", "learn", "--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    assert [cost["n_leads"] for cost in found["costs"]] == [500, 1000]
    for cost in found["costs"]:
        assert cost["cpu_seconds"] > 0
        assert 0 < cost["world_gib"] <= cost["peak_gib"] < 2
    # Below some thousand leads most of the time does not depend on their number.
    assert found["exponent"] < 2.0
    assert "| 1,000 |" in capsys.readouterr().out


def test_the_lines_for_the_results_page_name_cost_per_lead_and_memory() -> None:
    text = as_markdown([Cost(16_000, 12.0, 8.0, 0.3, 0.5), Cost(32_000, 24.0, 16.0, 0.4, 0.9)], "x")
    assert "| 16,000 | 12 | 8 | 0.50 | 0.50 | 0.30 |" in text
    assert "Fitted exponent of processor time over leads: 1.00." in text
