"""Each threat names its tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_is_named_exists(file: str, test: str) -> None:
    assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text("utf-8"), re.M)


def test_every_threat_has_a_control_and_a_test() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
    threats = [[cell.strip() for cell in row] for row in rows if row[0].strip(" -")][1:]

    assert len(threats) >= 30
    for threat, who, control, tests in threats:
        assert threat
        assert who
        assert control
        assert re.search(r"`tests/[\w/]+\.py::\w+`", tests), threat
