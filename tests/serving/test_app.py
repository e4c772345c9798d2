"""The running service: what it records, what it says of itself, what it does when parts are away."""

from __future__ import annotations

import http.client
import json
import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.dependencies import get_service
from serving.settings import ServeSettings
from tests.builders import VERDICT, small_scorer
from tests.serving.conftest import NOW, approved

PERSONAL = {
    "email": "himitsu-taro@gmail.com",
    "phone": "090-1111-2222",
    "company": "株式会社ひみつ",
    "message": "ひみつの相談",
}
LEAD = {
    "lead_id": "L-1042",
    "fields": {"source": "ウェビナー", "employees": "100〜299名"}
    | PERSONAL
    | {"secret_column": "ひみつ"},
}


def test_a_score_is_recorded_and_comes_back_as_it_was_told(client: TestClient) -> None:
    told = client.post("/v1/score", json=LEAD).json()

    line = client.get("/v1/leads/L-1042").json()

    assert told["recorded"] is True
    (recorded,) = line["scores"]
    inputs, recorded_at = recorded.pop("inputs"), recorded.pop("recorded_at")
    assert recorded == told
    assert recorded_at == NOW.isoformat()
    assert inputs["fields"] == {"source": "ウェビナー", "employees": "100〜299名"}


def test_no_personal_value_reaches_the_database_file_or_the_log(
    client: TestClient, settings: ServeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.post("/v1/score", json=LEAD)
    client.get("/leads?lead_id=himitsu-taro")
    client.get("/v1/leads/himitsu-taro")

    for path in settings.home.glob("lead_serve.db*"):
        body = path.read_bytes()
        for value in (*PERSONAL.values(), "ひみつ"):
            assert value.encode() not in body
    assert "himitsu" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("lead_serve")
    )
    assert "/v1/leads/{lead_id:path} 404" in caplog.text


def test_the_derived_codes_of_personal_fields_are_kept(
    client: TestClient, scorer: LeadScorer
) -> None:
    client.post("/v1/score", json=LEAD)

    codes = client.get("/v1/leads/L-1042").json()["scores"][0]["inputs"]["codes"]

    inputs = {given.name: given for given in scorer.encoder.inputs}
    assert codes.keys() == inputs.keys()
    assert codes["email.domain_kind"] == inputs["email.domain_kind"].code_of_level["free"]


def test_an_id_with_slashes_and_japanese_finds_its_lead(client: TestClient) -> None:
    client.post("/v1/score", json=LEAD | {"lead_id": "東京/2026 ?#1"})

    assert client.get("/v1/leads/%E6%9D%B1%E4%BA%AC%2F2026%20%3F%231").json()["n"] == 1


def test_model_and_definition_say_who_is_speaking(
    shared_client: TestClient, scorer: LeadScorer
) -> None:
    model = shared_client.get("/v1/model").json()
    definition = shared_client.get("/v1/definition").json()

    assert (model["model_version"], model["model_digest"]) == ("7", scorer.model_digest)
    assert (model["approved_by"], model["why"]) == ("hanako", "beats the last one")
    assert model["horizons"] == [30, 90, 180, 365]
    assert model["evaluation"] == {"verdict": VERDICT}
    assert (
        definition["fingerprint"]
        == model["definition_fingerprint"]
        == scorer.definition.fingerprint
    )
    assert definition["economics"]["cost_of_working"] == 30000


def test_without_a_model_nothing_can_be_scored_and_readyz_says_so(settings: ServeSettings) -> None:
    with TestClient(create_app(settings)) as client:
        ready, score = client.get("/readyz"), client.post("/v1/score", json=LEAD)

        assert client.get("/livez").json() == {"status": "alive"}
        assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
        assert (score.status_code, score.json()["error"]) == (503, "no_model")
        assert int(score.headers["retry-after"]) > 0
        assert client.get("/v1/model").status_code == 503
        assert client.get("/model").status_code == 503
        assert "lead-serve approve" in client.get("/?lang=en").text


def test_health_is_told_without_a_body_too(client: TestClient) -> None:
    for path in ("/livez", "/readyz"):
        told, silent = client.get(path), client.head(path)
        assert (silent.status_code, silent.content) == (told.status_code, b"")


def test_a_client_that_sends_too_much_sees_the_refusal(settings: ServeSettings) -> None:
    app = create_app(settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            asking = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=20)
            headers = {"Content-Type": "application/json"}
            asking.request("POST", "/v1/score", b"x" * 3_500_000, headers)
            answer = asking.getresponse()
            assert (answer.status, json.loads(answer.read())["error"]) == (413, "too_large")
            asking.close()
        finally:
            server.should_exit = True
            thread.join()


