"""A served home: the small scorer approved in a fresh store, and a client of the app over it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from features.scorer import LeadScorer
from serving.app import create_app
from serving.settings import ServeSettings
from serving.store import Approval, Approvals, Store, open_store
from tests.builders import small_scorer

if TYPE_CHECKING:
    from tests.postgresql import Cluster

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
"""What the clock of the tests says: 9:30 in Tokyo."""


@pytest.fixture(scope="session")
def scorer() -> LeadScorer:
    return small_scorer()


@pytest.fixture(scope="session")
def artefact(scorer: LeadScorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "artefact"
    scorer.save(folder)
    return folder


def approved(settings: ServeSettings, scorer: LeadScorer, version: str = "7") -> Approval:
    """Put a scorer where `approve` would, with its approval."""
    approval = Approval(
        "lead-quality", version, scorer.model_digest, "hanako", NOW, "beats the last one"
    )
    if settings.home.exists() or settings.database_url:
        _approve(settings, scorer, approval)
        return approval
    if (scorer, version) not in _MADE:
        made = _FOLDER / f"home-{len(_MADE)}"
        _approve(settings.model_copy(update={"home": made}), scorer, approval)
        _MADE[scorer, version] = made
    shutil.copytree(_MADE[scorer, version], settings.home)
    return approval


_FOLDER = Path(tempfile.mkdtemp(prefix="lead-homes-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
_MADE: dict[tuple[LeadScorer, str], Path] = {}
"""Homes in which one model was approved: each is made once, then copied."""


def _approve(settings: ServeSettings, scorer: LeadScorer, approval: Approval) -> None:
    folder = settings.models_folder / scorer.model_digest
    if not folder.exists():
        scorer.save(folder)
    store = open_store(settings.database_address)
    store.migrate()
    Approvals(store).add(approval)
    store.close()


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    return ServeSettings(access="open", home=tmp_path / "home")


@pytest.fixture
def client(settings: ServeSettings, scorer: LeadScorer) -> Iterator[TestClient]:
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as running:
        yield running


@pytest.fixture(scope="session")
def shared_client(
    scorer: LeadScorer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A running app for tests that only ask; they must not depend on what others have scored."""
    settings = ServeSettings(access="open", home=tmp_path_factory.mktemp("shared"))
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as running:
        yield running


@pytest.fixture
def ask(shared_client: TestClient) -> Callable[..., dict[str, object]]:
    def score(**body: object) -> dict[str, object]:
        response = shared_client.post("/v1/score", json={"lead_id": "L-1", "fields": {}} | body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    return score


@pytest.fixture
def postgresql_address(cluster: Cluster) -> str:
    """The address of an empty PostgreSQL database."""
    return cluster.create()


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """An empty store at `address`, with its tables."""
    opened = open_store(address)
    opened.migrate()
    yield opened
    opened.close()
