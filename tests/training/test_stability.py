"""Fields that cannot be relied on: values that come or go, meanings that turn."""

from __future__ import annotations

import numpy as np

from tests.training.coded_leads import Codes, Floats
from tests.training.histories import coded, definition_with, selling_history
from training.stability import Evidence, history_evidence, unstable_fields

DEFINITION = definition_with(recording_began="2026-01-01")
N = 2500


def _found(codes: Codes, won: Floats) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lead = np.arange(len(codes))
    evidence = Evidence(lead, won, np.full(len(won), won.mean()))
    found = unstable_fields(codes, ENCODER, lead, evidence)
    return found.changed, found.turned


HISTORY = selling_history(N)
CODES, ENCODER, LABELS = coded(HISTORY, DEFINITION, 400)
SOURCE = next(k for k, given in enumerate(ENCODER.inputs) if given.field == "source")
CHANCE = 0.1 + 0.2 * (CODES[:, SOURCE] == CODES[:, SOURCE].max())


def test_nothing_is_unstable_where_nothing_changes() -> None:
    won = (np.random.default_rng(1).random(N) < CHANCE).astype(np.float64)
    assert _found(CODES, won) == ((), ())


def test_a_value_that_comes_in_the_newer_part_makes_its_field_changed() -> None:
    codes = CODES.copy()
    older = np.arange(N) < N // 2
    came = codes[:, SOURCE].max()
    codes[older & (codes[:, SOURCE] == came), SOURCE] = came - 1
    won = (np.random.default_rng(1).random(N) < 0.1).astype(np.float64)
    assert _found(codes, won)[0] == ("source",)


def test_a_field_whose_effect_reverses_has_turned() -> None:
    opposite = np.where(np.arange(N) < N // 2, CHANCE, 0.4 - CHANCE)
    won = (np.random.default_rng(2).random(N) < opposite).astype(np.float64)
    changed, turned = _found(CODES, won)
    assert (changed, turned) == ((), ("source",))


def test_expected_wins_of_a_history_follow_the_time_under_observation() -> None:
    evidence = history_evidence(LABELS, np.ones(N, dtype=bool))
    assert len(evidence.lead) == int(LABELS.worked.sum())
    assert (np.diff(LABELS.follow_up_days[evidence.lead]) <= 0).all()
    assert evidence.won.sum() == LABELS.n_wins
    np.testing.assert_allclose(evidence.expected.sum(), evidence.won.sum(), rtol=0.05)
    old, young = evidence.expected[:300].mean(), evidence.expected[-300:].mean()
    assert old > 3 * young


def test_a_history_without_drift_has_no_field_that_turned() -> None:
    evidence = history_evidence(LABELS, np.ones(N, dtype=bool))
    found = unstable_fields(CODES, ENCODER, np.arange(N), evidence)
    assert found.turned == ()
