"""The whole service killed, and deliveries repeated: one event id is one effect."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from features.definition import load_definition
from serving.decision.lead_state import SalesEvent, lead_state
from serving.errors import StoreUnavailable
from serving.settings import ServeSettings
from serving.store import Event, Events, Store, open_store
from tests.builders import small_scorer
from tests.faults.served import Served, serve
from tests.serving.conftest import approved
from tests.serving.test_event_store import event

AT = datetime(2026, 11, 1, tzinfo=UTC)


def body_of(event_id: str, kind: str = "touched") -> bytes:
    lead_id = f"L-{sum(event_id.encode()) % 50}"
    told = {"event_id": event_id, "lead_id": lead_id, "kind": kind}
    return json.dumps(told | {"at": AT.isoformat(), "actor": "営業"}).encode()


def all_ids(store: Store) -> Counter[str]:
    events, last = Events(store), 0
    found: Counter[str] = Counter()
    while page := events.after(last):
        found.update(one.event_id for _, one in page)
        last = page[-1][0]
    return found


@dataclass
class Clients:
    """Senders that send each event until it is acknowledged, to wherever the service is."""

    n: int = 8
    port: int = 0
    acked: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Clients:
        self._threads = [threading.Thread(target=self._send, args=(k,)) for k in range(self.n)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        for thread in self._threads:
            thread.join()

    def _send(self, client: int) -> None:
        for number in count():
            event_id = f"c{client}-{number}"
            while not self._is_acked(event_id):
                if self.ends.is_set():
                    return
                time.sleep(0.05)
            self.acked.append(event_id)
            if self.ends.is_set():
                return

    def _is_acked(self, event_id: str) -> bool:
        if not self.port:
            return False
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            asking.request("POST", "/v1/events", body_of(event_id), JSON)
            answer = asking.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asking.close()
        if answer.status not in (200, 503):
            self.odd.append(f"{event_id}: {answer.status}")
        return answer.status == 200


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("n_kills", [2, pytest.param(25, marks=pytest.mark.kills)])
def test_a_killed_service_has_lost_no_event_it_took_and_doubled_none(
    home: Path, tmp_path: Path, n_kills: int
) -> None:
    chance = random.Random(8)
    slowest = 0.0
    with Clients() as clients:
        for number in range(n_kills):
            begun = time.monotonic()
            with serve(home, tmp_path / f"{number}.log") as served:
                slowest = max(slowest, time.monotonic() - begun)
                clients.port = served.port
                time.sleep(chance.uniform(0.3, 1.2))
            # The block ends with SIGKILL to the whole group.
            clients.port = 0
        with serve(home, tmp_path / "last.log") as served:
            clients.port = served.port
            time.sleep(1.0)
            clients.ends.set()
            time.sleep(0.3)

    store = open_store(f"sqlite:///{home / 'lead_serve.db'}")
    found = all_ids(store)
    store.close()
    told = f"{len(clients.acked)} acked, {len(found)} stored, ready after {slowest:.1f} s at most"
    print(f"{n_kills} kills of the service: {told}")  # noqa: T201
    assert clients.odd == []
    assert set(clients.acked) - found.keys() == set()
    assert set(found.values()) == {1}
    assert len(clients.acked) > n_kills


def deliver(served: Sequence[Served], events: Sequence[str]) -> list[tuple[str, int, bytes]]:
    """Send each copy from one of eight threads to one of the services; return what was told."""
    told: list[tuple[str, int, bytes]] = []
    left = iter(events)
    lock = threading.Lock()

    def send(number: int) -> None:
        asking = http.client.HTTPConnection("127.0.0.1", served[number % len(served)].port)
        while True:
            with lock:
                event_id = next(left, None)
            if event_id is None:
                break
            asking.request("POST", "/v1/events", body_of(event_id), JSON)
            answer = asking.getresponse()
            told.append((event_id, answer.status, answer.read()))
        asking.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def test_a_thousand_deliveries_of_two_hundred_events_to_two_services_are_two_hundred_effects(
    address: str, tmp_path: Path
) -> None:
    settings = ServeSettings(access="open", home=tmp_path / "home", database_url=address)
    approved(settings, small_scorer())
    copies = [f"e-{k}" for k in range(200)] * 5
    random.Random(9).shuffle(copies)
    with ExitStack() as running:
        served = [
            running.enter_context(serve(settings.home, tmp_path / f"{k}.log", database_url=address))
            for k in range(2)
        ]
        told = deliver(served, copies)
        clash = served[0].ask("POST", "/v1/events", body_of("e-1", kind="won"))

    store = open_store(address)
    found = all_ids(store)
    store.close()
    assert {status for _, status, _ in told} == {200}
    assert len(told) == 1_000
    assert found == Counter(f"e-{k}" for k in range(200))
    bodies: dict[str, set[bytes]] = {}
    for event_id, _, body in told:
        bodies.setdefault(event_id, set()).add(body)
    assert {len(same) for same in bodies.values()} == {1}
    assert clash[0] == 422


def test_what_many_say_of_one_lead_at_once_is_all_kept_and_its_state_is_their_fold(
    address: str,
) -> None:
    store = open_store(address)
    store.migrate()
    events = Events(store)
    chance = random.Random(10)
    kinds = [
        ("accepted", None),
        ("rejected", "no_need"),
        ("lost", "lost_price"),
        ("recycled", None),
    ]
    told = [
        event(f"w{writer}-{k}", minutes=chance.randrange(40), kind=kind, reason=reason)
        for writer in range(16)
        for k in range(50)
        for kind, reason in [chance.choice(kinds)]
    ]

    def write(own: list[Event]) -> None:
        for one in own:
            while True:
                try:
                    assert events.add([[one]]) == [()]
                    break
                except StoreUnavailable:  # busy: a sender tries again
                    time.sleep(0.01)

    writers = [
        threading.Thread(target=write, args=(told[k * 50 : k * 50 + 50],)) for k in range(16)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    kept = events.of_lead("L", limit=1_000)
    store.close()
    reasons = load_definition().reasons
    folds = {
        lead_state(
            [SalesEvent(e.lead_id, e.event_id, e.at, e.kind, e.reason, e.return_on) for e in some],
            reasons,
        )
        for some in (kept, told, told[::-1])
    }
    assert len(kept) == 800
    assert len(folds) == 1
