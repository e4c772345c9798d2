"""Whoever fetches a model is killed at every step: nothing half is left, and the next one succeeds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, open_store
from tests.builders import small_scorer
from tests.faults.fake_registry import FakeRegistry, running
from tests.faults.served import wait_for
from tests.serving.conftest import NOW, approved

CHILD = b"serving.model_life.champion"
LEAD = {"lead_id": "L", "fields": {"source": "webinar"}}
N_ASKED = 12
"""Questions of one fetch: the version, its place, its run, the manifest and the files."""

Kill = Callable[[], None]


class Deadly(list[str]):
    """What a registry was asked; kills before it answers one of the questions."""

    def __init__(self, at: int, kill: Kill) -> None:
        super().__init__()
        self.at, self.kill = at, kill

    def append(self, asked: str) -> None:
        super().append(asked)
        if len(self) == self.at:
            self.kill()


def children_of(parent: int) -> list[int]:
    """Return the children that fetch for a process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                status = (folder / "stat").read_text().rpartition(") ")[2].split()
                is_child = int(status[1]) == parent and status[0] != "Z"
                if is_child and CHILD in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found


def is_there(pid: int) -> bool:
    """Whether a process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def kept(settings: ServeSettings) -> set[str]:
    """Return the folders among the models, hidden ones too."""
    return {path.name for path in settings.models_folder.iterdir() if path.is_dir()}


@contextlib.contextmanager
def published(folder: Path) -> Iterator[tuple[ServeSettings, FakeRegistry, set[str], str]]:
    """Give a home that serves version 7, and a registry with a version 8."""
    newer, older = small_scorer(seed=5), small_scorer()
    newer.save(folder / "published")
    with running(FakeRegistry(version="8", folder=folder / "published")) as registry:
        settings = ServeSettings(
            access="open",
            home=folder / "home",
            tracking_uri=registry.address,
            registry_seconds=3600,
        )
        approved(settings, older)
        yield settings, registry, {older.model_digest}, newer.model_digest


def kill_children() -> None:
    for child in children_of(os.getpid()):
        os.killpg(child, signal.SIGKILL)


def one_killed_child(
    client: TestClient, settings: ServeSettings, registry: FakeRegistry, at: int, olds: set[str]
) -> None:
    before = client.post("/v1/score", json=LEAD).json()["score"]
    registry.asked = Deadly(at, kill_children)

    refused = client.post("/v1/approvals", json={"version": "8", "why": "a trial"})

    assert len(registry.asked) == at, "killed while it asked this"
    assert refused.status_code in (422, 503), refused.text
    assert children_of(os.getpid()) == []
    assert kept(settings) == olds
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["model"]) == ("ready", "7")
    assert client.post("/v1/score", json=LEAD).json()["score"] == before
    assert client.get("/v1/models").json()["n"] == 1


def test_a_killed_fetch_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    with published(tmp_path) as (settings, registry, olds, newer):
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            # The service asks by itself once, and then not for an hour.
            wait_for(lambda: client.get("/readyz").json()["registry"] == "ok", 60)
            one_killed_child(client, settings, registry, N_ASKED, olds)
            registry.asked = []
            done = client.post("/v1/approvals", json={"version": "8", "why": "a trial"})
            assert done.status_code == 200, done.text
            assert len(registry.asked) >= N_ASKED
            assert client.get("/readyz").json()["model"] == "8"
        assert kept(settings) == olds | {newer}


@pytest.mark.faults
def test_a_fetch_killed_at_any_step_and_moment_leaves_nothing(tmp_path: Path) -> None:
    chance = random.Random(6)
    with published(tmp_path) as (settings, registry, olds, newer):
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            # The service asks by itself once, and then not for an hour.
            wait_for(lambda: client.get("/readyz").json()["registry"] == "ok", 60)
            for at in (*range(1, N_ASKED + 1), *range(1, N_ASKED + 1)):
                one_killed_child(client, settings, registry, at, olds)
            # On trial, and while it starts: moments that no question marks.
            for _ in range(12):
                moment = chance.choice(("start", "trial"))
                registry.asked = Deadly(N_ASKED, lambda: None)
                stop = _later(registry, moment, chance.uniform(0, 0.5))
                told = client.post("/v1/approvals", json={"version": "8", "why": "a trial"})
                stop()
                assert told.status_code in (200, 422, 503), told.text
                assert children_of(os.getpid()) == []
                assert kept(settings) <= olds | {newer}
                assert client.get("/readyz").json()["status"] == "ready"
            registry.asked = []
            assert (
                client.post("/v1/approvals", json={"version": "8", "why": "x"}).status_code == 200
            )
        assert kept(settings) == olds | {newer}


def _later(registry: FakeRegistry, moment: str, seconds: float) -> Kill:
    import threading

    ends = threading.Event()

    def kill() -> None:
        while not ends.is_set():
            has_begun = (
                children_of(os.getpid()) if moment == "start" else registry.asked[N_ASKED - 1 :]
            )
            if has_begun:
                ends.wait(seconds)
                kill_children()
                return
            ends.wait(0.01)

    thread = threading.Thread(target=kill)
    thread.start()

    def stop() -> None:
        ends.set()
        thread.join()

    return stop


def approve(settings: ServeSettings) -> subprocess.Popen[bytes]:
    """Approve on the command line."""
    environment = {
        **os.environ,
        "LEAD_HOME": str(settings.home),
        "LEAD_TRACKING_URI": settings.tracking_uri,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "serving.cli", "approve", "8", "--why", "a trial"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def one_killed_parent(settings: ServeSettings, registry: FakeRegistry, at: int) -> None:
    orphans: list[int] = []

    def kill() -> None:
        orphans.extend(children_of(running_.pid))
        running_.send_signal(signal.SIGKILL)

    registry.asked = Deadly(at, kill)
    running_ = approve(settings)
    running_.communicate(timeout=120)

    assert running_.returncode == -signal.SIGKILL
    assert len(orphans) == 1
    wait_for(lambda: not is_there(orphans[0]), 15)


def test_whoever_approves_is_killed_and_its_child_goes_too(tmp_path: Path) -> None:
    with published(tmp_path) as (settings, registry, olds, newer):
        one_killed_parent(settings, registry, 3)
        registry.asked = []
        done = approve(settings)
        _, complained = done.communicate(timeout=120)

        assert done.returncode == 0, complained
        assert kept(settings) == olds | {newer}
        assert [one.version for one in _approvals(settings)] == ["8", "7"]


@pytest.mark.faults
def test_whoever_approves_is_killed_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(7)
    with published(tmp_path) as (settings, registry, olds, newer):
        for at in range(1, N_ASKED + 1):
            one_killed_parent(settings, registry, at)
        registry.asked = []
        begun = time.monotonic()
        approve(settings).communicate(timeout=120)
        whole = time.monotonic() - begun
        n_before = len(_approvals(settings))
        for _ in range(12):
            killed = approve(settings)
            with contextlib.suppress(subprocess.TimeoutExpired):
                killed.communicate(timeout=chance.uniform(0.5, 1.1) * whole)
            children = children_of(killed.pid)
            killed.kill()
            killed.communicate()
            for child in children:
                wait_for(lambda child=child: not is_there(child), 15)
            # The model is there whole, and an approval is there or is not.
            n_now = len(_approvals(settings))
            assert n_now - n_before in ((1,) if killed.returncode == 0 else (0, 1))
            n_before = n_now
        last = approve(settings)
        last.communicate(timeout=120)
        assert last.returncode == 0
        assert kept(settings) == olds | {newer}
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            assert client.get("/readyz").json()["model"] == "8"


def _approvals(settings: ServeSettings) -> list[Approval]:
    store = open_store(settings.database_address)
    try:
        return list(Approvals(store).newest_first(settings.model_name))
    finally:
        store.close()
