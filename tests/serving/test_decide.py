"""Decisions: the line, the quadrants, ties, the audit lane, and who is not for sales."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import sqrt
from zoneinfo import ZoneInfo

import orjson
import pytest

from features.definition import load_definition
from serving.decision.audit import draw, draw_suffix
from serving.decision.decide import Desk, decide, make_desk, reason_text
from serving.decision.line import Line
from serving.texts import LANGUAGES, load_texts

AGREED = load_definition()
MONDAY = date(2026, 11, 16)
NOW = datetime(2026, 11, 16, 9, tzinfo=ZoneInfo("Asia/Tokyo"))
LINE = Line(MONDAY, "lead-quality", "ab", 0.18, 1.0, 0.075, 40, 100.0, 0.1, 800, NOW)
N = 20_000


def desk_of(**changes: object) -> Desk:
    return make_desk(replace(LINE, **changes), AGREED, {"L-0": "duplicate", "L-9": "gone_code"})


def audited(desk: Desk, n: int = N) -> set[str]:
    return {f"A{k}" for k in range(n) if decide(0.01, None, f"A{k}", desk).is_audited}


def bound(n: int, chance: float) -> float:
    return 4.5 * sqrt(n * chance * (1 - chance))


@pytest.mark.parametrize(
    ("probability", "acceptance", "decision", "quadrant"),
    [
        (0.18, 0.5, "handoff", "handoff"),
        (0.18, 0.49, "review", "review"),
        (0.179, 0.5, "nurture", "doubtful"),
        (0.179, 0.49, "nurture", "nurture"),
        (0.18, None, "handoff", None),
        (0.179, None, "nurture", None),
    ],
)
def test_acceptance_and_probability_make_four_quadrants(
    probability: float, acceptance: float | None, decision: str, quadrant: str | None
) -> None:
    found = decide(probability, acceptance, "L-1", desk_of(audit_probability=0.0))

    assert (found.decision, found.quadrant) == (decision, quadrant)
    assert found.said["ja"].get("quadrant") == quadrant


def test_a_lead_that_is_not_for_sales_is_suppressed_whatever_its_probability() -> None:
    for probability in (0.01, 0.18, 0.99):
        found = decide(probability, 0.9, "L-0", desk_of())
        assert (found.decision, found.is_audited) == ("suppress", False)
        assert found.said["en"]["decision_reason"] == "not for sales: Duplicate"
        assert found.said["ja"]["decision_reason"] == "営業対象外(重複)"
        assert found.said["en"]["suppress_reason"] == "duplicate"


def test_a_reason_that_the_definition_no_longer_has_still_suppresses() -> None:
    found = decide(0.9, 0.9, "L-9", desk_of())

    assert found.decision == "suppress"
    assert "suppress_reason" not in found.said["en"]


def test_the_reason_names_the_line_and_the_places() -> None:
    above = decide(0.2, 0.9, "L-1", desk_of()).said
    floor = decide(0.2, 0.9, "L-1", desk_of(line=0.075)).said

    assert above["en"]["decision_reason"] == "at or above this week's line of 18 % (40 places)"
    assert "今週のライン18%以上(枠40件)" in above["ja"]["decision_reason"]
    assert floor["en"]["decision_reason"].startswith("at or above the break-even line of 7.5 %")


def test_every_ground_has_words_in_both_languages_and_can_be_said_again_later() -> None:
    seen = set()
    for desk in (desk_of(), desk_of(tie_share=0.5), desk_of(line=0.075), desk_of()):
        for probability in (0.01, 0.18, 0.9):
            for acceptance in (None, 0.1, 0.9):
                for k in range(40):
                    found = decide(probability, acceptance, f"L-{k}", desk)
                    seen.add(found.code)
                    for language in LANGUAGES:
                        said = found.said[language]
                        assert reason_text(said, AGREED, language) == said["decision_reason"]
                        assert "{" not in said["decision_reason"]
                        assert None not in said.values()
    listed = {
        key.partition(".")[2]
        for key in load_texts("en").names()
        if key.startswith("decision_reason.")
    }
    assert seen == listed - {"suppress_reason"}


def test_an_answer_recorded_before_there_were_lines_still_has_words() -> None:
    old = {"decision": "review", "line": 0.075}

    assert "sales usually declines" in reason_text(old, AGREED, "en")
    assert "損益分岐" in reason_text(old, AGREED, "ja")
    assert reason_text(old | {"decision": "suppress"}, AGREED, "en").startswith("not for sales")


def test_a_lead_keeps_its_draw_all_week() -> None:
    desk, again = desk_of(), desk_of(made_at=NOW + timedelta(days=3))

    assert audited(desk, 2_000) == audited(again, 2_000)


def test_the_share_drawn_is_the_probability_that_is_told() -> None:
    for chance in (0.02, 0.1, 0.5):
        found = audited(desk_of(audit_probability=chance))
        assert abs(len(found) - N * chance) < bound(N, chance)
        assert (
            decide(0.01, None, "A1", desk_of(audit_probability=chance)).audit_probability == chance
        )


def test_over_many_weeks_the_share_drawn_is_the_probability_and_weeks_are_independent() -> None:
    chance, n, weeks = 0.1, 2_000, 30
    drawn = [audited(desk_of(week=MONDAY + timedelta(days=7 * week)), n) for week in range(weeks)]

    total = sum(map(len, drawn))
    assert abs(total - weeks * n * chance) < bound(weeks * n, chance)
    pairs = sum(len(one & other) for one, other in pairwise(drawn))
    tried = (weeks - 1) * n
    assert abs(pairs - tried * chance**2) < bound(tried, chance**2)
    always = set.intersection(*drawn[:4])
    assert len(always) <= 4  # 2,000 x 0.1^4 = 0.2


def test_models_of_another_name_draw_others() -> None:
    both = audited(desk_of(), 5_000) & audited(desk_of(model_name="other"), 5_000)

    assert abs(len(both) - 50) < bound(5_000, 0.01)


def test_nobody_above_the_line_is_drawn() -> None:
    desk = desk_of(audit_probability=0.5)
    found = [decide(0.18, 0.9, f"A{k}", desk) for k in range(500)]

    assert not any(one.is_audited for one in found)
    assert {one.audit_probability for one in found} == {0.0}


def test_leads_exactly_at_the_line_get_the_places_left_by_lot() -> None:
    desk = desk_of(tie_share=0.3, audit_probability=0.0)
    given = sum(decide(0.18, 0.9, f"A{k}", desk).decision == "handoff" for k in range(N))

    assert abs(given - 0.3 * N) < bound(N, 0.3)
    assert decide(0.18000001, 0.9, "A1", desk).code == "handoff_line"


def test_the_lot_at_the_line_and_the_audit_lane_are_drawn_apart() -> None:
    desk = desk_of(tie_share=0.5, audit_probability=0.5)
    out = [
        one for k in range(N) if (one := decide(0.18, None, f"A{k}", desk)).decision == "nurture"
    ]

    n_audited = sum(one.is_audited for one in out)
    assert abs(n_audited - len(out) / 2) < bound(len(out), 0.5)


def test_draws_are_uniform() -> None:
    suffix = draw_suffix(MONDAY, "lead-quality")
    tenths = [0] * 10
    for k in range(N):
        tenths[int(10 * draw(f"L{k}", suffix))] += 1

    assert all(abs(n - N / 10) < bound(N, 0.1) for n in tenths)


def test_where_all_at_the_line_have_a_place_nobody_is_told_of_a_lot() -> None:
    found = decide(0.18, None, "L-1", desk_of(tie_share=1.0))

    assert found.code == "handoff_line"
    assert decide(0.18, None, "L-1", desk_of(tie_share=0.5)).code.endswith("_lot")


def test_a_desk_is_final_unless_it_is_said_to_be_provisional() -> None:
    assert not desk_of().is_provisional
    assert make_desk(LINE, AGREED, is_provisional=True).is_provisional


def test_what_is_written_ahead_is_what_is_said() -> None:
    for probability in (0.01, 0.18, 0.5):
        found = decide(probability, 0.9, "L-1", desk_of())
        for language, flat in found.said.items():
            assert orjson.loads(b"{" + found.written[language] + b"}") == flat
