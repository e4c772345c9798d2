"""A name, an address and a phone number in everything a client can send: they are found nowhere."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serving.settings import ServeSettings
from tests.builders import small_scorer
from tests.faults.served import wait_for
from tests.serving.callers import new_account, new_key
from tests.serving.conftest import NOW, approved

N_REQUESTS = 2_000
JSON = {"Content-Type": "application/json"}
NAME = "カナリア"
STEMS = (
    NAME.encode(),
    json.dumps(NAME)[1:-1].encode(),
    json.dumps(NAME)[1:-1].upper().replace("\\U", "\\u").encode(),
    NAME.encode("cp932"),
    NAME.encode().decode("latin-1").encode(),
    urllib.parse.quote(NAME).encode(),
    repr(NAME.encode())[2:-1].encode(),
    b"canary",
    b"070-55",
    b"07055",
)

# The service with every logger at DEBUG, and a fault whose words hold what was asked for.
SERVICE = """
import logging, socket, sys
from pathlib import Path
from serving.process.log import set_up_log
from serving.settings import ServeSettings
from serving.store.predictions import Predictions
from serving.process.worker import serve_on

set_up_log("json")
for logger in (logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))):
    logger.setLevel(logging.DEBUG)
    for handler in logger.handlers:
        handler.setLevel(logging.DEBUG)
for name in ("sqlalchemy.engine", "sqlalchemy.pool", "uvicorn.error", "asyncio", "alembic"):
    logging.getLogger(name).setLevel(logging.DEBUG)
really = Predictions.of_lead

def of_lead(self, lead_id, limit):
    if lead_id.startswith("boom"):
        raise ZeroDivisionError(f"no luck with {lead_id}")
    return really(self, lead_id, limit)

Predictions.of_lead = of_lead
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
sys.exit(serve_on(ServeSettings(home=Path(sys.argv[1]), rate_per_minute=1_000_000), listening))
"""


@dataclass
class Canaries:
    """Sends requests that each hold a person of their own, and keeps what came back."""

    port: int
    keys: dict[str, dict[str, str]]
    n: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    told: list[bytes] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)

    def is_ready(self) -> bool:
        try:
            return self.send("GET", "/readyz")[0] == 200
        except ConnectionError:
            return False

    def person(self) -> dict[str, str]:
        self.n += 1
        return {
            "name": f"{NAME}{self.n:05d}",
            "email": f"canary{self.n:05d}@example.jp",
            "phone": f"070-55{self.n // 100:02d}-{self.n % 100:04d}",
        }

    def send(
        self, method: str, path: str, body: bytes | str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        person = self.person()
        shown = {
            "User-Agent": f"curl of {person['email']}",
            "Referer": f"http://crm.example/?mail={person['email']}",
            "From": person["email"],
            "X-Customer": urllib.parse.quote(person["name"]),
            "X-Request-ID": person["email"],
            "Cookie": f"who={person['email']}; tel={person['phone']}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asking.request(method, path, body.encode() if isinstance(body, str) else body, shown)
            answer = asking.getresponse()
            said = answer.read()
        finally:
            asking.close()
        self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
        if answer.status >= 400 and "html" not in answer.headers["content-type"]:
            self.told.append(said + str(answer.headers).encode())
        return answer.status, said

    def lead(self, **more: Any) -> dict[str, Any]:
        person = self.person()
        lead_id = person["email"] if self.n % 10 == 0 else f"L-{self.n % 20}"
        self.stored.add(lead_id)
        fields = {"source": "webinar", "message": f"私は{person['name']}です", **person}
        return {"lead_id": lead_id, "fields": fields | {person["email"]: 1}, **more}

    def event(self) -> dict[str, Any]:
        person = self.person()
        lead_id = f"L-{self.n % 20}"
        self.stored.add(lead_id)
        return {
            "event_id": f"e-{person['email']}",
            "lead_id": lead_id,
            "at": "2026-11-20T10:00:00+09:00",
            "kind": "touched",
            "actor": person["name"],
            "source": person["email"],
        }


def rounds(canaries: Canaries) -> Iterator[None]:
    """Ask for every path in every way that is answered well or badly, once in each round."""
    send, keys = canaries.send, canaries.keys
    all_rights, only_score = keys["all"], keys["score"]
    while True:
        person = canaries.person()
        mail, name = (urllib.parse.quote(person[one], safe="") for one in ("email", "name"))
        good = json.dumps(canaries.lead())
        yield
        for path in (f"/v1/score?mail={mail}", "/v1/score"):
            send("POST", path, good, **all_rights, **JSON)
            yield
        batch = {"leads": [canaries.lead(), canaries.lead()]}
        send("POST", "/v1/score/batch", json.dumps(batch, ensure_ascii=False), **all_rights, **JSON)
        yield
        send("POST", "/v1/events", json.dumps(canaries.event()), **all_rights, **JSON)
        yield
        for wrong in (
            {"events": [canaries.event() | {"kind": person["name"], "reason": person["email"]}]},
            {"event_id": person["email"], "lead_id": [person["name"]], "at": person["phone"]},
            canaries.event() | {"at": person["phone"]},
        ):
            send("POST", "/v1/events", json.dumps(wrong), **all_rights, **JSON)
            yield
        for body in (
            json.dumps({"lead_id": [person["name"]], person["email"]: person["phone"]}),
            json.dumps(canaries.lead(as_of=person["phone"])),
            json.dumps(canaries.lead(language=person["name"])),
            '{"lead_id": "' + person["email"],
            '{"lead_id": NaN, "' + person["name"] + '": 1}',
            (b'{"lead_id": "' + NAME.encode("cp932") + b'"}'),
        ):
            send("POST", "/v1/score", body, **all_rights, **JSON)
            yield
        send("POST", "/v1/score", good, **all_rights, Content_Type=f"text/{name}")
        yield
        send("POST", "/v1/score", good, **all_rights, **JSON, Content_Encoding=person["email"])
        yield
        send("POST", f"/v1/score?key={mail}", good, **JSON)
        yield
        send("POST", "/v1/score", good, X_API_Key=person["email"], **JSON)
        yield
        send("GET", "/v1/model", Authorization=f"Bearer lq_{person['email']}", X_Forwarded_For=mail)
        yield
        send("GET", f"/v1/leads/{mail}", **only_score)
        yield
        for path in (f"/v1/leads/{mail}", f"/v1/leads/{name}?limit={mail}", f"/v1/{name}"):
            send("GET", path, **all_rights)
            yield
        for path in (f"/v1/leads/boom-{mail}", f"/leads/boom-{name}"):
            send("GET", path, **all_rights)
            yield
        for path in (f"/leads/{mail}", f"/leads?lead_id={name}", f"/model?lang={mail}", "/"):
            send("GET", path, **all_rights)
            yield
        send("DELETE", f"/v1/model?{mail}", **all_rights)
        yield
        send(person["name"].encode().hex().upper(), f"/{mail}", **all_rights)
        yield
        form = urllib.parse.urlencode({"name": person["email"], "password": person["name"]})
        send("POST", "/sign-in", form, Content_Type="application/x-www-form-urlencoded")
        yield
        made = json.dumps({"name": "x" * 201 + person["name"], "scopes": [person["email"]]})
        send("POST", "/v1/keys", made, **all_rights, **JSON)
        yield
        for path in ("/v1/approvals", "/v1/rollback"):
            send("POST", path, json.dumps({"version": person["name"]}), **all_rights, **JSON)
            yield
        for kind in ("leads", "events"):
            send("GET", f"/v1/export/{kind}.csv?since={mail}", **all_rights)
            yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ServeSettings(home=tmp_path_factory.mktemp("canary") / "home")
    approved(settings, small_scorer())
    new_account(settings)
    return settings.home


@pytest.fixture(scope="module")
def canaries(home: Path) -> Iterator[Canaries]:
    settings = ServeSettings(home=home)
    keys = {"all": new_key(settings, name="all", now=NOW)[1]}
    keys["score"] = new_key(settings, ["score"], name="score", now=NOW)[1]
    with (home.parent / "out").open("w+b") as out, (home.parent / "err").open("wb") as err:
        child = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(home)],
            stdout=out,
            stderr=err,
            cwd=Path(__file__).resolve().parents[2],
            env={name: value for name, value in os.environ.items() if "LEAD_" not in name},
        )
        try:
            port = wait_for(lambda: (home.parent / "out").read_text("utf-8").strip(), 60)
            sender = Canaries(int(port), keys)
            wait_for(sender.is_ready, 60)
            yield sender
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(30)


def hits(files: Iterator[Path] | list[Path]) -> list[str]:
    return [
        f"{path.name}: {path.read_bytes()[max(0, at - 60) : at + 60]!r}"
        for path in files
        if path.is_file()
        for stem in STEMS
        if (at := path.read_bytes().find(stem)) >= 0
    ]


def others_of(home: Path) -> list[Path]:
    """Return everything that a run leaves behind, but for the service's own database."""
    return [path for path in home.parent.rglob("*") if not path.name.startswith("lead_serve.db")]


