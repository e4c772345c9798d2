"""The short way for plain requests: the same answers as the routes give, to the last byte."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.scoring.asked import BatchIn, ScoreIn, plain_batch, plain_score
from serving.scoring.fast_lane import FastLane
from tests.serving.test_score import KNOWN, body_of

JSON = {"content-type": "application/json"}
BY_ROUTE = {"content-type": 'application/json; charset="utf-8"'}
"""Good JSON too, but not in the form that the short way takes."""

LEAF: Any = st.none() | st.booleans() | st.integers(-5, 2**64 - 1) | st.floats(allow_nan=False)
TEXT = st.sampled_from(
    [
        "",
        " ",
        "L-1",
        "Ｌ－１ ",
        "\ufdfa" * 20,
        "リード１",
        "a" * 65,
        "b" * 201,
        "\u0007",
        "\u3000",
        "令和8年",
        "ja",
    ]
)
ANY: Any = st.recursive(
    LEAF | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
EVENT = st.fixed_dictionaries(
    {}, optional={"kind": TEXT | LEAF, "at": TEXT | ANY, "amount": LEAF | TEXT, "more": ANY}
)
LEAD = st.fixed_dictionaries(
    {},
    optional={
        "lead_id": TEXT | LEAF,
        "as_of": TEXT | LEAF,
        "fields": st.dictionaries(TEXT, ANY, max_size=3) | LEAF,
        "events": st.lists(EVENT | LEAF, max_size=3) | LEAF,
        "language": st.sampled_from(["ja", "en", "en-GB", "fr", None, 1]),
        "record": st.booleans() | LEAF,
        "more": ANY,
    },
)


@settings(max_examples=400)
@given(LEAD)
def test_what_is_plain_is_what_the_schema_takes_with_the_same_meaning(body: Any) -> None:
    plain = plain_score(body)

    if plain is not None:
        asked = ScoreIn.model_validate(body)
        assert (plain.language, plain.is_recorded) == (asked.language, asked.record)
        assert_same(plain.lead, asked.asked())


@settings(max_examples=200)
@given(st.lists(LEAD, max_size=3), st.sampled_from(["ja", None, "en-GB"]), st.booleans() | LEAF)
def test_so_is_a_plain_batch(leads: list[Any], language: str | None, record: Any) -> None:
    body = {"leads": leads, "language": language, "record": record}
    plain = plain_batch(body)

    if plain is not None:
        asked = BatchIn.model_validate(body)
        assert (plain.language, plain.is_recorded) == (asked.language, asked.record)
        for one, other in zip(plain.leads, asked.leads, strict=True):
            assert_same(one, other.asked())


def assert_same(one: Any, other: Any) -> None:
    assert one[:3] == other[:3]
    given_events = [dict(event) | {"amount": event.get("amount")} for event in one.events or ()]
    assert given_events == [dict(event) for event in other.events or ()]
    assert (one.events is None) == (other.events is None)


@pytest.mark.parametrize("k", range(20))
def test_what_callers_send_is_plain(k: int) -> None:
    body = body_of(k)

    assert plain_score(body) is not None
    assert plain_score(body | {"record": False, "language": "en"}) is not None
    assert plain_batch({"leads": [body]}) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"lead_id": ""},
        {"lead_id": True},
        {"lead_id": "a\nb"},
        {"lead_id": "Ｌ－１"},
        {"lead_id": " L-1"},
        {"lead_id": 1.5},
        {"fields": None},
        {"fields": {"source": ["nested"]}},
        {"fields": {str(k): 1 for k in range(1001)}},
        {"as_of": "x" * 65},
        {"as_of": 5},
        {"events": [{"kind": "x"}]},
        {"events": [{"kind": "x", "at": "y", "amount": True}]},
        {"events": [{"kind": "x", "at": "y", "amount": "90分"}]},
        {"events": [{"kind": "x", "at": "y", "z": {}}]},
        {"events": [{"kind": "", "at": "y"}]},
        {"events": [1]},
        {"events": {}},
        {"record": 1},
        {"language": "en-GB"},
        {"other": 1},
    ],
    ids=str,
)
def test_everything_else_is_left_to_the_routes(change: dict[str, Any]) -> None:
    assert plain_score(body_of(1) | change) is None


def test_no_body_that_is_not_an_object_is_plain() -> None:
    bodies: list[Any] = [
        None,
        1,
        [],
        "x",
        {},
        {"leads": []},
        {"leads": [{}] * 1001},
        {"leads": [1]},
    ]
    for body in bodies:
        assert plain_score(body) is None
        assert plain_batch(body) is None


# -- over HTTP ---------------------------------------------------------------------------------


@pytest.fixture
def lanes(shared_client: TestClient, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each request took."""
    taken: list[str] = []
    from serving.scoring import fast_lane

    answer = fast_lane._answer

    async def watched(*asked: Any) -> bytes | None:
        written = await answer(*asked)
        taken.append("routes" if written is None else "lane")
        return written

    monkeypatch.setattr(fast_lane, "_answer", watched)
    return taken


