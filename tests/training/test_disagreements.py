from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.training.histories import coded, day, definition_with, history_of
from training.disagreements import Disagreements, find_disagreements
from training.doubt import Doubt
from training.groups import groups_of
from training.labels import label_snapshot
from training.recipe import Recipe, learn, teach


def company(
    dislike: float = 0.0, taste: float = 1.0, mode: str = "history", n: int = 4000, seed: int = 1
) -> Any:
    """Large firms and referrals win more; sales looks at that, and may dislike webinar leads."""
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, 400, n))
    source = random.choice(["webinar", "exhibition", "referral", "social"], n)
    employees = np.exp(random.normal(4, 1.2, n)).round()
    quality = 0.9 * (source == "referral") + 0.6 * (np.log1p(employees) - 4) / 1.2
    is_webinar = source == "webinar"
    is_in = taste * quality - dislike * is_webinar + random.logistic(0, 1, n) > 0
    why = np.where(
        is_webinar & (random.random(n) < 0.6 * (dislike > 0)),
        "no_fit",
        random.choice(["no_fit", "no_need", "no_budget", "competitor_student_spam"], n),
    )
    won_after = random.exponential(365.25 / (0.4 * np.exp(quality)))
    events: list[tuple[Any, ...]] = []
    dates = mode == "history"
    for k in range(n):
        at = (lambda days, start=arrivals[k]: start + days) if dates else (lambda days: None)
        if not is_in[k]:
            events.append((f"L{k}", at(1), "rejected", str(why[k])))
            if k % 50 == 0:
                events.append((f"L{k}", at(60), "won"))
            continue
        events.append((f"L{k}", at(1), "accepted"))
        if won_after[k] < 200:
            events.append((f"L{k}", at(max(won_after[k], 2)), "won"))
        elif not dates:
            events.append((f"L{k}", None, "lost"))
    fields = {
        "source": [str(one) for one in source],
        "employees": [str(int(size)) for size in employees],
        "company": [("株式会社山田", "有限会社山田")[k % 2] for k in range(n)],
    }
    times = {f"L{k}": arrivals[k] if dates else None for k in range(n)}
    return history_of(times, events, fields, mode=mode)  # type: ignore[arg-type]


@cache
def found(dislike: float) -> Disagreements:
    taught = teach(company(dislike), definition_with(), day(600), recipe=Recipe())
    return find_disagreements(taught.codes, taught.encoder, taught.labels, taught.teacher)


def test_a_disliked_group_is_named_with_the_reason_given_too_often() -> None:
    first = found(1.2).groups[0]
    assert (first.group.field, first.group.value, first.reason) == ("source", "webinar", "no_fit")
    assert first.gap.high < -0.1
    assert first.reason_excess is not None
    assert first.reason_excess.low > 0.1


def test_a_team_that_looks_at_the_outlook_alone_names_nobody() -> None:
    assert found(0.0).groups == ()
    assert found(0.0).note.en.startswith("No group is treated differently")


def test_a_favoured_group_is_named_without_a_reason() -> None:
    first = found(-1.5).groups[0]
    assert first.group.value == "webinar"
    assert first.gap.low > 0.1
    assert first.reason is None
    assert "less often" in first.words.en
    assert "少なく却下" in first.words.ja


def test_a_sentence_holds_the_group_the_points_and_the_reason_in_both_languages() -> None:
    first = found(1.2).groups[0]
    points = f"{-100 * first.gap.value:.0f}"
    assert "「流入元:ウェビナー」" in first.words.ja
    assert f"{points} ポイント多く却下" in first.words.ja
    assert "対象外" in first.words.ja
    assert f"Source: Webinar {points} points more often" in first.words.en
    assert "Not a fit" in first.words.en


def test_a_prejudice_by_size_is_named_once_and_where_it_begins() -> None:
    history = company(0.0)
    small = np.array([int(size) < 40 for size in history.fields["employees"]])
    turned = history.events["lead_id"].isin([f"L{k}" for k in np.flatnonzero(small)[::2]])
    events = history.events.copy()
    events.loc[turned & (events["kind"] == "accepted"), ["kind", "reason"]] = [
        "rejected",
        "no_need",
    ]
    events = events[~(turned & (events["kind"] == "won"))]
    taught = teach(replace(history, events=events), definition_with(), day(600))
    groups = find_disagreements(taught.codes, taught.encoder, taught.labels, taught.teacher).groups
    assert [one.group.field for one in groups] == ["employees"]
    assert groups[0].group.shown.high == pytest.approx(40, abs=6)
    assert groups[0].reason == "no_need"


