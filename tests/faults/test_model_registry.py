"""A registry that is away, silent, slow or something else: scoring goes on, approving says why not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.errors import ModelUnavailable
from serving.model_life.registry import Registry
from serving.model_life.registry_watch import RegistryState, RegistryWatch
from serving.settings import ServeSettings
from serving.store import Approvals, open_store
from tests.builders import small_scorer
from tests.faults.fake_registry import MODES, FakeRegistry, running
from tests.faults.served import Served, serve, wait_for
from tests.serving.conftest import NOW, approved

READY_SECONDS = 15.0
FETCH_SECONDS = 60.0


@contextlib.contextmanager
def failing(mode: str, folder: Path | None = None) -> Iterator[tuple[str, FakeRegistry]]:
    """Give the address of a registry that fails in one way."""
    with running(FakeRegistry(folder=folder, mode=mode)) as registry:
        registry.elsewhere = f"{registry.address}/elsewhere"
        if mode != "refused":
            yield registry.address, registry
            return
        with socket.socket() as taken:  # bound, and not listening: whoever connects is refused
            taken.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{taken.getsockname()[1]}", registry


@pytest.mark.parametrize("mode", ["refused", "html"])
def test_a_service_over_a_registry_that_fails_scores_and_says_so(tmp_path: Path, mode: str) -> None:
    with failing(mode) as (address, _):
        settings = ServeSettings(
            access="open", home=tmp_path, tracking_uri=address, registry_seconds=1
        )
        approved(settings, small_scorer())
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            assert client.get("/readyz").json()["registry"] == "unknown"
            wait_for(lambda: client.get("/readyz").json()["registry"] == "unreachable", 60)
            scored = client.post("/v1/score", json={"lead_id": "L", "fields": {"source": "x"}})
            refused = client.post("/v1/approvals", json={"version": "8", "why": "a trial"})

        assert scored.status_code == 200
        assert (refused.status_code, refused.json()["error"]) == (503, "registry_unavailable")
        assert "LEAD_TRACKING_URI" in refused.json()["detail"]
        assert refused.headers["retry-after"]


def test_what_is_proposed_is_reported_and_not_served(tmp_path: Path) -> None:
    with running(FakeRegistry(version="9")) as registry:
        settings = ServeSettings(
            access="open", home=tmp_path, tracking_uri=registry.address, registry_seconds=1
        )
        approved(settings, small_scorer())
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            wait_for(lambda: client.get("/readyz").json()["registry"] == "ok", 60)
            ready = client.get("/readyz").json()
            models = client.get("/v1/models").json()
            metrics = client.get("/metrics").text

    assert (ready["model"], ready["proposed"]) == ("7", "9")
    assert (models["serving"], models["proposed"], models["n"]) == ("7", "9", 1)
    assert [one["serves"] for one in models["approvals"]] == [True]
    assert 'lead_model_proposed{version="9"} 1.0' in metrics


def test_a_version_is_approved_and_taken_back_over_http(tmp_path: Path) -> None:
    newer = small_scorer(seed=5)
    newer.save(tmp_path / "published")
    with running(FakeRegistry(version="8", folder=tmp_path / "published")) as registry:
        settings = ServeSettings(
            access="open", home=tmp_path / "home", tracking_uri=registry.address
        )
        approved(settings, small_scorer())
        with TestClient(create_app(settings)) as client:
            told = client.post("/v1/approvals", json={"version": 8, "why": " better "}).json()
            assert client.get("/readyz").json()["model"] == "8"
            back = client.post("/v1/rollback", json={"why": "odd scores"}).json()
            assert client.get("/readyz").json()["model"] == "7"
            again = client.post("/v1/rollback", json={"why": "further"})
            registry.folder = tmp_path
            damaged = client.post("/v1/approvals", json={"version": "8", "why": "x"})

    assert (told["version"], told["why"], told["serves"]) == ("8", "better", True)
    assert told["approved_by"] == "local"
    assert told["model_digest"] == newer.model_digest
    assert (back["version"], back["serves"]) == ("7", True)
    assert (again.status_code, again.json()["error"]) == (409, "nothing_to_roll_back")
    assert (damaged.status_code, damaged.json()["error"]) == (422, "model_refused")
    assert "(file_missing)" in damaged.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/approvals", {"version": "newest", "why": "x"}),
        ("/v1/approvals", {"version": "1"}),
        ("/v1/approvals", {"version": True, "why": "x"}),
        ("/v1/approvals", {"version": "1", "why": "  "}),
        ("/v1/approvals", {"version": "1", "why": "x" * 501}),
        ("/v1/approvals", {"version": "../1", "why": "x"}),
        ("/v1/rollback", {}),
        ("/v1/rollback", {"why": 1}),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_asked(
    tmp_path: Path, path: str, body: dict[str, object]
) -> None:
    settings = ServeSettings(access="open", home=tmp_path)
    with TestClient(create_app(settings)) as client:
        refused = client.post(path, json=body)

    assert (refused.status_code, refused.json()["error"]) == (422, "wrong_shape")


def test_one_worker_asks_and_the_others_read_what_it_was_told(tmp_path: Path) -> None:
    with running(FakeRegistry(version="9")) as registry:
        settings = ServeSettings(access="open", home=tmp_path, tracking_uri=registry.address)
        moment = [0.0]
        watches = [
            RegistryWatch(Registry(settings), tmp_path / "models", 900, lambda: moment[0])
            for _ in range(2)
        ]
        moment[0] = 10.0
        for watch in watches * 2:
            watch.look()
        n_asked = len(registry.asked)
        states = [watch.state for watch in watches]
        watches[0].close()  # it ends: the other takes its place
        moment[0] = 20.0
        watches[1].look()
        n_then = len(registry.asked)
        watches[1].close()

    assert states == [RegistryState("ok", "9")] * 2
    assert (n_asked, n_then > n_asked) == (1, True)


def test_a_registry_is_off_when_it_is_never_asked_or_not_there(tmp_path: Path) -> None:
    settings = ServeSettings(access="open", home=tmp_path)
    for seconds in (0.0, 900.0):
        watch = RegistryWatch(Registry(settings), tmp_path, seconds)
        watch.look()
        assert watch.state == RegistryState("off")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"at": "x"}', b"\xff"])
def test_a_note_of_another_worker_that_is_misshapen_says_nothing(
    tmp_path: Path, content: bytes
) -> None:
    settings = ServeSettings(access="open", home=tmp_path, tracking_uri="http://192.0.2.1:9")
    moment = [0.0]
    first, second = (
        RegistryWatch(Registry(settings), tmp_path, 900, lambda: moment[0]) for _ in range(2)
    )
    first.look()  # too early to ask, but it is the one to do so
    (tmp_path / "registry.json").write_bytes(content)
    second.look()
    first.close()

    assert second.state == RegistryState("unknown")


def test_an_approval_in_work_does_not_hold_up_the_end(tmp_path: Path) -> None:
    home = tmp_path / "home"
    approved(ServeSettings(access="open", home=home), small_scorer())
    told: list[int] = []
    with (
        failing("black hole") as (address, _),
        serve(home, tmp_path / "log", tracking_uri=address, registry_seconds=0) as served,
    ):

        def approve() -> None:
            told.append(served.ask("POST", "/v1/approvals", APPROVE, seconds=60)[0])

        asking = threading.Thread(target=approve)
        asking.start()
        wait_for(lambda: list(home.glob("models/.fetching-*")), 30)

        took = served.end()
        asking.join()

    assert told == [503]
    assert took < 8


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
def test_with_the_model_at_hand_a_service_starts_whatever_the_registry_does(
    tmp_path: Path, mode: str
) -> None:
    home = tmp_path / "home"
    approved(ServeSettings(access="open", home=home), small_scorer())
    with failing(mode) as (address, registry):
        begun = time.monotonic()
        with serve(
            home,
            tmp_path / "log",
            tracking_uri=address,
            registry_seconds=1,
            fetch_seconds=FETCH_SECONDS,
        ) as served:
            assert time.monotonic() - begun < READY_SECONDS
            assert score(served)["status"] == "scored"
            wait_for(lambda: ready(served)["registry"] == "unreachable", 90)
            begun = time.monotonic()
            status, _, body = served.ask("POST", "/v1/approvals", APPROVE, seconds=120)
            took = time.monotonic() - begun
            assert took < FETCH_SECONDS + 5
            assert (status, json.loads(body)["error"]) == (503, "registry_unavailable")
            assert score(served)["status"] == "scored"
            if mode != "refused":
                registry.mode = "ok"
                wait_for(lambda: ready(served)["registry"] == "ok", 90)
                registry.mode = mode
                wait_for(lambda: ready(served)["registry"] == "unreachable", 90)
                assert ready(served)["proposed"] == "1"
                assert score(served)["status"] == "scored"
            assert ready(served)["status"] == "ready"


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
def test_without_a_model_a_service_lives_and_is_ready_when_one_can_be_approved(
    tmp_path: Path, mode: str
) -> None:
    scorer = small_scorer()
    scorer.save(tmp_path / "published")
    with failing(mode, tmp_path / "published") as (address, registry):
        settings: dict[str, Any] = {"tracking_uri": address, "registry_seconds": 1}
        with serve(tmp_path / "home", tmp_path / "log", has_model=False, **settings) as served:
            assert served.ask("GET", "/livez")[0] == 200
            assert served.ask("GET", "/readyz")[0] == 503
            if mode == "refused":
                return
            registry.mode, registry.elsewhere = "ok", ""
            status, _, body = served.ask("POST", "/v1/approvals", APPROVE, seconds=120)
            assert status == 200, body
            assert served.ask("GET", "/readyz")[0] == 200
            assert score(served)["model_digest"] == scorer.model_digest


@pytest.mark.faults
def test_without_registry_and_database_what_served_last_serves(tmp_path: Path) -> None:
    home = tmp_path / "home"
    approved(ServeSettings(access="open", home=home), small_scorer())
    with serve(home, tmp_path / "log", registry_seconds=0) as served:
        before = score(served)
    (home / "lead_serve.db").rename(home / "away.db")
    (home / "lead_serve.db").mkdir()
    begun = time.monotonic()
    with serve(home, tmp_path / "log2", tracking_uri="http://127.0.0.1:9") as served:
        assert time.monotonic() - begun < READY_SECONDS
        after = score(served)
        told = ready(served)

    assert "serves as it did last" in told["warning"]
    assert (told["model"], told["store"]) == ("7", "unavailable")
    assert after["probability"] == before["probability"]
    assert (before["recorded"], after["recorded"]) == (True, False)


def test_the_time_for_a_fetch_is_kept(tmp_path: Path) -> None:
    with failing("black hole") as (address, _):
        settings = ServeSettings(
            access="open", home=tmp_path, tracking_uri=address, fetch_seconds=1
        )
        begun = time.monotonic()

        with pytest.raises(ModelUnavailable, match=r"did not answer within 1 s"):
            Registry(settings).fetch("1", tmp_path)

    assert time.monotonic() - begun < 6
    store = open_store(settings.database_address)
    store.migrate()
    assert Approvals(store).newest_first("lead-quality") == []


APPROVE = json.dumps({"version": "1", "why": "a trial"}).encode()
LEAD = json.dumps({"lead_id": "L", "as_of": "2026-11-20", "fields": {"source": "x"}}).encode()


def score(served: Served) -> dict[str, Any]:
    status, _, body = served.ask("POST", "/v1/score", LEAD)
    assert status == 200, body
    return dict(json.loads(body))


def ready(served: Served) -> dict[str, str]:
    return dict(json.loads(served.ask("GET", "/readyz")[2]))
