"""Random bytes near valid ones, over sockets and into every reader: no 5xx, crash, hang or growth.

The short form runs for seconds with a fixed seed; ``dev.py test -m fuzz`` runs for ten minutes with
a new one, which it prints: given as ``FUZZ_SEED`` in the environment, the same bytes come again.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException

from features.artefact import canonical, listed_files, parse_json, read_artefact
from features.errors import ArtefactRefused, LeadQualityError
from features.formulas import guarded, unguarded
from serving import strict_json
from tests.builders import small_scorer
from tests.faults.mutation import mutated
from tests.faults.served import Served, serve

MOST_GROWTH_BYTES = 64 * 2**20
MOST_SECONDS = 10.0
IMPATIENT = {"rate_per_minute": 10_000_000, "read_seconds": 0.7, "idle_seconds": 0.7}
"""Many of these requests are not whole, and would be waited for."""
N_CLIENTS = 12


def request(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


LEAD = json.dumps(
    {
        "lead_id": "L-1",
        "fields": {"source": "ウェビナー", "employees": "100〜299名", "job_title": "営業部長"},
        "events": [{"kind": "page_view", "at": "2026-11-19T10:00:00+09:00", "amount": 2.5}],
        "as_of": "2026-11-20T00:00:00+09:00",
        "language": "ja",
    }
).encode()
EVENT = json.dumps(
    {
        "event_id": "e",
        "lead_id": "L-1",
        "at": "2026-11-01T00:00:00Z",
        "kind": "rejected",
        "reason": "budget",
    }
).encode()
SEEDS = [
    request("POST", "/v1/score", LEAD),
    request("POST", "/v1/score/batch", b'{"leads": [' + LEAD + b"," + LEAD + b"]}"),
    request("POST", "/v1/events", EVENT),
    request("POST", "/v1/events", b'{"events": [' + EVENT + b"]}"),
    request("POST", "/v1/keys", b'{"name": "n", "scopes": ["score"], "days": 3}'),
    request("POST", "/sign-in", b"name=hanako&password=x", "application/x-www-form-urlencoded"),
    request("GET", "/v1/leads/L-1?limit=3"),
    request("GET", "/v1/handoff?limit=5"),
    request("GET", "/v1/recycle?until=2026-12-01&limit=5"),
    request("GET", "/v1/insight/reasons?days=30"),
    request("GET", "/leads/L-1?lang=ja"),
    request("DELETE", "/v1/leads/L-1"),
    request("DELETE", "/v1/keys/abcdefgh"),
    request("GET", "/v1/export/leads.csv"),
    b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"%x\r\n%s\r\n0\r\n\r\n" % (len(LEAD), LEAD),
]


HEAD_AND_BODY = [tuple(seed.split(b"\r\n\r\n", 1)) for seed in SEEDS]


def attack_with(chance: random.Random) -> bytes:
    """Return a changed request; mostly one whose length is told truly, so that its body is read."""
    if chance.random() < 0.3:
        return mutated(chance, SEEDS)
    head, body = chance.choice(HEAD_AND_BODY)
    if not body or b"chunked" in head:
        line, rest = head.split(b"\r\n", 1)
        method, address, version = line.split(b" ")
        changed = mutated(chance, [address]).translate(None, b"\r\n ")
        return b" ".join((method, changed, version)) + b"\r\n" + rest + b"\r\n\r\n" + body
    bodies = [one for _, one in HEAD_AND_BODY if one]
    changed = mutated(chance, [body] if chance.random() < 0.8 else bodies)
    kept = b"\r\n".join(
        line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")
    )
    return kept + b"\r\nContent-Length: %d\r\n\r\n" % len(changed) + changed


def seconds_and_seed(config: pytest.FixtureRequest) -> tuple[float, int]:
    seconds = float(config.param)
    fixed = 1 if seconds < 60 else random.SystemRandom().randrange(2**32)
    return seconds, int(os.environ.get("FUZZ_SEED", fixed))


@pytest.fixture(params=[8, pytest.param(600, marks=pytest.mark.fuzz)])
def run(request: pytest.FixtureRequest) -> tuple[float, int]:
    """For how many seconds, and from which seed."""
    return seconds_and_seed(request)


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def send(served: Served, body: bytes) -> bytes:
    """Send bytes and return all that comes back until the connection is closed."""
    with served.connect() as opened:
        try:
            opened.sendall(body)
            told = b""
            while part := opened.recv(65_536):
                told += part
        except (ConnectionError, BrokenPipeError):
            return b""  # cut off, as it may be
        return told


def test_no_bytes_over_a_socket_break_the_service(
    home: Path, tmp_path: Path, run: tuple[float, int]
) -> None:
    seconds, seed = run
    print(f"FUZZ_SEED={seed}")  # noqa: T201 - shown when it fails
    with serve(home, tmp_path / "log", **IMPATIENT) as served:
        for body in SEEDS:
            assert b" 500 " not in send(served, body)[:20]
        before, until = resident(served.running.pid), time.monotonic() + seconds

        def attack(number: int) -> tuple[int, list[str]]:
            chance, n_sent, wrong = random.Random(seed + number), 0, []
            while time.monotonic() < until:
                body, begun = attack_with(chance), time.monotonic()
                try:
                    told = send(served, body)
                except TimeoutError:
                    wrong.append(f"no answer to {body!r}"[:2_000])
                    continue
                n_sent += 1
                if told.startswith(b"HTTP/1.1 5") or time.monotonic() - begun > MOST_SECONDS:
                    wrong.append(f"{told[:12]!r} {told[-300:]!r} to {body!r}"[:2_000])
            return n_sent, wrong

        with ThreadPoolExecutor(N_CLIENTS) as attackers:
            ended = list(attackers.map(attack, range(N_CLIENTS)))
        grown = resident(served.running.pid) - before
        assert served.ask("GET", "/readyz")[0] == 200

    assert [one for _, wrong in ended for one in wrong] == []
    assert sum(n for n, _ in ended) >= 8 * seconds
    assert grown <= MOST_GROWTH_BYTES


# -- readers ----------------------------------------------------------------------------------------


def strict(body: bytes) -> None:
    strict_json.parse_json(body)


def manifest(body: bytes) -> None:
    listed_files(parse_json(body, "manifest.json"))


def cell(body: bytes) -> None:
    text = body.decode("utf-8", errors="replace")
    assert unguarded(guarded(text)) == text


MANIFEST = canonical(
    {
        "format": 1,
        "model_digest": "a" * 64,
        "files": {"tables.json": {"bytes": 1, "sha256": "b" * 64}},
    }
)
READERS: dict[str, tuple[Callable[[bytes], None], list[bytes], tuple[type[Exception], ...]]] = {
    "strict JSON": (strict, [LEAD, EVENT], (HTTPException,)),
    "a manifest": (manifest, [MANIFEST], (ArtefactRefused,)),
    "cells of an export": (cell, [b"=1+1", b"a\n@b", b"'-x", "　＝1".encode()], ()),
}


@pytest.mark.parametrize("reader", READERS)
def test_no_bytes_break_a_reader(reader: str, run: tuple[float, int]) -> None:
    seconds, seed = run
    read, seeds, declared = READERS[reader]
    chance, until, slowest, n_read = random.Random(seed), time.monotonic() + seconds / 8, 0.0, 0
    while time.monotonic() < until:
        body, begun = mutated(chance, seeds), time.process_time()
        try:
            read(body)
        except declared:
            pass
        except Exception as error:
            raise AssertionError(
                f"FUZZ_SEED={seed}: {type(error).__name__} for {body!r}"
            ) from error
        slowest, n_read = max(slowest, time.process_time() - begun), n_read + 1

    assert n_read >= 100 * seconds
    assert slowest <= 1.0


def test_no_damaged_model_folder_breaks_its_reader(tmp_path: Path, run: tuple[float, int]) -> None:
    seconds, seed = run
    folder = tmp_path / "model"
    small_scorer().save(folder)
    whole: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    chance, until = random.Random(seed), time.monotonic() + seconds / 8
    while time.monotonic() < until:
        name = chance.choice(sorted(whole))
        damaged = mutated(chance, [whole[name]])
        (folder / name).write_bytes(damaged)
        try:
            read_artefact(folder)
        except LeadQualityError:
            assert damaged != whole[name]
        (folder / name).write_bytes(whole[name])
