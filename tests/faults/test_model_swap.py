"""Models change under load: nobody is refused, and each answer is wholly of the version it names."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features import artefact as artefacts
from features.encoder import LeadInput
from features.scorer import LeadScorer
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, open_store
from tests.builders import lead_input, small_scorer
from tests.faults.served import Served, serve, wait_for
from tests.serving.conftest import NOW

N_CLIENTS = 8
N_LEADS = 16
MOST_GROWTH_MIB = 64
BAD_KINDS = ("changed", "cut", "gone", "swapped", "empty")


@dataclass
class Swaps:
    """A home whose approvals are added while its service runs.

    Attributes
    ----------
    expected : dict
        By version: what each lead must be told, computed from the scorer itself.
    """

    settings: ServeSettings
    expected: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    n_approved: int = 0

    def approve(self, scorer: LeadScorer, bad: str = "") -> str:
        """Approve a scorer as the next version; a bad one is damaged before anybody looks."""
        self.n_approved += 1
        version = str(self.n_approved)
        folder = self.settings.models_folder / scorer.model_digest
        if not folder.exists():
            scorer.save(folder)
        manifest = artefacts.manifest_digest(folder)
        if bad:
            _damage(folder, bad)
        else:
            scored = [scorer.score(lead_input(k)) for k in range(N_LEADS)]
            self.expected[version] = [(one.probability, one.score) for one in scored]
        store = open_store(self.settings.database_address)
        store.migrate()
        moment = NOW + timedelta(seconds=self.n_approved)
        Approvals(store).add(
            Approval("lead-quality", version, scorer.model_digest, "h", moment, "w", manifest)
        )
        store.close()
        return version


def _damage(folder: Path, kind: str) -> None:
    tables = folder / "tables.json"
    if kind == "changed":
        tables.write_bytes(tables.read_bytes().replace(b"1", b"2", 1))
    elif kind == "cut":
        tables.write_bytes(tables.read_bytes()[:-100])
    elif kind == "gone":
        shutil.rmtree(folder)
    elif kind == "swapped":
        (folder / "acceptance.json").write_bytes(tables.read_bytes())
    else:
        (folder / artefacts.MANIFEST).write_bytes(b"")


def asked_of(lead: LeadInput, k: int) -> bytes:
    """Return the request for a lead as of its own time."""
    events = [
        {"kind": act.kind, "at": act.at.isoformat()}
        | ({} if act.amount is None else {"amount": act.amount})
        for act in lead.acts or ()
    ]
    body: dict[str, Any] = {"lead_id": f"L-{k}", "as_of": lead.as_of.isoformat()}
    return json.dumps(body | {"fields": dict(lead.fields), "events": events}).encode()


@dataclass
class Clients:
    """Clients on connections that they keep, each noting every answer in order."""

    served: Served
    pause: float
    answers: list[list[tuple[str, int, float, float]]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Clients:
        self.answers = [[] for _ in range(N_CLIENTS)]
        self._threads = [
            threading.Thread(target=self._ask, args=(one,)) for one in range(N_CLIENTS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ends.set()
        for thread in self._threads:
            thread.join()

    @property
    def n(self) -> int:
        return sum(map(len, self.answers))

    def _ask(self, one: int) -> None:
        bodies = [asked_of(lead_input(k), k) for k in range(N_LEADS)]
        asking = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        turn = one
        while not self.ends.wait(self.pause):
            k = turn % N_LEADS
            turn += 1
            try:
                asking.request("POST", "/v1/score", bodies[k], headers)
                answer = asking.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(type(error).__name__)
                asking.close()
                continue
            if answer.status != 200:
                self.failures.append(f"{answer.status} {told}")
                continue
            self.answers[one].append(
                (told["model_version"], k, told["probability"], told["score_exact"])
            )
        asking.close()


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def swap_under_load(
    home: Path, log: Path, bads: Sequence[bool], pause: float, n_least: int
) -> dict[str, Any]:
    """Swap through good and bad models under load, and return what was seen."""
    swaps = Swaps(ServeSettings(access="open", home=home))
    good = [small_scorer(seed=seed) for seed in range(4)]
    swaps.approve(good[0])
    with serve(home, log, registry_seconds=0) as served:
        with Clients(served, pause) as clients:
            wait_for(lambda: clients.n > 50, 60)
            at_first = resident_mib(served.running.pid)
            for turn, is_bad in enumerate(bads):
                if is_bad:
                    bad = small_scorer(seed=100 + turn)
                    version = swaps.approve(bad, BAD_KINDS[turn % len(BAD_KINDS)])
                    wait_for(
                        lambda v=version: f"version {v} cannot" in ready(served)["warning"], 30
                    )
                else:
                    version = swaps.approve(good[(turn + 1) % len(good)])
                    wait_for(lambda v=version: ready(served)["model"] == v, 30)
                    n_before = clients.n
                    wait_for(lambda n=n_before: clients.n >= n + 3 * N_CLIENTS, 30)
            wait_for(lambda: clients.n >= n_least, 300)
        seen = {
            "n": clients.n,
            "failures": clients.failures,
            "versions": {version for told in clients.answers for version, *_ in told},
            "growth_mib": resident_mib(served.running.pid) - at_first,
        }
    for told in clients.answers:
        newest = 0
        for version, k, probability, score in told:
            assert (probability, score) == swaps.expected[version][k]
            assert int(version) >= newest, "an older version than was answered before"
            newest = int(version)
    assert seen["versions"] == set(swaps.expected)
    return seen


def ready(served: Served) -> dict[str, str]:
    return dict(json.loads(served.ask("GET", "/readyz")[2]))


def test_models_change_under_load_without_a_failed_or_mixed_answer(tmp_path: Path) -> None:
    bads = [False, True, False, False, True, False]

    seen = swap_under_load(tmp_path / "home", tmp_path / "log", bads, 0.05, n_least=1_000)

    assert seen["failures"] == []
    assert seen["n"] >= 1_000
    assert seen["growth_mib"] < MOST_GROWTH_MIB


@pytest.mark.faults
def test_forty_swaps_of_which_ten_bad_under_ten_thousand_requests(tmp_path: Path) -> None:
    bads = [turn % 4 == 2 for turn in range(40)]
    begun = time.monotonic()

    seen = swap_under_load(tmp_path / "home", tmp_path / "log", bads, 0.02, n_least=10_000)

    assert sum(bads) == 10
    assert seen["failures"] == []
    assert seen["n"] >= 10_000
    assert seen["growth_mib"] < MOST_GROWTH_MIB
    minutes = (time.monotonic() - begun) / 60
    told = f"{seen['n']} requests, 40 swaps, {seen['growth_mib']:+.1f} MiB, {minutes:.1f} min"
    (tmp_path / "told").write_text(told)
    print(told)  # noqa: T201 - the count goes into the report
