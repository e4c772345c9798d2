"""Hostile addresses, ids and answers of a registry: nothing is followed, nothing lands elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.errors import ArtefactRefused
from serving.errors import ModelUnavailable
from serving.model_life import champion
from serving.model_life.registry import Registry
from serving.model_life.sources import allowed_sources, find_source, is_in_run, is_name
from serving.settings import ServeSettings
from tests.builders import small_scorer
from tests.faults.fake_registry import RUN, FakeRegistry, running

CANARY = "127.0.0.1:{port}"
ADDRESSES = {
    "a folder of the system": "file:///etc",
    "a bare path": "/etc",
    "a file of the system": "file:///etc/passwd",
    "http to the canary": "http://127.0.0.1:{port}/x",
    "https to the canary": "https://127.0.0.1:{port}/x",
    "http with a name and a password": "http://me:secret@127.0.0.1:{port}/x",
    "ftp": "ftp://127.0.0.1:{port}/x",
    "s3": "s3://bucket/model",
    "gs": "gs://bucket/model",
    "dbfs": "dbfs:/model",
    "wasbs": "wasbs://c@127.0.0.1:{port}/x",
    "the files of another server": "mlflow-artifacts://127.0.0.1:{port}/1",
    "up from the root of files": "mlflow-artifacts:/../../etc",
    "up in the middle": "mlflow-artifacts:/1/../../etc",
    "up, written in percent": "mlflow-artifacts:/1/%2e%2e/%2e%2e/etc",
    "a slash in percent": "mlflow-artifacts:/1/..%2f..%2fetc",
    "a zero byte in percent": "mlflow-artifacts:/1/%00/x",
    "a zero byte": "mlflow-artifacts:/1/\x00/x",
    "a line end": "mlflow-artifacts:/1\r\nHost: x/y",
    "a question": "mlflow-artifacts:/1/x?y=http://127.0.0.1:{port}",
    "a network share": "\\\\127.0.0.1\\share",
    "a network path": "//127.0.0.1:{port}/share",
    "a file on another host": "file://127.0.0.1:{port}/share",
    "out of the home": "file://{home}/../../../../etc",
    "out of the home, in percent": "file://{home}/%2e%2e/%2e%2e/etc",
    "a link out of the home": "file://{home}/link",
    "a sister of the home": "file://{home}-evil/x",
    "a run that is another": "runs:/ffffffffffffffffffffffffffffffff/scorer",
    "a registered model": "models:/lead-quality/1",
    "a scheme in capitals": "FILE:///etc",
    "nothing": "",
    "a relative path": "../../etc",
    "something endless": "mlflow-artifacts:/" + "a/" * 2_000,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "scorer"
    small_scorer().save(folder)
    return folder


@contextlib.contextmanager
def canary() -> Iterator[FakeRegistry]:
    with running(FakeRegistry()) as listening:
        yield listening
        assert listening.asked == []


def asked_of(registry: FakeRegistry, folder: Path, **changed: object) -> dict[str, Any]:
    return {
        "do": "fetch",
        "tracking_uri": registry.address,
        "model_name": registry.name,
        "version": "1",
        "folder": str(folder),
        "sources": ["mlflow-artifacts:/"],
        "max_bytes": 50_000_000,
    } | changed


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for what is fetched, with MLflow as impatient as in the child."""
    from serving.model_life.registry import _CHILD_SETTINGS

    for name, value in _CHILD_SETTINGS.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def spelled(address: str, port: str, home: Path) -> str:
    (home / "link").unlink(missing_ok=True)
    (home / "link").symlink_to("/etc")
    return address.replace("{port}", port).replace("{home}", str(home))


@pytest.mark.parametrize("written_as", ["source", "logged"])
@pytest.mark.parametrize("case", ADDRESSES)
def test_a_hostile_address_of_a_registry_is_refused_before_anything_is_fetched(
    scratch: Path, model: Path, case: str, written_as: str
) -> None:
    home = scratch.parent / "home"
    home.mkdir()
    with canary() as watched, running(FakeRegistry(folder=model)) as registry:
        port = watched.address.rpartition(":")[2]
        setattr(registry, written_as, spelled(ADDRESSES[case], port, home))
        before = listing(scratch.parent)

        with pytest.raises(ArtefactRefused, match="not among the allowed ones") as refused:
            champion._fetch(asked_of(registry, scratch))

        assert refused.value.code == "source_refused"
        assert "secret" not in str(refused.value)
        assert not any(path.startswith("/api/2.0/mlflow-artifacts") for path in registry.asked)
        assert listing(scratch.parent) == before