def both_ways(client: TestClient, path: str, body: dict[str, Any], **more: str) -> list[bytes]:
    content = orjson.dumps(body)
    answers = [client.post(path, content=content, headers=how | more) for how in (JSON, BY_ROUTE)]
    assert [one.status_code for one in answers] == [200, 200], answers[0].text
    told = [sorted(one.headers.keys() - {"x-request-id"}) for one in answers]
    assert told[0] == told[1]
    assert answers[0].headers["content-type"] == answers[1].headers["content-type"]
    return [one.content for one in answers]


@pytest.mark.parametrize("k", range(0, 30, 3))
def test_both_ways_give_the_same_bytes(shared_client: TestClient, lanes: list[str], k: int) -> None:
    how = {"language": ("ja", "en", None)[k % 3], "record": k % 2 == 0}
    leads = [body_of(k), {"lead_id": 7, "fields": {}}, body_of(k + 1)]

    one, same = both_ways(shared_client, "/v1/score", body_of(k) | how)
    many, as_many = both_ways(shared_client, "/v1/score/batch", {"leads": leads} | how)

    assert one == same
    assert many == as_many
    assert lanes == ["lane", "routes"] * 2
    assert orjson.loads(one)["recorded"] is how["record"]
    assert orjson.loads(many)["results"][0] == orjson.loads(one)


def test_the_accepted_language_counts_on_both_ways(shared_client: TestClient) -> None:
    for language in ("ja", "en"):
        accepted = {"accept-language": f"{language};q=0.9, fr"}
        one, same = both_ways(
            shared_client, "/v1/score", {"lead_id": "L", "fields": KNOWN}, **accepted
        )
        assert one == same
        assert orjson.loads(one)["language"] == language


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 40 + b"]" * 40, 400),
        (b'{"lead_id": "L", "fields": {"a": NaN}}', 400),
        (b'{"lead_id": "L"}', 422),
        (b'{"lead_id": "L", "fields": {}, "as_of": "2036-01-01"}', 422),
        (b'{"lead_id": "L", "fields": {}, "record": 1}', 422),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_the_routes(
    shared_client: TestClient, lanes: list[str], body: bytes, status: int
) -> None:
    answers = [
        shared_client.post("/v1/score", content=body, headers=how | {"x-request-id": "r"})
        for how in (JSON, BY_ROUTE)
    ]

    assert [one.status_code for one in answers] == [status, status]
    assert answers[0].content == answers[1].content
    assert "lane" not in lanes


def test_a_wrong_record_is_named(shared_client: TestClient) -> None:
    refused = shared_client.post("/v1/score", json={"lead_id": "L", "fields": {}, "record": "no"})

    assert refused.json()["detail"] == "record: must be true or false."


def test_other_methods_and_paths_pass(shared_client: TestClient, lanes: list[str]) -> None:
    assert shared_client.get("/v1/score").status_code == 405
    assert shared_client.get("/livez").status_code == 200
    assert shared_client.post("/v1/scores", json={}).status_code == 404
    assert lanes == []


def test_a_body_in_pieces_reaches_the_routes_whole() -> None:
    pieces = [
        {"type": "http.request", "body": b'{"lead_id": ', "more_body": True},
        {"type": "http.request", "body": b'"L"}', "more_body": False},
    ]
    heard: list[Any] = []

    async def routes(scope: Any, receive: Any, send: Any) -> None:
        heard.extend([await receive(), await receive()])

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/score", "headers": []}
    asyncio.run(FastLane(routes)(scope, receive, send))

    assert b"".join(one["body"] for one in heard) == b'{"lead_id": "L"}'


# -- asking not to be recorded -----------------------------------------------------------------


def test_a_score_that_is_not_to_be_recorded_leaves_nothing(client: TestClient) -> None:
    told = client.post(
        "/v1/score", json={"lead_id": "quiet", "fields": KNOWN, "record": False}
    ).json()
    batch = client.post(
        "/v1/score/batch",
        json={"leads": [{"lead_id": "quiet", "fields": KNOWN}], "record": False},
    ).json()

    assert told["recorded"] is False
    assert [one["recorded"] for one in batch["results"]] == [False]
    assert client.get("/v1/leads/quiet").status_code == 404


def test_it_is_the_same_score_otherwise(client: TestClient) -> None:
    body = {"lead_id": "L", "fields": KNOWN}

    quiet = client.post("/v1/score", json=body | {"record": False}).json()

    assert client.post("/v1/score", json=body).json() == quiet | {"recorded": True}
    with pytest.raises(ValidationError):
        ScoreIn.model_validate(body | {"record": None})
