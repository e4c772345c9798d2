"""``POST /v1/score`` and its batch: what a caller is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from features.scorer import LeadScorer
from serving.routes.score import MOST_LEADS
from tests.builders import acts_of, lead_input, raw_lead

Ask = Callable[..., dict[str, Any]]

KNOWN = {"source": "ウェビナー", "employees": "１，２００名", "job_title": "営業部長"}


def body_of(k: int) -> dict[str, Any]:
    """Return invented lead number `k` as a caller would send it."""
    lead = lead_input(k)
    return {
        "lead_id": f"L{k}",
        "as_of": lead.as_of.isoformat(),
        "fields": dict(lead.fields),
        "events": [
            {"kind": act.kind, "at": act.at.isoformat()}
            | ({} if act.amount is None else {"amount": act.amount})
            for act in acts_of(k)
        ],
    }


def test_the_flat_part_comes_first_and_holds_no_nulls(ask: Ask) -> None:
    answer = ask(fields=KNOWN)

    kinds = [isinstance(value, (list, dict)) for value in answer.values()]
    assert answer["status"] == "scored"
    assert None not in answer.values()
    first_nested = kinds.index(True)
    assert all(name in ("other_points", "base_points") for name in list(answer)[first_nested + 1 :])
    assert answer["warnings"] == ""


def test_factors_and_other_points_add_up_to_the_score(ask: Ask) -> None:
    answer = ask(fields=KNOWN)

    points = [factor["points"] for factor in answer["factors"]]
    total = answer["base_points"] + math.fsum(points) + answer["other_points"]
    assert total == pytest.approx(answer["score_exact"], abs=1e-9)
    assert answer["score"] == round(answer["score_exact"])


def test_every_factor_speaks_both_languages(ask: Ask) -> None:
    for factor in ask(fields=KNOWN)["factors"]:
        assert factor["text"]["ja"]
        assert factor["text"]["en"]
        assert factor["text"]["ja"] != factor["text"]["en"]


def test_single_and_batch_answers_are_bit_equal_to_the_scorer(
    shared_client: TestClient, scorer: LeadScorer
) -> None:
    leads = [body_of(k) for k in range(60)]

    batch = shared_client.post("/v1/score/batch", json={"leads": leads}).json()

    assert batch["n"] == batch["n_scored"] == 60
    for k, answer in enumerate(batch["results"]):
        expected = scorer.score(lead_input(k))
        assert answer["lead_id"] == f"L{k}"
        assert answer["probability"] == expected.probability
        assert answer["score_exact"] == expected.score
        assert answer["acceptance_probability"] == expected.acceptance
        assert tuple(answer[f"p_{days}"] for days in scorer.horizons) == expected.probabilities
    assert shared_client.post("/v1/score", json=leads[7]).json() == batch["results"][7]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90", 90), ("90分", 90), ("１，２００", 1_200), ("12,000円", 12_000.0), ("", None)],
)
def test_the_amount_of_an_act_is_read_as_that_of_a_sales_event_is(
    client: TestClient, written: str, meant: float | None
) -> None:
    answers = []
    for lead_id, amount in (("text", written), ("number", meant)):
        act = {"kind": "webinar", "at": "2026-11-10T09:00:00+09:00", "amount": amount}
        lead = {"lead_id": lead_id, "fields": KNOWN, "events": [act]}
        answer = client.post("/v1/score", json=lead)
        told = {"event_id": lead_id, "kind": "won", "at": act["at"], "amount": amount}
        sent = client.post("/v1/events", json=told | {"lead_id": lead_id})
        assert (answer.status_code, sent.status_code) == (200, 200)
        answers.append({**answer.json(), "lead_id": ""})
    kept = [client.get(f"/v1/leads/{lead_id}").json() for lead_id in ("text", "number")]

    assert answers[0] == answers[1]
    acts = [one["scores"][0]["inputs"]["events"] for one in kept]
    assert [[act[2] for act in own] for own in acts] == [[meant]] * 2
    assert [one["events"][0].get("amount") for one in kept] == [meant] * 2


def test_a_naive_time_is_in_the_zone_of_the_definition(ask: Ask) -> None:
    assert ask(fields=KNOWN, as_of="2026-01-05 09:00")["as_of"] == "2026-01-05T09:00:00+09:00"
    assert ask(fields=KNOWN, as_of="令和8年1月5日")["as_of"] == "2026-01-05T00:00:00+09:00"


def test_without_a_time_the_lead_is_scored_as_of_now(ask: Ask) -> None:
    assert ask(fields=KNOWN)["as_of"] == "2026-11-20T09:30:00+09:00"
    assert ask(fields=KNOWN, as_of=" ")["as_of"] == "2026-11-20T09:30:00+09:00"


@pytest.mark.parametrize(
    ("as_of", "detail"),
    [
        ("2027-11-20", "lies in the future"),
        ("a week ago", "is not a time"),
        ("2026-13-41", "is not a time"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    shared_client: TestClient, as_of: str, detail: str
) -> None:
    response = shared_client.post(
        "/v1/score", json={"lead_id": "L", "fields": KNOWN, "as_of": as_of}
    )

    assert response.status_code == 422
    assert response.json()["error"] == "refused"
    assert detail in response.json()["detail"]
    assert as_of not in response.text


def test_clocks_that_run_a_little_fast_are_no_reason_to_refuse(ask: Ask) -> None:
    assert ask(fields=KNOWN, as_of="2026-11-20T20:00:00+09:00")["status"] == "scored"


def test_unknown_fields_are_counted_and_unreadable_values_become_missing(ask: Ask) -> None:
    given = KNOWN | {
        "employees": "たくさん",
        "favourite_colour": "red",
        "sales_stage": "negotiation",
    }

    answer = ask(fields=given)

    without = ask(fields={name: KNOWN[name] for name in ("source", "job_title")})
    assert answer["warnings"] == "unreadable:employees,unknown_fields:2"
    assert answer["probability"] == without["probability"]


def test_nested_values_are_unreadable_not_fatal(ask: Ask) -> None:
    answer = ask(fields=KNOWN | {"industry": {"a": [1]}, "message": ["x"]})

    assert answer["warnings"] == "unreadable:industry,unreadable:message"


def test_events_without_a_readable_time_are_left_out_and_counted(ask: Ask) -> None:
    event = {"kind": "page_view", "at": "2026-11-19T10:00:00+09:00"}

    answer = ask(fields=KNOWN, events=[event, {"kind": "page_view", "at": "once"}])

    assert answer["warnings"] == "unreadable_events:1"
    assert answer["probability"] == ask(fields=KNOWN, events=[event])["probability"]


def test_no_events_is_not_the_same_as_unknown_events(ask: Ask) -> None:
    assert ask(fields=KNOWN, events=[])["score_exact"] != ask(fields=KNOWN)["score_exact"]


def test_events_after_the_scoring_time_do_not_count(ask: Ask) -> None:
    later = {"kind": "page_view", "at": "2026-11-20T09:29:00+09:00"}
    as_of = "2026-11-20T09:00:00+09:00"

    with_later = ask(fields=KNOWN, as_of=as_of, events=[later])

    assert with_later["probability"] == ask(fields=KNOWN, as_of=as_of, events=[])["probability"]


@pytest.mark.parametrize(
    "fields", [{}, {"nothing": "we know"}, {"source": "  "}, {"employees": "???"}]
)
def test_a_lead_that_says_nothing_is_not_scored_but_answered(
    ask: Ask, fields: dict[str, object]
) -> None:
    answer = ask(fields=fields)

    assert (answer["status"], answer["why"]) == ("not_scored", "no_known_field")
    assert answer["recorded"] is False
    assert "probability" not in answer
    assert None not in answer.values()


def test_a_batch_answers_in_order_even_when_a_lead_cannot_be_scored(
    shared_client: TestClient,
) -> None:
    leads = [
        {"lead_id": 1, "fields": KNOWN},
        {"lead_id": 2, "fields": {}},
        {"lead_id": 3, "fields": KNOWN},
    ]

    answered = shared_client.post("/v1/score/batch", json={"leads": leads}).json()

    assert [one["lead_id"] for one in answered["results"]] == ["1", "2", "3"]
    assert [one["recorded"] for one in answered["results"]] == [True, False, True]
    assert (answered["n"], answered["n_scored"]) == (3, 2)


@pytest.mark.parametrize(("n", "status"), [(MOST_LEADS, 200), (MOST_LEADS + 1, 422), (0, 422)])
def test_a_batch_holds_up_to_a_thousand_leads(
    shared_client: TestClient, n: int, status: int
) -> None:
    leads = [{"lead_id": str(k), "fields": {"source": "webinar"}} for k in range(n)]

    assert shared_client.post("/v1/score/batch", json={"leads": leads}).status_code == status


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        ({"language": "en"}, "ja", "en"),
        ({}, "en-GB,ja;q=0.5", "en"),
        ({}, "fr", "ja"),
        ({"language": None}, "", "ja"),
    ],
)
def test_the_language_is_asked_for_or_accepted_or_the_definitions(
    shared_client: TestClient, body: dict[str, Any], header: str, expected: str
) -> None:
    answer = shared_client.post(
        "/v1/score",
        json={"lead_id": "L", "fields": KNOWN} | body,
        headers={"Accept-Language": header},
    ).json()

    assert answer["language"] == expected
    word = {"ja": "損益分岐", "en": "break-even"}[expected]
    assert word in answer["decision_reason"]


def test_the_decision_follows_the_break_even_line_of_the_definition(
    shared_client: TestClient, scorer: LeadScorer
) -> None:
    line = scorer.definition.economics.break_even

    answers = shared_client.post(
        "/v1/score/batch", json={"leads": [body_of(k) for k in range(40)]}
    ).json()

    seen = set()
    for answer in answers["results"]:
        assert answer["line"] == line
        is_likely = answer["probability"] >= line
        is_welcome = answer["acceptance_probability"] >= 0.5
        assert answer["decision"] == (
            ("handoff" if is_welcome else "review") if is_likely else "nurture"
        )
        seen.add(answer["decision"])
    assert len(seen) >= 2


def test_grades_are_those_of_the_score_that_is_shown(ask: Ask, scorer: LeadScorer) -> None:
    for k in range(30):
        answer = ask(**(body_of(k) | {"fields": raw_lead(k) | {"source": "webinar"}}))
        assert answer["grade"] == scorer.definition.grades.of(answer["score"])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
field_names = st.sampled_from(
    [
        "source",
        "industry",
        "employees",
        "job_title",
        "email",
        "message",
        "arrived_at",
        "page_views_30d",
    ]
) | st.text(max_size=8)


@settings(max_examples=60, deadline=None)
@given(fields=st.dictionaries(field_names, json_values, max_size=8))
def test_whatever_the_fields_hold_the_answer_is_200(
    shared_client: TestClient, fields: dict[str, Any]
) -> None:
    response = shared_client.post("/v1/score", json={"lead_id": "any", "fields": fields})

    assert response.status_code == 200
    assert response.json()["status"] in ("scored", "not_scored")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"lead_id": " \u3000"}, "lead_id: must not be blank"),
        ({"lead_id": ""}, "lead_id: must not be empty"),
        ({"lead_id": "x" * 201}, "lead_id: must be at most 200 characters long"),
        ({"lead_id": 10**30}, "send a longer one as text"),
        ({"language": "fr"}, "language: must be ja or en"),
        ({"language": 7}, "language: must be ja or en"),
    ],
)
def test_a_refusal_says_what_would_be_right(
    shared_client: TestClient, body: dict[str, Any], detail: str
) -> None:
    response = shared_client.post("/v1/score", json={"lead_id": "L", "fields": KNOWN} | body)

    assert response.status_code == 422
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("", "ja"), (" ", "ja"), ("ja-JP", "ja"), ("en-US", "en"), ("EN_gb", "en")],
)
def test_a_language_with_a_region_is_read_and_an_empty_one_passed_over(
    ask: Ask, asked: str, expected: str
) -> None:
    assert ask(fields=KNOWN, language=asked)["language"] == expected


def test_a_category_value_that_no_past_lead_had_is_told_by_field_alone(ask: Ask) -> None:
    answer = ask(fields=KNOWN | {"source": "himitsu-channel", "industry": "製造業"})

    assert answer["warnings"] == "unseen:source"
    assert "himitsu" not in str(answer)


def test_a_limit_out_of_range_is_told_with_the_range(shared_client: TestClient) -> None:
    for limit in ("0", "1001", "x"):
        response = shared_client.get("/v1/leads/L", params={"limit": limit})
        assert response.status_code == 422
        assert "limit: must be a whole number from 1 to 1,000" in response.json()["detail"]
