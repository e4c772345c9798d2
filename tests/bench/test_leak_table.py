"""A short form of the leak scan's table: the whole one is `python -m tests.bench.leak_table`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from tests.bench.leak_table import KINDS, Line, judge_seed, main, table_text
from training.worlds.leaks import LEAKS

CALLED = ("leak", "suspect")


@cache
def lines() -> tuple[Line, ...]:
    return tuple(judge_seed(130, [0.5], 8000))


def test_nearly_all_planted_columns_are_found_and_honest_ones_left_alone() -> None:
    planted = [line for line in lines() if line.planted]
    honest = [line for line in lines() if not line.planted]
    assert {line.column for line in planted} == set(LEAKS) == set(KINDS)
    assert sum(line.severity in CALLED for line in planted) >= 11
    assert len(honest) >= 40
    assert sum(line.severity in CALLED for line in honest) <= 1
    assert not any(line.severity == "leak" for line in honest)


def test_the_table_tells_each_kind_and_all_honest_columns() -> None:
    text = table_text(lines())
    assert all(f"\n{kind} " in text for kind in LEAKS)
    assert "all honest" in text


@pytest.mark.worlds
def test_the_acceptance_of_the_leak_scan(tmp_path: Path) -> None:
    main(["--json", str(tmp_path / "lines.json")])
    told = [Line(**line) for line in json.loads((tmp_path / "lines.json").read_text())]
    planted = [line.severity in CALLED for line in told if line.planted]
    honest = [line.severity for line in told if not line.planted]
    assert sum(planted) >= 0.95 * len(planted)
    assert honest.count("leak") <= 0.02 * len(honest)
    assert honest.count("leak") + honest.count("suspect") <= 0.03 * len(honest)
