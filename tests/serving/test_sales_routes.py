"""Hand-off, recycling and insight over HTTP: answers as documented, decisions that follow events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.settings import ServeSettings
from serving.store import Predictions, open_store
from tests.serving.conftest import NOW, approved
from tests.serving.sales_history import score_of, write_scores
from tests.serving.test_openapi import answer_schema, faults
from tests.serving.test_score import body_of

PATHS = (
    "/v1/handoff",
    "/v1/recycle",
    "/v1/insight/sources",
    "/v1/insight/reasons",
    "/v1/insight/disagreements",
)


@pytest.fixture(scope="module")
def used(scorer: LeadScorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service in which sixty leads were scored and sales has spoken about some."""
    settings = ServeSettings(access="open", home=tmp_path_factory.mktemp("used"))
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        leads = [body_of(k) | {"as_of": "2026-11-18T10:00:00+09:00"} for k in range(60)]
        assert client.post("/v1/score/batch", json={"leads": leads}).status_code == 200
        said = [
            ("L1", "rejected", "bad_timing"),
            ("L2", "rejected", "capacity"),
            ("L3", "accepted", None),
            ("L4", "rejected", "duplicate"),
            ("L5", "rejected", "no_fit"),
            ("L5", "won", None),
        ]
        events = [
            {
                "event_id": f"e{k}",
                "lead_id": lead,
                "at": f"2026-11-19T1{k}:00:00+09:00",
                "kind": kind,
            }
            | ({} if reason is None else {"reason": reason})
            for k, (lead, kind, reason) in enumerate(said)
        ]
        stored = client.post("/v1/events", json={"events": events})
        assert stored.status_code == 200, stored.text
        yield client


def told(client: TestClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("path", PATHS)
def test_answers_are_what_the_schema_says_and_hold_no_null(used: TestClient, path: str) -> None:
    schema = used.get("/openapi.json").json()

    answer = told(used, path)

    assert faults(schema, answer_schema(schema, path, "get", 200), answer) == []
    assert "null" not in used.get(path).text


def test_the_handoff_knows_what_sales_has_said(used: TestClient) -> None:
    plan = told(used, "/v1/handoff?limit=1000")

    leads = {lead["lead_id"] for lead in plan["leads"]}
    assert leads.isdisjoint({"L1", "L2", "L3", "L4", "L5"})
    assert plan["taken_up"] == 1
    assert plan["slots"] == 37
    assert plan["week"] == "2026-11-16"
    assert plan["model_low"] <= plan["expected_wins"] <= plan["model_high"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/v1/insight/sources?days=1", "query.days: must be at least 30."),
        ("/v1/insight/sources?days=99999", "query.days: must be at most 3,650."),
        ("/v1/recycle?until=1900-01-01", "query.until: must be at least 2000-01-01."),
        ("/v1/recycle?queue=merge", "query.queue: must be 'front', "),
    ],
)
def test_what_is_out_of_bounds_is_told_with_the_bounds(
    used: TestClient, address: str, words: str
) -> None:
    assert words in used.get(address).json()["detail"]


def test_slots_can_be_asked_for(used: TestClient) -> None:
    plan = told(used, "/v1/handoff?slots=2")

    assert (plan["slots"], plan["n_placed"]) == (2, 2)
    assert plan["line"] == plan["leads"][1]["probability"]


def test_leads_without_capacity_come_back_first_and_duplicates_never(used: TestClient) -> None:
    today, later = told(used, "/v1/recycle"), told(used, "/v1/recycle?until=2027-12-31")

    assert [lead["lead_id"] for lead in today["leads"]] == ["L2"]
    assert today["leads"][0]["channel"]
    assert [lead["lead_id"] for lead in later["leads"]] == ["L2", "L1"]


def test_a_lead_that_sales_took_out_is_suppressed_with_its_next_score(used: TestClient) -> None:
    answer = used.post("/v1/score", json=body_of(4) | {"language": "en"}).json()

    assert (answer["decision"], answer["suppress_reason"]) == ("suppress", "duplicate")
    assert answer["decision_reason"] == "not for sales: Duplicate"
    assert (answer["audit"], answer["audit_probability"]) == (False, 0.0)


def test_a_win_against_sales_word_is_named(used: TestClient) -> None:
    found = told(used, "/v1/insight/disagreements")

    assert [lead["lead_id"] for lead in found["leads"]] == ["L5"]
    assert found["leads"][0]["kind"] == "rejected_then_won"


@pytest.mark.parametrize(
    "asked",
    [
        "/v1/handoff?slots=-1",
        "/v1/handoff?slots=many",
        "/v1/handoff?limit=0",
        "/v1/handoff?after=%00",
        "/v1/recycle?until=yesterday",
        "/v1/recycle?until=0001-01-01",
        "/v1/recycle?until=9999-12-31",
        "/v1/recycle?queue=drop",
        "/v1/insight/sources?days=1",
        "/v1/insight/reasons?days=99999",
        "/v1/insight/disagreements?after=x",
    ],
)
def test_what_cannot_be_asked_is_refused_in_words_of_ours(used: TestClient, asked: str) -> None:
    refused = used.get(asked)

    assert refused.status_code == 422
    assert refused.json()["error"] in ("wrong_shape", "refused")
    assert "wrong shape" not in refused.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_model_or_a_database_reports_wait(settings: ServeSettings, path: str) -> None:
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        refused = client.get(path)

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]


def test_a_service_with_weeks_on_record_says_this_weeks_line_and_records_it(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    store = open_store(settings.database_address)
    write_scores(
        store,
        *(score_of(f"past-{k}", 0.5 + k / 1000, days_ago=5 + k / 16) for k in range(400)),
    )
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        leads = [body_of(k) for k in range(200)]
        answers = client.post("/v1/score/batch", json={"leads": leads, "language": "en"}).json()

    results = answers["results"]
    assert {one["line"] for one in results} == {results[0]["line"]}
    assert results[0]["line"] > 0.5
    assert (results[0]["line_week"], results[0]["line_places"]) == ("2026-11-16", 40)
    below = [one for one in results if one["decision"] == "nurture"]
    assert all("below this week's line" in one["decision_reason"] for one in below)
    recorded = {one.lead_id: one for one in Predictions(store).latest(1_000)}
    for one in results:
        kept = recorded[one["lead_id"]]
        assert (kept.line, kept.is_audited) == (one["line"], one["audit"])
        assert kept.audit_probability == one["audit_probability"]
    assert {recorded[f"L{k}"].channel for k in range(10)} >= {"webinar", "missing"}
    assert {one["audit_probability"] for one in below} == {below[0]["audit_probability"]}
    assert 0 < below[0]["audit_probability"] <= 0.5
    store.close()


def test_what_one_worker_is_told_another_knows_soon(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    told_off = {
        "event_id": "e1",
        "lead_id": "L7",
        "at": "2026-11-19T10:00:00+09:00",
        "kind": "rejected",
        "reason": "do_not_contact",
    }
    with (
        TestClient(create_app(settings, clock=lambda: NOW, watch_seconds=0.1)) as one,
        TestClient(create_app(settings, clock=lambda: NOW, watch_seconds=0.1)) as other,
    ):
        assert other.post("/v1/score", json=body_of(7)).json()["decision"] != "suppress"
        assert one.post("/v1/events", json=told_off).status_code == 200
        assert one.post("/v1/score", json=body_of(7)).json()["decision"] == "suppress"
        ends = time.monotonic() + 10
        while other.post("/v1/score", json=body_of(7)).json()["decision"] != "suppress":
            assert time.monotonic() < ends
            time.sleep(0.05)