def test_a_model_approved_while_the_service_runs_is_taken(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    with TestClient(create_app(settings, watch_seconds=0.02)) as client:
        assert client.get("/readyz").status_code == 503
        for one, version in ((scorer, "7"), (small_scorer(seed=9), "8")):
            approved(settings, one, version)
            deadline = time.monotonic() + 20
            while client.get("/readyz").json()["model"] != version and time.monotonic() < deadline:
                time.sleep(0.02)
            told = client.post("/v1/score", json=LEAD).json()
            assert (told["model_version"], told["model_digest"]) == (version, one.model_digest)


def test_scoring_goes_on_when_the_database_is_gone(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    with TestClient(create_app(settings)) as client:
        database = settings.home / "lead_serve.db"
        database.rename(settings.home / "away.db")
        database.mkdir()
        client.app.state.service.store.close()  # type: ignore[attr-defined]

        told = client.post("/v1/score", json=LEAD).json()

        assert (told["status"], told["recorded"]) == ("scored", False)
        assert client.get("/readyz").json() == {
            "status": "ready",
            "model": "7",
            "store": "unavailable",
            "warning": "",
            "registry": "off",
            "proposed": "",
        }
        lead = client.get("/v1/leads/L-1042")
        assert (lead.status_code, lead.json()["error"]) == (503, "store_unavailable")
        assert "does not answer" in client.get("/").text
        page = client.get("/leads/L-1042?lang=ja")
        assert (page.status_code, "記録を読み出せません" in page.text) == (503, True)
        database.rmdir()
        (settings.home / "away.db").rename(database)
        client.app.state.service.store.close()  # type: ignore[attr-defined]
        assert client.post("/v1/score", json=LEAD).json()["recorded"] is True


def test_the_service_starts_while_the_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "lead_serve.db").mkdir()

    with TestClient(create_app(ServeSettings(access="open", home=tmp_path))) as client:
        assert client.get("/readyz").json()["store"] == "unavailable"


def test_a_damaged_newer_model_leaves_the_last_good_one_serving(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    newer = small_scorer(seed=5)
    approved(settings, scorer, "7")
    approved(settings, newer, "8")
    (settings.models_folder / newer.model_digest / "tables.json").write_text("{}")

    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").json()["model"] == "7"
        assert "version 8 cannot serve" in client.get("/v1/model").json()["warning"]
        assert "tables.json is not the file" in client.get("/model").text


def test_a_bug_is_answered_without_its_details(settings: ServeSettings, scorer: LeadScorer) -> None:
    approved(settings, scorer)
    app = create_app(settings)

    def bug() -> None:
        raise ZeroDivisionError("himitsu")

    app.dependency_overrides[get_service] = bug
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/v1/model")

    assert response.status_code == 500
    assert response.json()["error"] == "internal"
    assert "himitsu" not in response.text


def test_the_schema_is_there_and_pulls_nothing_from_elsewhere(shared_client: TestClient) -> None:
    schema: dict[str, Any] = shared_client.get("/openapi.json").json()

    assert {
        "/v1/score",
        "/v1/score/batch",
        "/v1/model",
        "/v1/definition",
        "/v1/leads/{lead_id}",
        "/livez",
        "/readyz",
    } <= set(schema["paths"])


HEAVY = ("pandas", "sklearn", "lightgbm", "shap", "mlflow", "scipy", "matplotlib", "pyarrow")
SCORE_AND_LIST = """
import asyncio, json, sys
from pathlib import Path
from serving.app import create_app
from serving.settings import ServeSettings

async def run(home):
    app = create_app(ServeSettings(access="open", home=Path(home)))
    answers = []
    async with app.router.lifespan_context(app):
        for path in ("/v1/score", "/model", "/leads/L"):
            body = json.dumps({"lead_id": "L", "fields": {"source": "webinar"}}).encode()
            scope = {"type": "http", "method": "POST" if path == "/v1/score" else "GET", "path": path,
                     "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
                     "headers": [(b"content-type", b"application/json"), (b"host", b"x")],
                     "server": ("x", 80), "client": ("x", 1), "http_version": "1.1", "asgi": {"version": "3.0"}}
            async def receive():
                return {"type": "http.request", "body": body, "more_body": False}
            async def send(message):
                if message["type"] == "http.response.start":
                    answers.append(message["status"])
            await app(scope, receive, send)
    assert answers == [200, 200, 200], answers

asyncio.run(run(sys.argv[1]))
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_the_scoring_process_imports_nothing_heavy(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)

    ended = subprocess.run(
        [sys.executable, "-c", SCORE_AND_LIST, str(settings.home)],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = json.loads(ended.stdout.splitlines()[-1])
    assert [name for name in HEAVY if name in imported] == []


def test_a_home_can_be_moved_with_its_models(
    settings: ServeSettings, scorer: LeadScorer, tmp_path: Path
) -> None:
    approved(settings, scorer)
    shutil.move(settings.home, tmp_path / "moved")

    with TestClient(create_app(ServeSettings(access="open", home=tmp_path / "moved"))) as client:
        assert client.get("/readyz").status_code == 200
