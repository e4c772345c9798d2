"""Every hostile value in every place of every route: no 5xx, no echo, no long answer, no growth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.guard.access import ROWS
from serving.settings import ServeSettings
from tests.serving.conftest import NOW, approved
from tests.serving.hostile import (
    CANARY,
    VALUES,
    Attack,
    attacks_by_body,
    attacks_by_head,
    attacks_by_path,
    writing_routes,
)

MOST_BYTES = 4_096
MOST_GROWTH_MIB = 64
AWAY = {"/v1/approvals", "/v1/rollback"}
"""Routes that may say 503 `unavailable`: they ask MLflow, which is not there."""


@pytest.fixture(scope="module")
def attacked(scorer: LeadScorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = ServeSettings(access="open", home=tmp_path_factory.mktemp("attacked"))
    approved(settings, scorer)
    app = create_app(settings, clock=lambda: NOW)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def faults_of(client: TestClient, attacks: Iterable[Attack]) -> tuple[int, list[str]]:
    """Send every attack; return how many, and what was wrong with the answers."""
    n_sent, wrong = 0, []
    for attack in attacks:
        n_sent += 1
        raw = [(k.encode(), v.encode("latin-1")) for k, v in attack.headers.items()]
        response = client.request(
            attack.method, attack.path, content=attack.body or None, headers=raw
        )
        is_away = response.status_code == 503 and attack.path in AWAY
        if response.status_code >= 500 and not is_away:
            wrong.append(f"{response.status_code}: {attack.name}")
        elif response.status_code >= 400:
            # A page says which lead it does not know, escaped; nothing else repeats a thing.
            is_page = response.headers.get("content-type", "").startswith("text/html")
            echoed = "<script>alert" if is_page else CANARY
            if echoed in response.text or CANARY in str(response.headers):
                wrong.append(f"echo: {attack.name}")
            if len(response.content) > MOST_BYTES:
                wrong.append(f"{len(response.content)} bytes: {attack.name}")
            is_json = response.headers.get("content-type", "").startswith("application/json")
            if (
                is_json
                and response.content
                and set(response.json()) != {"error", "detail", "request_id"}
            ):
                wrong.append(f"shape: {attack.name}")
    return n_sent, wrong


def by_body(client: TestClient, method: str, path: str, turns: int) -> list[Attack]:
    found = attacks_by_body(client.app, method, path)  # type: ignore[arg-type]
    return [attack for attack in found if attack.turn < turns]


def by_address(client: TestClient, method: str, path: str, turns: int) -> list[Attack]:
    found = attacks_by_path(client.app, method, path)  # type: ignore[arg-type]
    return [*attacks_by_head(method, path), *(one for one in found if one.turn < turns)]


ROUTES = sorted({(row.method, row.path) for row in ROWS})


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_header_query_or_path_breaks_a_route(
    attacked: TestClient, method: str, path: str
) -> None:
    n_sent, wrong = faults_of(attacked, by_address(attacked, method, path, 1))

    assert wrong == []
    assert n_sent >= 35


@pytest.mark.parametrize(("method", "path"), writing_routes())
def test_no_body_breaks_a_route(attacked: TestClient, method: str, path: str) -> None:
    before = resident_mib()
    turns = 3 if method == "POST" else 1

    n_sent, wrong = faults_of(attacked, by_body(attacked, method, path, turns))

    assert wrong == []
    assert n_sent >= 100
    assert resident_mib() - before <= MOST_GROWTH_MIB
    assert attacked.get("/livez").status_code == 200


@pytest.mark.fuzz
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_of_the_whole_corpus_breaks_a_route(
    attacked: TestClient, method: str, path: str
) -> None:
    everything = by_address(attacked, method, path, 99)
    if (method, path) in writing_routes():
        everything += by_body(attacked, method, path, 99)

    assert faults_of(attacked, everything)[1] == []


def test_the_corpus_is_as_large_as_promised(attacked: TestClient) -> None:
    sent = sum(len(by_body(attacked, method, path, 3)) for method, path in writing_routes())
    whole = sum(len(by_body(attacked, method, path, 99)) for method, path in writing_routes())

    assert len(VALUES) >= 60
    assert sent >= 700
    assert whole >= 5_000


def test_after_all_that_a_lead_is_scored(attacked: TestClient) -> None:
    body = {"lead_id": "L-1", "fields": {"source": "ウェビナー"}}

    answer = attacked.post("/v1/score", json=body).json()

    assert (answer["status"], answer["recorded"]) == ("scored", True)
