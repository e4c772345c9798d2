"""A model stored by an earlier version of the program must load and answer as it did then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from features.artefact import FORMAT
from features.scorer import LeadScorer
from tests.builders import lead_input

STORED = Path(__file__).parent / "stored"


@pytest.mark.parametrize("number", [FORMAT])
def test_a_stored_model_of_each_format_still_answers_bit_by_bit(number):
    folder = STORED / f"format_{number}"

    scorer = LeadScorer.load(folder)  # reproduces its golden rows, or is refused

    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert scorer.model_digest == manifest["model_digest"]
    assert scorer.score(lead_input(7)).probability.hex() == "0x1.3b0d355030f49p-2"
