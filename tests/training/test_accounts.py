"""Accepted, rejected, never worked; and the audit lane by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.histories import day, definition_with, history_of
from tests.training.rolled import written_judgement
from training.accounts import keep_accounts
from training.audit_lane import MIN_AUDIT_WINS, audit_shares, judge_audit_lane
from training.labels import label_history

DEFINITION = definition_with(
    recording_began="2025-12-01",
    economics={
        "cost_of_working": 1,
        "value_of_win": 10,
        "capacity_per_week": 3,
        "audit_share": 0.25,
    },
)


def company(n_audited_wins=25, share=0.1):
    """Return 200 accepted leads (80 won), 100 rejected, 50 audited, 30 untouched, 10 left out."""
    events = []
    for k in range(200):
        events.append((f"A{k}", 0.5, "accepted"))
        if k < 80:
            events.append((f"A{k}", 20, "won"))
    for k in range(100):
        events.append((f"R{k}", 0.5, "rejected", "no_fit"))
        if k < 3:
            events.append((f"R{k}", 40, "won"))
    for k in range(50):
        events.append((f"U{k}", 0.5, "rejected", "no_fit"))
        events.append((f"U{k}", 2.5, "audit"))
        if k < n_audited_wins:
            events.append((f"U{k}", 30, "won"))
    events += [(f"C{k}", 0.5, "rejected", "capacity") for k in range(10)]
    ids = [f"A{k}" for k in range(200)] + [f"R{k}" for k in range(100)]
    ids += [f"U{k}" for k in range(50)] + [f"N{k}" for k in range(30)]
    ids += [f"C{k}" for k in range(10)]
    history = history_of(dict.fromkeys(ids, 0.0), events)
    history.events.loc[history.events["kind"] == "audit", "amount"] = share
    known = label_history(history, DEFINITION, day(100))
    kind = np.array([one[0] for one in ids])
    own = np.select([kind == "A", kind == "U"], [0.4, 0.3], 0.2)
    theirs = np.select([kind == "A", kind == "U"], [0.4, 0.1], 0.2)
    spans = (np.arange(len(ids)),)
    models = {"student": own, "champion": theirs}
    return history, known, written_judgement(history, known, 90, models, spans)


def loss(y, p):
    return -np.log(p) if y else -np.log(1 - p)


def test_each_kind_of_lead_has_its_own_account():
    _, _, judgement = company()

    found = keep_accounts(judgement)

    assert (found.n_accepted, found.n_won) == (200, 80)
    assert found.observed.value == pytest.approx(0.4)
    assert found.promised == pytest.approx(0.4)
    assert (found.n_rejected, found.n_won_anyway) == (100, 3)
    assert found.promised_rejected == pytest.approx(0.2)
    assert found.n_never == 30
    document = found.document()
    # No capacity says nothing about a lead: neither rejected for what it is, nor forgotten.
    assert document["left_out"]["n"] == 10
    assert document["left_out"]["promised"] == pytest.approx(0.2)
    assert "observed" not in document["rejected"]
    assert "not counted as lost" in document["never_worked"]["note"]["en"]


def test_an_audited_lead_stands_for_as_many_as_its_share_says():
    history, _, judgement = company()

    found = judge_audit_lane(judgement, history, DEFINITION)

    accepted = 80 * loss(1, 0.4) + 120 * loss(0, 0.4)
    own = (accepted + 10 * (25 * loss(1, 0.3) + 25 * loss(0, 0.3))) / (200 + 10 * 50)
    theirs = (accepted + 10 * (25 * loss(1, 0.1) + 25 * loss(0, 0.1))) / (200 + 10 * 50)
    assert (found.n, found.n_won) == (50, 25)
    assert found.log_loss == pytest.approx(own)
    assert found.champion_log_loss == pytest.approx(theirs)
    assert found.difference.value == pytest.approx(own - theirs)
    assert found.difference.low < found.low_90 < found.difference.value < found.difference.high


def test_a_share_that_no_event_tells_is_the_definitions():
    history, known, judgement = company(share=np.nan)

    shares = audit_shares(history, known, 0.25)

    assert set(shares[known.audited]) == {0.25}
    assert not shares[~known.audited].any()
    found = judge_audit_lane(judgement, history, DEFINITION)
    accepted = 80 * loss(1, 0.4) + 120 * loss(0, 0.4)
    assert found.log_loss == pytest.approx(
        (accepted + 4 * 25 * (loss(1, 0.3) + loss(0, 0.3))) / (200 + 4 * 50)
    )


def test_few_audit_wins_tell_nothing_and_say_so():
    history, _, judgement = company(n_audited_wins=MIN_AUDIT_WINS - 1)

    found = judge_audit_lane(judgement, history, DEFINITION)

    assert found.log_loss is None
    assert found.difference is None
    assert (found.n, found.n_won) == (50, 19)
    assert found.words.en.startswith("19 of the leads")
    assert found.document()["log_loss"] is None


def test_leads_from_before_recording_began_are_not_audited_ones():
    history, _, _ = company()
    late = definition_with(recording_began="2026-01-02")
    known = label_history(history, late, day(100))
    chances = np.full(len(history.leads), 0.3)
    later = written_judgement(history, known, 90, {"student": chances}, (np.arange(len(chances)),))

    assert judge_audit_lane(later, history, late).n == 0
