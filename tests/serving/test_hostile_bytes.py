"""No bytes a client can send may give a 5xx, an echo or a long answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from _pytest.mark import ParameterSet
from fastapi.testclient import TestClient

from serving.process.limits import MIB
from serving.strict_json import MAX_DEPTH

CANARY = "himitsu-taro"
LEAD = '{"lead_id": "L", "fields": %s}'

BAD_JSON = {
    "empty": b"",
    "half an object": b'{"lead_id": "' + CANARY.encode(),
    "NaN in a field": (LEAD % '{"employees": NaN}').encode(),
    "Infinity in a field": (LEAD % '{"employees": Infinity}').encode(),
    "minus Infinity at the root": b"-Infinity",
    "1e400 in a field": (LEAD % '{"employees": 1e400}').encode(),
    "1e400 in an unknown field": (LEAD % '{"himitsu-taro": 1e400}').encode(),
    "a number of 5,000 digits": (LEAD % ('{"employees": ' + "9" * 5000 + "}")).encode(),
    "a lone surrogate in a value": (LEAD % '{"source": "\\ud800"}').encode(),
    "a lone surrogate in a key": (LEAD % '{"\\udfff": 1}').encode(),
    "a lone surrogate as bytes": b'{"lead_id": "\xed\xa0\x80", "fields": {}}',
    "a byte order mark": b"\xef\xbb\xbf" + (LEAD % "{}").encode(),
    "UTF-16": (LEAD % "{}").encode("utf-16"),
    "CP932": (LEAD % '{"source": "展示会"}').encode("cp932"),
    "a control character in a text": b'{"lead_id": "a\x00b", "fields": {}}',
    "single quotes": b"{'lead_id': 'himitsu-taro'}",
    "a comment": (LEAD % "{} // himitsu-taro").encode(),
    "a trailing comma": (LEAD % '{"source": "x",}').encode(),
    "two documents": (LEAD % "{}").encode() * 2,
    "100,000 brackets": b"[" * 100_000,
    "deep lists": (
        LEAD % ('{"source": ' + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}")
    ).encode(),
    "form data": b"lead_id=himitsu-taro&fields=1",
    "XML": b"<lead><id>himitsu-taro</id></lead>",
    "zip magic": b"PK\x03\x04" + bytes(range(256)),
}
WRONG_SHAPE = {
    "a number": b"1",
    "null": b"null",
    "a text": b'"himitsu-taro"',
    "a list": b'["himitsu-taro"]',
    "an empty object": b"{}",
    "no fields": b'{"lead_id": "himitsu-taro"}',
    "fields as list": (LEAD % '["himitsu-taro"]').encode(),
    "fields as text": (LEAD % '"himitsu-taro"').encode(),
    "fields as null": (LEAD % "null").encode(),
    "an empty id": b'{"lead_id": "", "fields": {}}',
    "a long id": b'{"lead_id": "' + b"x" * 201 + b'", "fields": {}}',
    "an id of true": b'{"lead_id": true, "fields": {}}',
    "an id of 1.5": b'{"lead_id": 1.5, "fields": {}}',
    "a blank id": b'{"lead_id": "  ", "fields": {}}',
    "an id of 30 digits": b'{"lead_id": 123456789012345678901234567890, "fields": {}}',
    "an id with NUL": b'{"lead_id": "himitsu-taro\\u0000", "fields": {}}',
    "an id with an escape": b'{"lead_id": "\\u001b[31m", "fields": {}}',
    "a number as time": b'{"lead_id": "L", "fields": {}, "as_of": 17}',
    "a long time": b'{"lead_id": "L", "fields": {}, "as_of": "' + b"2" * 65 + b'"}',
    "events as object": b'{"lead_id": "L", "fields": {}, "events": {"himitsu-taro": 1}}',
    "an event without time": b'{"lead_id": "L", "fields": {}, "events": [{"kind": "himitsu-taro"}]}',
    "an event with a text as amount": b'{"lead_id": "L", "fields": {}, "events": [{"kind": "x", "at": "y", "amount": "himitsu-taro"}]}',
    "an unknown language": b'{"lead_id": "L", "fields": {}, "language": "himitsu-taro"}',
    "5,000 bad events": b'{"lead_id": "L", "fields": {}, "events": ['
    + b",".join([b'"himitsu-taro"'] * 5000)
    + b"]}",
    "1,001 fields": (
        LEAD % ("{" + ",".join(f'"himitsu-taro{k}": 1' for k in range(1001)) + "}")
    ).encode(),
}


def _bodies() -> Iterator[ParameterSet]:
    for path in ("/v1/score", "/v1/score/batch"):
        for name, body in BAD_JSON.items():
            yield pytest.param(path, body, 400, id=f"{path} {name}")
        for name, body in WRONG_SHAPE.items():
            yield pytest.param(path, body, 422, id=f"{path} {name}")
    for name, body in WRONG_SHAPE.items():
        if name != "an unknown language":  # a batch has one language, so a lead's is passed over
            wrapped = b'{"leads": [' + body + b"]}"
            yield pytest.param("/v1/score/batch", wrapped, 422, id=f"batch of {name}")


@pytest.mark.parametrize(("path", "body", "status"), list(_bodies()))
def test_hostile_bytes_are_refused_without_an_echo(
    shared_client: TestClient, path: str, body: bytes, status: int
) -> None:
    response = shared_client.post(path, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "detail", "request_id"}
    assert CANARY not in response.text
    assert len(response.content) <= 4096


def test_nesting_up_to_the_limit_is_read(shared_client: TestClient) -> None:
    nested = "[" * (MAX_DEPTH - 3) + "]" * (MAX_DEPTH - 3)
    body = LEAD % ('{"industry": "it", "source": ' + nested + "}")

    response = shared_client.post(
        "/v1/score", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.json()["warnings"] == "unreadable:source"


def test_of_a_key_given_twice_the_last_counts(shared_client: TestClient) -> None:
    body = '{"lead_id": "first", "lead_id": "second", "fields": {"source": "webinar"}}'

    response = shared_client.post(
        "/v1/score", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.json()["lead_id"] == "second"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=shift_jis",
        "multipart/form-data; boundary=x",
    ],
)
def test_only_json_in_utf8_is_taken(shared_client: TestClient, content_type: str) -> None:
    response = shared_client.post(
        "/v1/score", content=b"{}", headers={"Content-Type": content_type}
    )

    assert response.status_code == 415
    assert response.json()["error"] == "not_json"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "application/vnd.crm+json"]
)
def test_json_by_its_other_names_is_taken(shared_client: TestClient, content_type: str) -> None:
    body = LEAD % '{"source": "webinar"}'

    response = shared_client.post("/v1/score", content=body, headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize(("path", "limit"), [("/v1/score", MIB), ("/v1/score/batch", 16 * MIB)])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_above_the_limit_is_refused(
    shared_client: TestClient, path: str, limit: int, is_declared: bool
) -> None:
    def chunks(n_bytes: int) -> Iterator[bytes]:
        yield b'{"lead_id": "L", "fields": {"message": "'
        yield b"x" * n_bytes

    headers = {"Content-Type": "application/json"}
    content = b"x" * (limit + 1) if is_declared else chunks(limit)

    response = shared_client.post(path, content=content, headers=headers)

    assert response.status_code == 413
    assert response.json()["error"] == "too_large"


def test_a_body_at_the_limit_is_read(shared_client: TestClient) -> None:
    body = (LEAD % '{"source": "webinar"}').encode()

    response = shared_client.post(
        "/v1/score",
        content=body + b" " * (MIB - len(body)),
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/score", 405),
        ("DELETE", "/v1/model", 405),
        ("GET", "/v1/himitsu-taro", 404),
        ("GET", "/docs", 404),
        ("GET", "/static/../settings.py", 404),
        ("GET", "/static/%2e%2e/%2e%2e/settings.py", 404),
        ("GET", "/v1/leads/himitsu-taro", 404),
        ("GET", "/v1/leads/L?limit=himitsu-taro", 422),
        ("GET", "/v1/leads/L?limit=0", 422),
        ("GET", "/leads?lead_id=", 422),
    ],
)
def test_wrong_addresses_answer_in_the_same_shape(
    shared_client: TestClient, method: str, path: str, status: int
) -> None:
    response = shared_client.request(method, path)

    assert response.status_code == status
    assert set(response.json()) == {"error", "detail", "request_id"}
    assert CANARY not in response.text


def test_every_answer_has_an_id_and_the_security_headers(shared_client: TestClient) -> None:
    for path in ("/livez", "/nope", "/model"):
        headers = shared_client.get(path, headers={"X-Request-ID": "abc-1"}).headers
        assert headers["x-request-id"] == "abc-1"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_a_request_id_that_is_no_id_is_replaced(shared_client: TestClient) -> None:
    response = shared_client.get("/nope", headers={"X-Request-ID": "<script>"})

    assert response.json()["request_id"] == response.headers["x-request-id"] != "<script>"
