"""``POST /v1/events``: what is taken, what is refused and how, and what a repeat is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from features.definition import load_definition
from features.events import EVENT_KINDS
from serving.app import create_app
from serving.settings import ServeSettings
from serving.store import Events, open_store
from tests.faults.served import wait_for
from tests.serving.conftest import NOW

EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "lead_id": "L-1",
    "at": "2026-11-19T10:00:00+09:00",
    "kind": "rejected",
    "reason": "no_budget",
    "actor": "営業 花子",
}


@pytest.fixture
def send(client: TestClient) -> Callable[..., Any]:
    def post(**changes: Any) -> Any:
        told = {name: value for name, value in (EVENT | changes).items() if value is not None}
        return client.post("/v1/events", json=told)

    return post


def stored(client: TestClient, lead_id: str = "L-1") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/leads/{lead_id}")
    return list(answer.json()["events"]) if answer.status_code == 200 else []


def test_an_event_is_stored_once_and_a_repeat_is_told_the_same(client, send) -> None:
    first, again = send(), send()

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == {"status": "stored", "event_id": "e-1"}
    (told,) = stored(client)
    assert told == {
        "event_id": "e-1",
        "at": "2026-11-19T01:00:00+00:00",
        "kind": "rejected",
        "reason": "no_budget",
        "actor": "営業 花子",
        "received_at": NOW.isoformat(),
    }


def test_the_same_moment_and_reason_written_in_another_way_is_the_same_event(client, send) -> None:
    assert send().status_code == 200

    assert send(at="2026-11-19T01:00:00Z", reason="予算なし").status_code == 200
    assert send(at="2026-11-19 10:00", reason="No Budget").status_code == 200

    assert len(stored(client)) == 1


@pytest.mark.parametrize(
    "change",
    [{"lead_id": "L-2"}, {"reason": "no_need"}, {"amount": 1.0}, {"return_on": "2027-01-04"}],
    ids=str,
)
def test_an_id_that_comes_with_another_content_is_a_conflict(client, send, change) -> None:
    send()

    answer = send(**change)

    assert answer.status_code == 422
    assert answer.json()["error"] == "event_conflict"
    assert "retract the old one" in answer.json()["detail"]
    assert [one["reason"] for one in stored(client)] == ["no_budget"]


def test_an_event_without_an_id_gets_one_from_its_content(client, send) -> None:
    first, again, other = send(event_id=None), send(event_id=""), send(event_id=None, amount=2)

    assert first.json()["event_id"] == again.json()["event_id"]
    assert first.json()["event_id"].startswith("h-")
    assert other.json()["event_id"] != first.json()["event_id"]
    assert len(stored(client)) == 2


@pytest.mark.parametrize("written", ["1200000", "1,200,000円", "１２０万円"])
def test_an_amount_may_be_written_as_text_as_ma_tools_send_it(client, send, written) -> None:
    assert send(amount=1_200_000.0).status_code == 200

    assert send(amount=written).status_code == 200
    assert [one["amount"] for one in stored(client)] == [1_200_000.0]


def test_an_empty_amount_is_none(client, send) -> None:
    assert send(amount="").status_code == 200
    assert "amount" not in stored(client)[0]


def test_many_events_are_stored_together_and_told_in_order(client) -> None:
    many = [EVENT | {"event_id": f"e-{k}", "lead_id": f"L-{k % 7}"} for k in range(300)]

    answer = client.post("/v1/events", json={"events": many})

    assert answer.json() == {
        "status": "stored",
        "n": 300,
        "event_ids": [f"e-{k}" for k in range(300)],
    }
    assert len(stored(client, "L-0")) == 43


def test_one_fault_keeps_all_of_a_request_out_and_every_fault_is_told(client) -> None:
    events = [EVENT | {"event_id": "good"}]
    events += [EVENT | {"event_id": f"e-{k}", "reason": "秘密の理由"} for k in range(30)]
    events[3] |= {"at": "yesterday", "kind": "danced"}

    answer = client.post("/v1/events", json={"events": events})

    detail = answer.json()["detail"]
    assert (answer.status_code, answer.json()["error"]) == (422, "event_refused")
    assert "events[3].at: is not a time" in detail
    assert "events[3].kind: must be one of accepted" in detail
    assert "and 12 more" in detail
    assert "秘密" not in answer.text
    assert "danced" not in answer.text
    assert len(answer.content) < 4096
    assert stored(client) == []


def test_a_clash_inside_one_request_keeps_all_of_it_out(client) -> None:
    events = [EVENT, EVENT | {"event_id": "e-2"}, EVENT | {"amount": 5}]

    answer = client.post("/v1/events", json={"events": events})

    assert answer.json()["error"] == "event_conflict"
    assert "events[2].event_id: is known with another content" in answer.json()["detail"]
    assert stored(client) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "sold"}, "kind: must be one of"),
        ({"reason": "lost_price"}, "reason: is of another kind"),
        ({"kind": "lost"}, "reason: is of another kind"),
        ({"kind": "retracted", "reason": None}, "reason: is missing; of a retracted event"),
        ({"reason": "because"}, "reason: is neither code nor name"),
        ({"at": "20-11-2026"}, "at: is not a time"),
        ({"at": "1980-01-01T00:00:00Z"}, "at: lies before 1990"),
        ({"at": (NOW + timedelta(minutes=6)).isoformat()}, "at: lies more than five minutes ahead"),
        ({"return_on": "next spring"}, "return_on: is not a day"),
        ({"return_on": "0001-01-01"}, "return_on: is not a day between"),
        ({"actor": "a\x00b"}, "actor: must not hold control characters"),
        ({"event_id": "a\nb"}, "event_id: must not hold control characters"),
        ({"lead_id": "\u200b"}, "lead_id: must not be blank"),
        ({"lead_id": "a\x00"}, "lead_id"),
        ({"amount": "much"}, "amount: must be a number"),
        ({"event_id": "x" * 201}, "event_id: must be at most 200"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_the_part_and_what_was_expected(
    client, send, change, words
) -> None:
    answer = send(**change)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"x"', b"{}", b'{"events":[]}', b'{"events":{}}', b'{"events":[1]}',
     b'{"events":null}', b'{"lead_id":1e999}', b"{", b""],
)  # fmt: skip
def test_bytes_that_are_no_events_are_refused(client, body: bytes) -> None:
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.json()["error"] in ("bad_request", "wrong_shape")


def test_a_thousand_events_are_taken_and_one_more_is_not(client) -> None:
    def many(n: int) -> list[dict[str, Any]]:
        return [EVENT | {"event_id": f"e-{k}"} for k in range(n)]

    assert client.post("/v1/events", json={"events": many(1_001)}).status_code == 422
    assert client.post("/v1/events", json={"events": many(1_000)}).status_code == 200


def test_a_little_ahead_of_the_clock_is_taken(client, send) -> None:
    assert send(at=(NOW + timedelta(minutes=4)).isoformat()).status_code == 200


@pytest.mark.parametrize(
    ("kind", "reason"), [("rejected", "no_reason"), ("lost", "lost_other"), ("won", None)]
)
def test_a_reason_that_is_not_given_is_completed_as_training_does(client, send, kind, reason):
    send(kind=kind, reason=None)

    assert stored(client)[0].get("reason") == reason


def test_every_kind_of_event_is_taken(client, send) -> None:
    for kind in EVENT_KINDS:
        reason = {"rejected": "no_need", "lost": "lost_price", "retracted": "e-rejected"}.get(kind)
        assert send(kind=kind, event_id=f"e-{kind}", reason=reason).status_code == 200, kind

    assert {one["kind"] for one in stored(client)} == set(EVENT_KINDS)


def test_a_time_without_offset_is_meant_in_the_zone_of_the_definition(client, send) -> None:
    send(at="2026-11-19T10:00:00")

    assert stored(client)[0]["at"] == "2026-11-19T01:00:00+00:00"


def test_without_a_model_only_the_shape_is_checked(settings: ServeSettings) -> None:
    with TestClient(create_app(settings, clock=lambda: NOW)) as bare:
        good = bare.post("/v1/events", json=EVENT | {"reason": "whatever they say"})
        naive = bare.post("/v1/events", json=EVENT | {"at": "2026-11-19T10:00:00"})

    assert good.status_code == 200
    assert naive.status_code == 422
    assert "needs an offset" in naive.json()["detail"]


def test_a_lead_that_was_never_scored_is_known_by_its_events(client, send) -> None:
    send()

    told = client.get("/v1/leads/L-1").json()

    assert (told["n"], told["scores"]) == (0, [])
    assert (told["state"], told["state_reason"]) == ("rejected", "no_budget")
    assert told["state_since"] == "2026-11-19T01:00:00+00:00"


def test_where_a_lead_stands_follows_from_what_was_not_taken_back(client, send) -> None:
    send(event_id="a", kind="accepted", reason=None)
    send(event_id="b", at="2026-11-19T11:00:00+09:00", return_on="2027-02-01")
    assert client.get("/v1/leads/L-1").json()["return_on"] == "2027-02-01"

    send(event_id="c", at="2026-11-19T12:00:00+09:00", kind="retracted", reason="b")

    told = client.get("/v1/leads/L-1").json()
    assert told["state"] == "accepted"
    assert [one["event_id"] for one in told["events"]] == ["a", "b", "c"]


def test_an_event_of_another_lead_cannot_be_taken_back(client, send) -> None:
    send(event_id="a", kind="won", reason=None)
    back = {"kind": "retracted", "reason": "a"}

    alone = send(event_id="b", lead_id="L-2", **back)
    among = client.post(
        "/v1/events",
        json={
            "events": [
                EVENT | {"event_id": "c", "lead_id": "L-3"},
                EVENT | back | {"event_id": "d", "reason": "c"},
                EVENT | back | {"event_id": "e"},
            ]
        },
    )

    words = "reason: names an event of another lead"
    assert (alone.status_code, alone.json()["error"]) == (422, "event_conflict")
    assert f"Nothing was stored. {words}" in alone.json()["detail"]
    assert f"events[1].{words}" in among.json()["detail"]
    assert "events[2]" not in among.json()["detail"]
    assert [len(stored(client, f"L-{k}")) for k in (1, 2, 3)] == [1, 0, 0]


def test_a_retraction_that_comes_before_what_it_names_takes_back_its_own_lead_alone(
    client, send
) -> None:
    for lead_id in ("L-1", "L-2"):
        back = {"event_id": f"back-{lead_id}", "lead_id": lead_id, "kind": "retracted"}
        assert send(**back, reason="later").status_code == 200

    assert send(event_id="later", reason="do_not_contact").status_code == 200

    assert client.get("/v1/leads/L-1").json()["state"] == "open"
    again = send(event_id="back-L-2", lead_id="L-2", kind="retracted", reason="later")
    assert again.status_code == 200, "a repeat is told what the first was told"
    assert client.get("/v1/leads/L-2").json()["state"] == "open"


def test_ids_are_compared_and_kept_in_one_form_as_training_compares_them(client, send) -> None:
    first = send(lead_id="　Ｌ－１ ", event_id="ｅ－１", reason="do_not_contact")
    again = send(lead_id="L-1", event_id="e-1", reason="do_not_contact")

    assert first.json() == again.json() == {"status": "stored", "event_id": "e-1"}
    for written, decision in (("Ｌ－１", "suppress"), ("L-1 ", "suppress"), ("l-1", None)):
        lead = {"lead_id": written, "fields": {"source": "webinar"}}
        answer = client.post("/v1/score", json=lead).json()
        assert answer["lead_id"] == ("l-1" if decision is None else "L-1")
        assert (answer["decision"] == "suppress") == (decision is not None)
    assert client.get("/v1/leads/%EF%BC%AC－1").json()["n"] == 2
    assert client.get("/leads/Ｌ-１").status_code == 200
    assert send(event_id="e-2", kind="retracted", reason="ｅ-１").status_code == 200
    assert client.get("/v1/leads/L-1").json()["state"] == "open"
    assert client.delete("/v1/leads/Ｌ－1").json() == {
        "status": "deleted",
        "scores": 2,
        "events": 2,
    }


def test_an_id_whose_form_is_too_long_is_refused(client, send) -> None:
    for answer in (
        send(lead_id="\ufdfa" * 20),
        send(event_id="\ufdfa" * 20),
        client.post("/v1/score", json={"lead_id": "\ufdfa" * 20, "fields": {}}),
    ):
        assert answer.status_code == 422
        assert "must be at most 200 characters long" in answer.json()["detail"]


def test_a_lead_whom_sales_must_not_contact_is_suppressed_at_once(client, send) -> None:
    send(reason="do_not_contact")

    answer = client.post("/v1/score", json={"lead_id": "L-1", "fields": {"source": "webinar"}})

    assert answer.json()["decision"] == "suppress"


def test_the_store_tells_who_sent_an_event(client, send, settings: ServeSettings) -> None:
    send()

    store = open_store(settings.database_address)
    (told,) = Events(store).of_lead("L-1")
    store.close()
    assert told.received_from == "local"


def test_all_reasons_of_the_definition_are_taken_by_code_and_name(client) -> None:
    events = []
    for code, reason in load_definition().reasons.items():
        kind = "lost" if reason.kind == "loss" else "rejected"
        for how, written in (("code", code), ("ja", reason.names.ja), ("en", reason.names.en)):
            events.append(EVENT | {"event_id": f"{code}-{how}", "kind": kind, "reason": written})

    answer = client.post("/v1/events", json={"events": events})

    assert answer.status_code == 200, answer.text
    assert all(one["event_id"].startswith(one["reason"]) for one in stored(client))


def test_a_store_that_is_away_is_told_as_503_and_when_to_try_again(
    client: TestClient, send, settings: ServeSettings
) -> None:
    path = Path(settings.home) / "lead_serve.db"
    away = path.with_suffix(".away")
    path.rename(away)

    answers = [
        send(),
        client.get("/v1/leads/L-1"),
        client.delete("/v1/leads/L-1"),
        client.get("/v1/export/events.csv"),
    ]
    away.replace(path)

    assert [one.status_code for one in answers] == [503] * 4
    assert all(int(one.headers["retry-after"]) > 0 for one in answers)
    wait_for(lambda: send().status_code == 200, 20)


def test_a_clock_that_was_set_back_takes_nothing_away(client, send) -> None:
    assert send(at=(NOW - timedelta(hours=1)).isoformat()).status_code == 200
    assert send(at=(NOW - timedelta(hours=1)).astimezone(UTC).isoformat()).status_code == 200

    assert datetime.fromisoformat(stored(client)[0]["at"]) == NOW - timedelta(hours=1)