def test_no_person_is_found_in_log_metrics_errors_or_files(canaries: Canaries, home: Path) -> None:
    asking = rounds(canaries)
    while sum(canaries.statuses.values()) < N_REQUESTS:
        next(asking)
    big = b'{"lead_id": "' + NAME.encode() * 120_000 + b'"}'
    canaries.send("POST", "/v1/score", big, **canaries.keys["all"], **JSON)
    away(home)
    for _ in range(10):
        body = json.dumps(canaries.event())
        canaries.send("POST", "/v1/events", body, **canaries.keys["all"], **JSON)
        mail = canaries.person()["email"]
        canaries.send("GET", f"/v1/leads/{mail}", **canaries.keys["all"])
    back(home)
    _, metrics = canaries.send("GET", "/metrics", **canaries.keys["all"])
    time.sleep(0.5)  # lines of requests are written a moment later

    wanted = {200, 401, 403, 404, 405, 413, 415, 422, 429, 500, 503}
    assert wanted - set(canaries.statuses) == set(), canaries.statuses
    assert b"lead" in metrics
    assert [stem for stem in STEMS if stem in metrics] == []
    assert [said[:300] for said in canaries.told if any(stem in said for stem in STEMS)] == []
    log = (home.parent / "err").read_bytes()
    assert b"ZeroDivisionError" in log
    assert re.search(rb'"level": "DEBUG"', log)
    assert hits(others_of(home)) == []


def test_after_a_lead_is_deleted_nothing_of_it_is_left_in_the_database(
    canaries: Canaries, home: Path
) -> None:
    assert hits(list(home.glob("lead_serve.db*"))) != []

    for lead_id in sorted(canaries.stored):
        path = f"/v1/leads/{urllib.parse.quote(lead_id, safe='')}"
        status, _ = canaries.send("DELETE", path, **canaries.keys["all"])
        assert status == 200

    assert hits(list(home.glob("lead_serve.db*"))) == []
    assert hits(others_of(home)) == []


def away(home: Path) -> None:
    """Take the database away under the running service."""
    (home / "lead_serve.db").rename(home / "lead_serve.db.away")
    (home / "lead_serve.db").mkdir()


def back(home: Path) -> None:
    (home / "lead_serve.db").rmdir()
    (home / "lead_serve.db.away").rename(home / "lead_serve.db")
