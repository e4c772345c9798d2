"""``/openapi.json`` against real answers: nothing undocumented, nothing missing, no other shape."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

KNOWN = {"source": "ウェビナー", "employees": "１，２００名", "job_title": "営業部長"}
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "object": dict,
    "array": list,
}


@pytest.fixture(scope="module")
def schema(shared_client: TestClient) -> dict[str, Any]:
    return dict(shared_client.get("/openapi.json").json())


def answer_schema(schema: dict[str, Any], path: str, method: str, status: int) -> dict[str, Any]:
    told = schema["paths"][path][method]["responses"][str(status)]
    return dict(told["content"]["application/json"]["schema"])


def faults(schema: dict[str, Any], part: dict[str, Any], value: Any, path: str = "$") -> list[str]:
    """Return where `value` is not what the part of the schema says."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return faults(schema, schema["components"]["schemas"][name], value, path)
    if "anyOf" in part:
        tried = [faults(schema, one, value, path) for one in part["anyOf"]]
        return [] if [] in tried else min(tried, key=len)
    if "type" in part and not isinstance(value, TYPES[part["type"]]):
        return [f"{path} is no {part['type']}"]
    if "enum" in part and value not in part["enum"]:
        return [f"{path} is not listed"]
    if "const" in part and value != part["const"]:
        return [f"{path} is not {part['const']}"]
    found: list[str] = []
    if isinstance(value, list):
        for place, one in enumerate(value):
            found += faults(schema, part.get("items", {}), one, f"{path}[{place}]")
    if isinstance(value, dict) and "properties" in part:
        found += [f"{path}.{name} is missing" for name in set(part["required"]) - set(value)]
        for name, one in value.items():
            fitting = [
                inner
                for pattern, inner in part.get("patternProperties", {}).items()
                if re.search(pattern, name)
            ]
            inner = part["properties"].get(name, fitting[0] if fitting else None)
            if inner is not None:
                found += faults(schema, inner, one, f"{path}.{name}")
            elif not part.get("additionalProperties"):
                found.append(f"{path}.{name} is not documented")
    return found


def test_answers_are_what_the_schema_says(
    shared_client: TestClient, schema: dict[str, Any]
) -> None:
    lead = {"lead_id": "schema", "fields": KNOWN, "events": []}
    nothing = {"lead_id": "schema", "fields": {}}
    asked = [
        ("post", "/v1/score", "/v1/score", lead),
        ("post", "/v1/score", "/v1/score", nothing),
        ("post", "/v1/score/batch", "/v1/score/batch", {"leads": [lead, nothing]}),
        ("get", "/v1/leads/{lead_id}", "/v1/leads/schema", None),
        ("get", "/v1/model", "/v1/model", None),
        ("get", "/v1/definition", "/v1/definition", None),
        ("get", "/livez", "/livez", None),
        ("get", "/readyz", "/readyz", None),
    ]
    for method, path, address, body in asked:
        answer = shared_client.request(method, address, json=body)
        assert answer.status_code == 200
        part = answer_schema(schema, path, method, 200)
        assert "$ref" in part or "anyOf" in part, path
        assert faults(schema, part, answer.json()) == []


def test_the_check_itself_finds_faults(schema: dict[str, Any]) -> None:
    part = answer_schema(schema, "/v1/score/batch", "post", 200)

    found = faults(schema, part, {"n": "1", "results": [], "himitsu": 1})

    assert set(found) == {
        "$.n is no integer",
        "$.n_scored is missing",
        "$.himitsu is not documented",
    }


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch"])
def test_refusals_are_listed_in_their_one_shape(
    shared_client: TestClient, schema: dict[str, Any], path: str
) -> None:
    refused = shared_client.post(path, json={})

    for status in (400, 413, 415, 422, 503):
        part = answer_schema(schema, path, "post", status)
        assert part == {"$ref": "#/components/schemas/Problem"}
        assert faults(schema, part, refused.json()) == []
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_the_flat_part_of_an_answer_is_never_null(schema: dict[str, Any]) -> None:
    for name in ("Scored", "NotScored"):
        for flat in schema["components"]["schemas"][name]["properties"].values():
            assert '"null"' not in str(flat).replace("'", '"')