def test_leads_that_can_never_win_are_no_disagreement() -> None:
    """Every webinar lead that sales turns away here is a student or a competitor."""
    history = company(1.2)
    webinar = [f"L{k}" for k, source in enumerate(history.fields["source"]) if source == "webinar"]
    events = history.events.copy()
    turned = events["lead_id"].isin(webinar) & (events["kind"] == "rejected")
    events.loc[turned, "reason"] = "competitor_student_spam"
    taught = teach(replace(history, events=events), definition_with(), day(600))
    groups = find_disagreements(taught.codes, taught.encoder, taught.labels, taught.teacher).groups
    assert all(one.gap.value > 0 for one in groups if one.group.value == "webinar")


def test_channels_show_acceptance_beside_conversion() -> None:
    counts = found(1.2).counts
    by_value = {one.value: one for one in counts.sources}
    assert set(by_value) == {"webinar", "exhibition", "referral", "social"}
    assert by_value["referral"].conversion.value > by_value["social"].conversion.value
    assert by_value["webinar"].acceptance.high < by_value["exhibition"].acceptance.low
    for one in counts.sources:
        assert one.conversion.low < one.conversion.value < one.conversion.high


def test_rejected_leads_that_won_and_accepted_ones_that_died_are_counted() -> None:
    counts = found(1.2).counts
    document = counts.document()
    assert document["rejected_then_won"]["n"] == sum(counts.rejected_then_won.values()) > 10
    assert counts.rejected_then_won["no_fit"] == max(counts.rejected_then_won.values())
    taught = teach(company(1.2), definition_with(), day(600))
    labels = taught.labels
    followed = (labels.accepted == 1) & (labels.follow_up_days >= 180)
    assert counts.accepted_of == int(followed.sum())
    assert counts.accepted_then_dead == int((followed & ~(labels.won_days <= 180)).sum())


def test_a_snapshot_names_the_group_too() -> None:
    learned = learn(company(1.2, mode="snapshot"), definition_with(), recipe=Recipe(chooses=False))
    result = find_disagreements(
        learned.codes, learned.scorer.encoder, learned.labels, learned.teacher, rows=learned.rows
    )
    first = result.groups[0]
    assert (first.group.value, first.reason) == ("webinar", "no_fit")
    assert result.counts.rejected_then_won == {}
    labels = label_snapshot(company(1.2, mode="snapshot"), definition_with())
    assert result.counts.accepted_then_dead == int((labels.outcome == 0).sum())


@pytest.mark.parametrize(("n", "says"), [(4000, "too few wins"), (200, "fewer than 150")])
def test_what_cannot_be_compared_is_said(n: int, says: str) -> None:
    codes, encoder, labels = coded(company(1.2, n=n), definition_with(), 600)
    teacher = None if n == 4000 else teach(company(1.2), definition_with(), day(600)).teacher
    result = find_disagreements(codes, encoder, labels, teacher)
    assert result.groups == ()
    assert says in result.note.en
    assert len(result.counts.sources) == 4


def test_fields_with_personal_content_form_no_groups() -> None:
    codes, encoder, _ = coded(company(n=1000), definition_with(), 600)
    assert encoder.positions["company"]
    groups = groups_of(codes, encoder)
    assert {"source", "employees"} <= {group.field for group in groups}
    assert "company" not in {group.field for group in groups}
    assert all(100 <= group.members(codes).sum() <= 500 for group in groups)


def test_the_document_is_plain_json() -> None:
    document = found(1.2).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {
        "groups", "sources", "rejected_then_won", "accepted_then_dead", "note",
    }  # fmt: skip
    assert document["groups"][0]["value"] == "webinar"
    assert len(document["groups"][0]["gap"]) == 3


def test_the_level_of_a_teacher_is_put_right_for_the_leads_asked_about() -> None:
    """A teacher that promises all webinar leads too little is found out, others are left alone."""
    taught = teach(company(0.0), definition_with(), day(600))
    assert taught.teacher is not None
    everyone = np.ones(len(taught.codes), dtype=bool)
    doubt = Doubt.measure(taught.teacher, taught.codes, taught.encoder, taught.labels, everyone)
    flat = replace(taught.teacher, glm=taught.teacher.glm - np.eye(len(taught.teacher.glm))[0])
    moved = Doubt.measure(flat, taught.codes, taught.encoder, taught.labels, everyone)
    level, spread = doubt.level(taught.codes, np.ones(len(taught.codes)))
    lower, _ = moved.level(taught.codes, np.ones(len(taught.codes)))
    assert abs(level) < 0.1
    assert 0.02 < spread < 0.2
    assert lower - level == pytest.approx(0.5, abs=0.02)  # half of the teacher fell by 1
