"""What is kept of persons is for the account that runs the service, whatever its umask says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from features.private_folders import make_private
from features.scorer import LeadScorer
from serving.app import create_app
from serving.records.backup import back_up
from serving.settings import ServeSettings
from serving.store import open_store
from serving.whole_files import write_whole
from tests.serving.conftest import NOW, approved


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_home_that_the_service_makes_is_for_its_account_only(
    tmp_path: Path, scorer: LeadScorer
) -> None:
    settings = ServeSettings(access="open", home=tmp_path / "var" / "lead")
    open_store(settings.database_address).migrate()
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        body = {"lead_id": "L-1", "fields": {"source": "webinar"}, "record": True}
        assert client.post("/v1/score", json=body).json()["recorded"]
        database = settings.home / "lead_serve.db"
        journals = [path for path in settings.home.iterdir() if path.name.startswith(database.name)]

        assert [mode(path) for path in (tmp_path / "var", settings.home)] == [0o700, 0o700]
        assert {mode(path) for path in journals} == {0o600}
        assert database in journals
    back_up(settings, tmp_path / "kept.zip")
    assert mode(tmp_path / "kept.zip") == 0o600


def test_a_journal_has_the_rights_of_its_file(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'home' / 'lead_serve.db'}")
    store.migrate()
    with store.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE more (x INTEGER)")
        journals = [path for path in (tmp_path / "home").iterdir() if path.suffix != ".db"]
        assert journals
        assert {mode(path) for path in journals} == {0o600}
    store.close()


def test_what_an_operator_made_keeps_its_rights(tmp_path: Path, scorer: LeadScorer) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o750)
    (home / "lead_serve.db").touch()
    (home / "lead_serve.db").chmod(0o640)
    settings = ServeSettings(access="open", home=home)
    approved(settings, scorer)
    with TestClient(create_app(settings, clock=lambda: NOW)) as client:
        assert client.get("/readyz").status_code == 200

    assert mode(home) == 0o750
    assert mode(home / "lead_serve.db") == 0o640


@pytest.mark.usefixtures("umask")
def test_small_files_are_private_too(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "told", b"x")

    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "told") == 0o600


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    with pytest.raises((FileExistsError, NotADirectoryError)):
        make_private(tmp_path / "home")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        make_private(tmp_path / "home" / "models")