@pytest.mark.parametrize("case", ADDRESSES)
def test_a_hostile_address_in_an_embedded_store_is_refused(
    embedded: tuple[Path, str], scratch: Path, case: str
) -> None:
    home, run = embedded
    with canary() as watched:
        port = watched.address.rpartition(":")[2]
        address = spelled(ADDRESSES[case], port, home)
        with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as store:
            store.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (address, run))
            store.commit()
        before = listing(scratch.parent)
        asked = asked_of(FakeRegistry(), scratch) | {
            "tracking_uri": f"sqlite:///{home / 'mlflow.db'}",
            "sources": allowed_sources("", "sqlite:///", home),
        }

        with pytest.raises((ArtefactRefused, champion.StoreSilent)) as refused:
            champion._fetch(asked)

        if isinstance(refused.value, ArtefactRefused):
            assert refused.value.code == "source_refused"
        assert listing(scratch.parent) == before


@pytest.fixture(scope="module")
def embedded(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store of one's own with one good version; its rows are there to be edited."""
    import mlflow

    home = tmp_path_factory.mktemp("embedded")
    address = f"sqlite:///{home / 'mlflow.db'}"
    client = mlflow.MlflowClient(address, address)
    experiment = client.create_experiment("e", artifact_location=(home / "artifacts").as_uri())
    client.create_registered_model("lead-quality")
    run = client.create_run(experiment).info.run_id
    client.log_artifacts(run, str(model), "scorer")
    client.create_model_version("lead-quality", f"runs:/{run}/scorer", run)
    return home, run


def test_what_lies_where_it_may_is_fetched(scratch: Path, model: Path) -> None:
    with running(FakeRegistry(folder=model)) as registry:
        told = champion._fetch(asked_of(registry, scratch))

    assert told["digest"] == small_scorer().model_digest
    assert sorted(path.name for path in (scratch / "scorer").iterdir()) == sorted(
        path.name for path in model.iterdir()
    )


IDS: dict[str, dict[str, Any]] = {
    "a run that climbs": {"run_id": "../../../../etc"},
    "a run in capitals": {"run_id": RUN.upper()},
    "a run too short": {"run_id": "abc"},
    "a version that climbs": {"version": "1/../2"},
    "a version with a fraction": {"version": "1.5"},
    "another version than asked": {"version": "2"},
    "another model than asked": {"name": "another"},
    "a model that climbs": {"name": "../lead-quality"},
}


@pytest.mark.parametrize("case", IDS)
def test_an_id_of_an_impossible_form_is_refused(scratch: Path, model: Path, case: str) -> None:
    with running(FakeRegistry(folder=model, **IDS[case])) as registry:
        asked = asked_of(registry, scratch, model_name="lead-quality")

        with pytest.raises(ArtefactRefused, match="impossible form") as refused:
            champion._fetch(asked)

    assert refused.value.code == "version_misshapen"
    assert listing(scratch) == []


def test_a_redirect_is_not_followed_wherever_it_comes_from(scratch: Path, model: Path) -> None:
    with canary() as watched:
        with (
            running(FakeRegistry(folder=model, elsewhere=f"{watched.address}/x")) as registry,
            pytest.raises(champion.StoreSilent, match="answered 302"),
        ):
            champion._fetch(asked_of(registry, scratch))
        redirecting = FakeRegistry(folder=model, mode="redirect", elsewhere=watched.address)
        with running(redirecting) as registry, pytest.raises(champion.StoreSilent):
            champion._fetch(asked_of(registry, scratch))


def test_more_bytes_than_announced_are_not_taken(scratch: Path, model: Path) -> None:
    with (
        running(FakeRegistry(folder=model, extra=b" " * 5_000_000)) as registry,
        pytest.raises(ArtefactRefused, match="more bytes than its manifest") as refused,
    ):
        champion._fetch(asked_of(registry, scratch))

    assert refused.value.code == "file_too_large"
    assert sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()) < 10_000_000


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
@pytest.mark.parametrize("name", ["tables.json", "manifest.json"])
def test_only_plain_files_are_taken_from_a_folder(
    embedded: tuple[Path, str], scratch: Path, model: Path, kind: str, name: str
) -> None:
    home = scratch.parent / "served"
    place = home / "1" / "scorer"
    place.mkdir(parents=True)
    for path in model.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    (place / name).unlink()
    if kind == "link":
        (place / name).symlink_to(model / name)
    elif kind == "pipe":
        os.mkfifo(place / name)
    else:
        (place / name).mkdir()
    asked = asked_of(FakeRegistry(), scratch, sources=[str(home)])
    with running(FakeRegistry(logged=str(home / "1"), source=str(home / "1"))) as registry:
        asked["tracking_uri"] = registry.address

        with pytest.raises(ArtefactRefused, match=f"has no {name}") as refused:
            champion._fetch(asked)

    assert refused.value.code == "file_missing"


