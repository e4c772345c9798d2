"""An address where there is nothing: a page for people, JSON for programs, and never the address."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.settings import ServeSettings
from tests.serving.conftest import NOW, approved
from tests.serving.test_pages import Outline

CANARY = "himitsu-taro"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ADDRESSES = (f"/{CANARY}", f"/v1/{CANARY}", f"/model/{CANARY}%0A?next={CANARY}", f"/x//{CANARY}/")


@pytest.mark.parametrize("access", ["open", "keys"])
@pytest.mark.parametrize(
    ("language", "heading"), [("ja", "ここにページはありません"), ("en", "There is no page here")]
)
def test_a_browser_sees_a_page_and_not_what_it_asked_for(
    settings: ServeSettings, scorer: LeadScorer, access: str, language: str, heading: str
) -> None:
    guarded = settings.model_copy(update={"access": access})
    approved(guarded, scorer)
    with TestClient(create_app(guarded, clock=lambda: NOW)) as client:
        for address in ADDRESSES:
            answer = client.get(address, headers=BROWSER | {"Accept-Language": language})
            assert answer.status_code == 404
            assert answer.headers["content-language"] == language
            assert heading in answer.text
            assert CANARY not in answer.text
            outline = Outline(answer.text)
            assert outline.styles == []
            other = "en" if language == "ja" else "ja"
            assert f"/?lang={other}" in outline.addresses


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_a_program_gets_json(shared_client: TestClient, accept: str) -> None:
    answer = shared_client.get(f"/{CANARY}", headers={"Accept": accept})

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert CANARY not in answer.text


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
def test_only_what_is_looked_at_gets_a_page(shared_client: TestClient, method: str) -> None:
    answer = shared_client.request(method, f"/{CANARY}", headers=BROWSER)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


def test_the_page_needs_no_model(settings: ServeSettings) -> None:
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        assert client.get("/nothing", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("access", ["open", "keys"])
def test_another_method_is_told_which_there_are(
    settings: ServeSettings, scorer: LeadScorer, access: str
) -> None:
    guarded = settings.model_copy(update={"access": access})
    approved(guarded, scorer)
    with TestClient(create_app(guarded, clock=lambda: NOW)) as client:
        for method, path, allowed in (
            ("PUT", "/v1/score", "POST"),
            ("GET", "/v1/score", "POST"),
            ("PATCH", "/v1/leads/L-1", "DELETE, GET"),
            ("POST", "/", "GET"),
        ):
            answer = client.request(method, path, headers=BROWSER)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
            assert answer.json()["error"] == "method_not_allowed"

        assert client.put("/{lead_id:path}", headers=BROWSER).status_code == 404
