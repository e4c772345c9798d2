"""Events that would teach the next model lies, or hide leads: what is refused, and how it is undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from typer.testing import CliRunner

import serving.cli
from serving.app import create_app
from serving.decision.lead_state import standing
from serving.settings import ServeSettings
from serving.store import Events, Exports, open_store
from serving.store.actions import Actions
from tests.builders import small_scorer
from tests.faults.served import GoodTraffic, serve, wait_for
from tests.serving.callers import new_key
from tests.serving.conftest import approved

N_LEADS = 200
Header = dict[str, str]


class Sales:
    """A guarded service, what the CRM has said of its leads, and a key that was stolen."""

    def __init__(self, client: TestClient, settings: ServeSettings, clock: list[datetime]) -> None:
        self.client, self.settings, self.clock = client, settings, clock
        _, self.crm = new_key(settings, ["events", "read", "score"], name="crm")
        _, self.stolen = new_key(settings, ["events"], name="stolen")
        client.app.state.service.callers.ring.refresh()  # type: ignore[attr-defined]

    @property
    def now(self) -> datetime:
        return self.clock[0]

    def send(self, header: Header, events: list[dict[str, Any]]) -> Response:
        """Send events, again while the database is too slow, as senders do."""
        body: Any = {"events": events}
        for _ in range(20):
            answer = self.client.post("/v1/events", json=body, headers=header)
            if answer.status_code != 503:
                break
        return answer

    def told(self, lead: int, kind: str, **more: Any) -> dict[str, Any]:
        at = (self.now - timedelta(days=1)).isoformat()
        return {"lead_id": f"L-{lead}", "at": at, "kind": kind} | more

    def states(self) -> list[tuple[str, str | None]]:
        found = []
        for lead in range(N_LEADS):
            answer = self.client.get(f"/v1/leads/L-{lead}", headers=self.crm)
            found.append((answer.json()["state"], answer.json().get("state_reason")))
        return found

    def learnt(self) -> list[tuple[object, ...]]:
        """Return the events that stand, as training reads them."""
        store = open_store(self.settings.database_address)
        try:
            told = [one.deciding for page in Exports(store).events() for one in page]
        finally:
            store.close()
        by_lead = groupby(told, key=lambda one: one.lead_id)
        return [
            (lead, one.kind, one.reason, one.event_id)
            for lead, events in by_lead
            for one in standing(events)
        ]

    def retract(self, *arguments: str) -> str:
        told = CliRunner().invoke(serving.cli.app, ["retract", *arguments])
        assert told.exit_code == 0, told.output
        return told.output


@pytest.fixture
def sales(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sales]:
    settings = ServeSettings(home=tmp_path_factory.mktemp("sales"))
    approved(settings, small_scorer())
    monkeypatch.setenv("LEAD_HOME", str(settings.home))
    clock = [datetime.now(UTC) - timedelta(hours=2)]
    with TestClient(create_app(settings, clock=lambda: clock[0])) as client:
        sales = Sales(client, settings, clock)
        honest = [
            sales.told(lead, ("accepted", "won", "rejected")[lead % 3], event_id=f"crm-{lead}")
            | ({"reason": "no_fit"} if lead % 3 == 2 else {})
            for lead in range(N_LEADS)
        ]
        assert sales.send(sales.crm, honest).status_code == 200
        clock[0] += timedelta(hours=1)
        yield sales


def poison(sales: Sales) -> int:
    """Say with the stolen key that every lead is worthless, in every way there is."""
    lies: list[dict[str, Any]] = []
    for lead in range(N_LEADS):
        lies += [
            sales.told(lead, "rejected", reason="no_fit"),
            sales.told(lead, "rejected", reason="duplicate"),
            sales.told(lead, "lost", reason="lost_price"),
            sales.told(lead, "retracted", reason=f"crm-{lead}", event_id=f"lie-{lead}")
            | {"at": (sales.now + timedelta(minutes=4)).isoformat()},
        ]
    for begin in range(0, len(lies), 1_000):
        answer = sales.send(sales.stolen, lies[begin : begin + 1_000])
        assert answer.status_code == 200, answer.text
    return len(lies)


def test_all_that_a_stolen_key_said_is_taken_back_and_nothing_else(sales: Sales) -> None:
    states, learnt = sales.states(), sales.learnt()
    begun = sales.now.isoformat()

    n_lies = poison(sales)
    assert set(sales.states()) == {("suppressed", "duplicate")}
    assert sales.learnt() != learnt
    told = sales.retract("stolen", "--since", begun)

    assert f"{n_lies:,} event(s) taken back" in told
    assert sales.states() == states
    assert sales.learnt() == learnt
    # Nothing is deleted, and doing it again finds nothing to do.
    assert "0 event(s) taken back" in sales.retract("stolen", "--since", begun)
    store = open_store(sales.settings.database_address)
    action = Actions(store).newest(3)[2]
    assert (action.action, action.detail["n"]) == ("events_retracted", n_lies)
    assert len(Events(store).of_lead("L-0")) == 1 + 4 + 4
    store.close()


def test_what_came_before_the_theft_and_from_others_stands(sales: Sales) -> None:
    early = sales.told(0, "touched", event_id="early")
    assert sales.send(sales.stolen, [early]).status_code == 200
    learnt = sales.learnt()
    sales.clock[0] += timedelta(minutes=10)
    begun = sales.now.isoformat()
    poison(sales)

    sales.retract("stolen", "--since", begun)

    assert sales.learnt() == learnt
    assert ("L-0", "touched", None, "early") in learnt


def test_hiding_a_lead_holds_only_until_it_is_taken_back(sales: Sales) -> None:
    def decision() -> str:
        lead = {"lead_id": "L-0", "fields": {"source": "webinar"}, "record": False}
        answer = sales.client.post("/v1/score", json=lead, headers=sales.crm)
        return str(answer.json()["decision"])

    before, begun = decision(), sales.now.isoformat()
    sales.send(sales.stolen, [sales.told(0, "rejected", reason="do_not_contact")])
    assert decision() == "suppress"
    sales.retract("stolen", "--since", begun)
    service = sales.client.app.state.service  # type: ignore[attr-defined]
    service.desks.refresh(service.models.model)  # each worker looks by itself every two seconds

    assert before != "suppress"
    assert decision() == before


@pytest.mark.parametrize(
    ("lie", "part"),
    [
        pytest.param({"at": "2999-01-01T00:00:00Z"}, "at", id="the future"),
        pytest.param({"at": "1970-01-01T00:00:00Z"}, "at", id="long ago"),
        pytest.param({"kind": "rejected", "reason": "made up"}, "reason", id="no reason of ours"),
        pytest.param({"kind": "rejected", "reason": "lost_price"}, "reason", id="another kind's"),
        pytest.param({"kind": "retracted", "reason": "crm-1"}, "reason", id="another lead's event"),
        pytest.param({"kind": "won", "event_id": "crm-1"}, "event_id", id="another's id"),
    ],
)
def test_one_lie_that_cannot_be_keeps_its_whole_request_out(
    sales: Sales, lie: dict[str, Any], part: str
) -> None:
    learnt = sales.learnt()

    answer = sales.send(sales.stolen, [sales.told(1, "touched"), sales.told(0, "touched") | lie])

    assert answer.status_code == 422, answer.text
    assert f"events[1].{part}" in answer.json()["detail"]
    assert sales.learnt() == learnt


def test_contradictions_give_the_same_state_in_any_order_and_a_win_stays(sales: Sales) -> None:
    for lead, lies in enumerate((("lost", "won"), ("won", "lost"))):
        told = [
            sales.told(150 + lead, kind, event_id=f"{lead}-{kind}")
            | ({"reason": "lost_price"} if kind == "lost" else {})
            for kind in lies
        ]
        for one in told:
            assert sales.send(sales.stolen, [one]).status_code == 200

    assert [state for state, _ in sales.states()[150:152]] == ["won", "won"]


def test_retract_asks_for_a_moment_with_an_offset(sales: Sales) -> None:
    for since in ("yesterday", "2026-11-20T09:00"):
        told = CliRunner().invoke(serving.cli.app, ["retract", "stolen", "--since", since])
        assert told.exit_code == 2
    assert "0 event(s)" in sales.retract("nobody", "--since", "2026-11-20T09:00+09:00")


@pytest.mark.faults
def test_ten_thousand_rejections_stop_nobody_and_are_taken_back(home: Path, tmp_path: Path) -> None:
    # The service is open, so that all that comes over HTTP is sent by "local"; files come by hand.
    honest = "".join(f"L-{lead},2026-11-18,accepted,crm-{lead}\r\n" for lead in range(10_000))
    (tmp_path / "events.csv").write_text(f"lead_id,at,kind,event_id\r\n{honest}", "utf-8")
    environment = {**os.environ, "LEAD_HOME": str(home)}

    def command(*arguments: str) -> str:
        line = [sys.executable, "-m", "serving.cli", *arguments]
        return subprocess.run(
            line, env=environment, check=True, capture_output=True
        ).stdout.decode()

    command("import-events", str(tmp_path / "events.csv"))
    begun = datetime.now(UTC).isoformat()
    with serve(home, tmp_path / "log") as served, GoodTraffic(served) as good:
        for first in range(0, 10_000, 1_000):
            lies = [
                {
                    "lead_id": f"L-{lead}",
                    "at": "2026-11-19T09:00:00Z",
                    "kind": "rejected",
                    "reason": "duplicate",
                }
                for lead in range(first, first + 1_000)
            ]
            body = json.dumps({"events": lies}).encode()
            assert served.ask("POST", "/v1/events", body)[0] == 200
        assert json.loads(served.ask("GET", "/v1/leads/L-9999")[2])["state"] == "suppressed"
        assert "10,000 event(s) taken back" in command("retract", "local", "--since", begun)
        for lead in (0, 5_000, 9_999):
            told = json.loads(served.ask("GET", f"/v1/leads/L-{lead}")[2])
            assert (told["state"], "state_reason" in told) == ("accepted", False)
        lead = json.dumps({"lead_id": "L-9999", "fields": {"source": "webinar"}}).encode()

        def decision() -> str:
            return str(json.loads(served.ask("POST", "/v1/score", lead)[2])["decision"])

        wait_for(lambda: decision() != "suppress", 15)

    assert good.failures == []
    assert len(good.seconds) > 10