def test_files_that_are_no_part_of_a_model_are_never_asked_for(scratch: Path, model: Path) -> None:
    with running(FakeRegistry(folder=model)) as registry:
        (model / "run_me.py").write_text("raise SystemExit")
        try:
            champion._fetch(asked_of(registry, scratch))
        finally:
            (model / "run_me.py").unlink()
        files = [path.rpartition("/")[2] for path in registry.asked if "mlflow-artifacts" in path]

    assert "run_me.py" not in files
    assert files[0] == "manifest.json"


def test_what_an_operator_allows_is_a_prefix_at_a_whole_name(tmp_path: Path) -> None:
    allowed = ["s3://bucket/models", "https://host:8443/a", str(tmp_path), "gs:"]

    assert find_source("s3://bucket/models/1/x", allowed).kind == "other"
    assert find_source("https://host:8443/a/b", allowed).place == "https://host:8443/a/b"
    assert find_source((tmp_path / "日本語").as_uri(), allowed).kind == "folder"
    for address in (
        "s3://bucket/models-evil/1",
        "s3://bucket/models/../x",
        "s3://bucket//models/1",
        "https://host:8443@evil/a/b",
        "https://host/a/b",
        "gs://any/1",
        f"{tmp_path}-evil",
    ):
        with pytest.raises(ArtefactRefused, match="not among the allowed ones"):
            find_source(address, allowed)


def test_only_what_suits_the_store_is_allowed_when_nothing_is_said(tmp_path: Path) -> None:
    assert allowed_sources("", "https://mlflow", tmp_path) == ("mlflow-artifacts:/",)
    assert allowed_sources("", "sqlite:///x", tmp_path) == (str(tmp_path),)
    assert allowed_sources(" a, b ,", "https://mlflow", tmp_path) == ("a", "b")
    assert is_in_run(f"runs:/{RUN}/scorer", RUN)
    assert not is_in_run(f"runs:/{RUN}/../x", RUN)
    assert [is_name(name) for name in ("lead quality", "リード", "", "a/b", "x" * 201)] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.faults
def test_hostile_addresses_are_refused_by_the_real_child_as_well(
    tmp_path: Path, model: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    refused: dict[str, str] = {}
    with canary() as watched, running(FakeRegistry(folder=model)) as registry:
        settings = ServeSettings(access="open", home=home, tracking_uri=registry.address)
        port = watched.address.rpartition(":")[2]
        for case, address in ADDRESSES.items():
            registry.logged = spelled(address, port, home)
            folder = tmp_path / "scratch"
            folder.mkdir()
            before = set(listing(tmp_path))
            with pytest.raises((ArtefactRefused, ModelUnavailable)) as told:
                Registry(settings).fetch("1", folder)
            refused[case] = getattr(told.value, "code", "unavailable")
            assert set(listing(tmp_path)) == before
            folder.rmdir()

    assert len(refused) == len(ADDRESSES) >= 25
    assert set(refused.values()) == {"source_refused"}, json.dumps(refused)
