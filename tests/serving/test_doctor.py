"""The doctor finds each fault that is made for it, says what to do, and tells no secret."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from features.scorer import LeadScorer
from serving import cli
from serving.app import create_app
from serving.doctor import Finding, examine
from serving.doctor.database import check_age, check_callers, check_database
from serving.doctor.machine import (
    check_access,
    check_address,
    check_clock,
    check_cores,
    check_home,
    check_names,
)
from serving.doctor.models import check_registry
from serving.settings import ServeSettings
from serving.store import Approval, open_store
from serving.store.database import VERSION_TABLE
from serving.store.facts import NEWEST, KeyFacts, StoreFacts, read_facts
from serving.store.tables import ACCOUNTS, KEYS
from tests.serving.conftest import NOW, approved
from tests.serving.test_backup import fill_with_odd_values
from training.settings import describe_settings


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return ServeSettings(home=home, port=0)


def found_in(findings: Any, level: str) -> list[str]:
    """Return what was found at a level, as one text each."""
    return [f"{one.topic}: {one.told} {one.advice}" for one in findings if one.level == level]


def facts(**more: Any) -> StoreFacts:
    modes = {"journal_mode": "truncate", "synchronous": "2"}
    return StoreFacts(
        **{"backend": "sqlite", "version": "3.51.3", "tables": NEWEST, "modes": modes} | more
    )


def make_callers(settings: ServeSettings, last_used: datetime = NOW) -> None:
    key = {
        "key_id": "abcdefgh",
        "name": "hubspot of Hanako",
        "scopes": "score",
        "secret_sha256": "5" * 64,
    }
    times = {"made_at": NOW - timedelta(days=200), "made_by": "hanako", "last_used_at": last_used}
    account = {
        "name": "hanako",
        "password_hash": "$argon2id$secret",
        "scopes": "read",
        "made_at": NOW,
    }
    store = open_store(settings.database_address)
    store.migrate()
    with store.writing() as connection:
        connection.execute(sa.insert(KEYS).values(key | times))
        connection.execute(sa.insert(ACCOUNTS).values(account))
    store.close()


def test_a_served_home_is_well(settings: ServeSettings, scorer: LeadScorer) -> None:
    approved(settings, scorer)
    make_callers(settings)

    found = list(examine(settings, NOW, asks_registry=False))

    assert found_in(found, "fault") == []
    assert found_in(found, "warning") == []
    assert {one.topic for one in found} >= {
        "home",
        "disk",
        "tables",
        "database",
        "model",
        "keys",
        "clock",
        "workers",
        "access",
        "address",
        "settings",
    }


def test_looking_makes_nothing(tmp_path: Path) -> None:
    settings = ServeSettings(home=tmp_path / "home", port=0)

    found = list(examine(settings, NOW))

    assert not (tmp_path / "home").exists()
    assert [text.split(":")[0] for text in found_in(found, "fault")] == ["model"]


def test_all_faults_are_told_at_once(settings: ServeSettings, scorer: LeadScorer) -> None:
    approval = approved(settings, scorer)
    (settings.models_folder / approval.digest / "tables.json").write_bytes(b"{}")
    settings.home.chmod(0o755)
    open_door = settings.model_copy(update={"access": "open", "host": "0.0.0.0", "workers": 64})

    found = list(examine(open_door, datetime(2020, 1, 1, tzinfo=UTC), asks_registry=False))

    faults = " ".join(found_in(found, "fault"))
    assert "Approved version 7 cannot serve" in faults
    assert 'lead-serve approve 7 --why "…"' in faults
    assert "No approved model is whole" in faults
    assert "whoever reaches it may do everything" in faults
    assert "The clock says 2020-01-01" in faults
    warnings = " ".join(found_in(found, "warning"))
    assert "chmod 700" in warnings
    assert "LEAD_WORKERS=" in warnings
    assert "LEAD_PUBLIC_URL" in warnings


def test_nothing_personal_and_no_secret_is_told(
    scorer: LeadScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServeSettings(home=tmp_path, port=0)
    store = open_store(settings.database_address)
    fill_with_odd_values(store)
    store.close()
    approved(settings, scorer)
    make_callers(settings, NOW - timedelta(days=150))
    monkeypatch.setenv("LEAD_HOME", str(tmp_path))
    monkeypatch.setenv("LEAD_PORT", "0")
    monkeypatch.setenv("LEAD_TRACKING_URI", "http://reader:himitsu@127.0.0.1:1/")

    told = CliRunner().invoke(cli.app, ["doctor"]).output
    told += CliRunner().invoke(cli.app, ["doctor", "--json"]).output

    assert "abcdefgh" in told
    for secret in ("anako", "hubspot", "argon2", "55555", "himitsu", "株式会社"):
        assert secret not in told


def test_a_database_that_is_away_is_a_fault_and_says_what_serves(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    with_copy = settings.model_copy(
        update={"database_url": "postgresql://lead:himitsu@127.0.0.1:1/none"}
    )

    found = list(examine(with_copy, NOW, asks_registry=False))

    (told,) = found_in(found, "fault")
    assert told.startswith("database: The database of scores and approvals does not answer")
    assert "himitsu" not in told


def test_the_last_good_copy_is_looked_at(settings: ServeSettings, scorer: LeadScorer) -> None:
    from fastapi.testclient import TestClient

    approval = approved(settings, scorer)
    before = found_in(examine(settings, NOW, asks_registry=False), "ok")
    with TestClient(create_app(settings, clock=lambda: NOW)):
        pass

    after = found_in(examine(settings, NOW, asks_registry=False), "ok")
    (settings.models_folder / approval.digest / "tables.json").unlink()
    damaged = found_in(examine(settings, NOW, asks_registry=False), "warning")

    assert any("The first start makes it" in told for told in before)
    assert any("Version 7 would serve even without the database" in told for told in after)
    assert any(
        told.startswith("last good: What served last (version 7) cannot") for told in damaged
    )


@pytest.mark.parametrize(
    ("tables", "level", "told"),
    [
        ("", "warning", "no tables yet"),
        ("0001", "fault", "lead-serve backup FILE, then lead-serve migrate"),
        (NEWEST, "ok", "current"),
        ("9999", "fault", "of a newer program"),
    ],
)
def test_tables_of_another_version_are_told(tables: str, level: str, told: str) -> None:
    assert told in found_in(check_database(facts(tables=tables)), level)[0]


@pytest.mark.parametrize(
    ("modes", "level", "told"),
    [
        (
            {"synchronous_commit": "on", "fsync": "on"},
            "ok",
            "PostgreSQL 17.1, synchronous_commit=on",
        ),
        ({"synchronous_commit": "off", "fsync": "on"}, "warning", "turns it on for itself"),
        ({"synchronous_commit": "on", "fsync": "off"}, "fault", "loss of power"),
        ({"server_encoding": "SQL_ASCII"}, "fault", "encoding UTF8"),
    ],
)
def test_a_server_that_may_lose_what_was_answered_is_told(
    modes: dict[str, str], level: str, told: str
) -> None:
    about = facts(backend="postgresql", version="17.1", modes=modes)

    assert told in " ".join(found_in(check_database(about), level))


def test_a_real_server_is_read(postgresql_address: str) -> None:
    store = open_store(postgresql_address)
    store.migrate()

    read = read_facts(store)

    assert read.backend == "postgresql"
    assert read.tables == NEWEST
    assert read.modes["synchronous_commit"] == "on"
    assert read.says_now is not None
    assert abs((read.says_now - datetime.now(UTC)).total_seconds()) < 5
    store.close()


def test_an_unsafe_write_ahead_log_is_explained() -> None:
    told = " ".join(found_in(check_database(facts(is_wal_safe=False)), "ok"))

    assert "two processes write, so it is not used" in told


def key(**more: Any) -> KeyFacts:
    times = {"made_at": NOW, "expires_at": None, "revoked_at": None, "last_used_at": NOW}
    return KeyFacts(**{"key_id": "abcdefgh"} | times | more)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ((), "There is no valid key"),
        ((key(revoked_at=NOW),), "There is no valid key"),
        ((key(expires_at=NOW - timedelta(days=1)),), "There is no valid key"),
        ((key(expires_at=NOW + timedelta(days=3)),), "Ends within 14 days: key abcdefgh"),
        ((key(last_used_at=NOW - timedelta(days=91)),), "Not used for 90 days: key abcdefgh"),
        ((key(made_at=NOW - timedelta(days=91), last_used_at=None),), "Not used for 90 days"),
    ],
)
def test_keys_that_need_somebody_are_told(keys: tuple[KeyFacts, ...], told: str) -> None:
    found = check_callers(ServeSettings(), facts(keys=keys, n_accounts=1), NOW)

    assert told in " ".join(found_in(found, "warning"))


def test_good_keys_and_open_access_need_nobody() -> None:
    assert (
        found_in(check_callers(ServeSettings(), facts(keys=(key(),), n_accounts=1), NOW), "warning")
        == []
    )
    assert check_callers(ServeSettings(access="open"), facts(), NOW) == []
    assert (
        "no account"
        in found_in(check_callers(ServeSettings(), facts(keys=(key(),)), NOW), "warning")[0]
    )


@pytest.mark.parametrize(
    ("agreed", "days", "level"),
    [(0, 900, "ok"), (90, 10, "ok"), (90, 91, "ok"), (90, 93, "warning")],
)
def test_records_older_than_agreed_are_told(agreed: int, days: int, level: str) -> None:
    stored = facts(oldest=NOW - timedelta(days=days))

    (found,) = check_age(ServeSettings(retention_days=agreed), stored, NOW)

    assert found.level == level
    assert str(days) in found.told


@pytest.mark.parametrize(("agreed", "is_told"), [(0, False), (1, True), (62, True), (63, False)])
def test_records_kept_too_short_for_the_line_of_the_week_are_told(
    agreed: int, is_told: bool
) -> None:
    found = found_in(check_age(ServeSettings(retention_days=agreed), facts(), NOW), "warning")

    assert [f"kept for {agreed} days" in one and "hand-off line" in one for one in found] == (
        [True] if is_told else []
    )


def test_an_empty_store_has_no_age() -> None:
    assert check_age(ServeSettings(), facts(), NOW) == []


@pytest.mark.parametrize(
    ("latest", "elsewhere", "told"),
    [
        (NOW + timedelta(hours=1), None, "set back"),
        (None, NOW + timedelta(seconds=90), "90 s apart"),
    ],
)
def test_a_clock_that_goes_wrong_is_seen(
    latest: datetime | None, elsewhere: datetime | None, told: str
) -> None:
    assert told in found_in(check_clock(NOW, latest, elsewhere, ["Asia/Tokyo"]), "warning")[0]


def test_a_time_zone_that_is_not_known_is_a_fault() -> None:
    assert "tzdata" in found_in(check_clock(NOW, None, None, ["Mars/Olympus"]), "fault")[0]


def test_a_home_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    (told,) = found_in(check_home(ServeSettings(home=tmp_path / "file")), "fault")

    assert "cannot be written" in told


def test_a_full_disk_and_a_network_disk_are_told(
    settings: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/x / ext4 rw 0 0\nserver:/x {settings.home} nfs4 rw 0 0\n")
    monkeypatch.setattr("serving.doctor.machine.TOO_LITTLE_MIB", 10**9)

    told = found_in(check_home(settings, str(mounts)), "fault")

    assert "MiB are free" in told[0]
    assert "network file system (nfs4)" in told[1]


@pytest.mark.parametrize(
    ("quota", "level"), [("max 100000", "ok"), ("50000 100000", "warning"), ("x", "ok")]
)
def test_workers_are_compared_with_what_a_container_may_use(
    tmp_path: Path, quota: str, level: str
) -> None:
    (tmp_path / "cpu.max").write_text(quota)

    (found,) = check_cores(
        ServeSettings(workers=min(2, len(os.sched_getaffinity(0)))), str(tmp_path / "cpu.max")
    )

    assert found.level == level or len(os.sched_getaffinity(0)) == 1


@pytest.mark.parametrize(
    ("changed", "level", "told"),
    [
        ({"access": "open", "host": "0.0.0.0"}, "fault", "everything"),
        ({"access": "open", "host": "127.0.0.1"}, "ok", "open"),
        ({"proxy_header": "X-User", "proxy_addresses": "0.0.0.0/0"}, "fault", "believes everybody"),
        ({"proxy_header": "X-User", "proxy_addresses": "*"}, "fault", "believes everybody"),
        ({"host": "0.0.0.0"}, "warning", "TLS"),
        ({"host": "0.0.0.0", "public_url": "https://leads.example"}, "ok", "by key"),
    ],
)
def test_doors_that_stand_open_are_told(changed: dict[str, str], level: str, told: str) -> None:
    assert told in found_in(check_access(ServeSettings(**changed)), level)[0]  # type: ignore[arg-type]


def answering(body: bytes) -> tuple[HTTPServer, int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, server.server_port


@pytest.mark.parametrize(
    ("body", "level", "told"),
    [
        (b'{"status": "ready"}', "ok", "is ready"),
        (b'{"status": "not_ready"}', "fault", "is not ready"),
        (b"<html>", "fault", "Another program"),
        (b"[1]", "fault", "Another program"),
    ],
)
def test_who_holds_the_port_is_told(body: bytes, level: str, told: str) -> None:
    server, port = answering(body)

    (found,) = check_address(ServeSettings(port=port))

    server.shutdown()
    server.server_close()
    assert found.level == level
    assert told in found.told


def test_a_port_held_in_silence_and_an_address_elsewhere_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serving.doctor.machine._ASK_SECONDS", 0.2)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        (silent,) = check_address(ServeSettings(port=held.getsockname()[1]))
    (elsewhere,) = check_address(ServeSettings(host="203.0.113.9"))

    assert "does not answer" in silent.told
    assert "Nobody can listen" in elsewhere.told


def test_a_misspelt_setting_is_told(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_DATABSE_URL", "x")

    found = examine(settings, NOW, asks_registry=False)

    assert "Did you mean LEAD_DATABASE_URL?" in found_in(found, "warning")[0]


def test_no_setting_of_training_is_taken_for_a_misspelt_one() -> None:
    of_training = dict.fromkeys(re.findall("LEAD_[A-Z_]+", describe_settings()), "1")

    assert "LEAD_CHOICE_SECONDS" in of_training
    assert [finding.level for finding in check_names(of_training)] == ["ok"]


class Proposing:
    """Stands at the edge, where MLflow would be asked."""

    is_there = True

    def __init__(self, version: str) -> None:
        self.version = version

    def proposed(self) -> str:
        return self.version

    def stop(self) -> None:
        pass


@pytest.mark.parametrize(
    ("version", "level", "told"),
    [
        ("", "ok", "no version"),
        ("7", "ok", "proposed and approved"),
        ("8", "warning", "lead-serve approve 8"),
    ],
)
def test_what_is_proposed_but_not_approved_is_told(
    monkeypatch: pytest.MonkeyPatch, version: str, level: str, told: str
) -> None:
    monkeypatch.setattr("serving.doctor.models.Registry", lambda _: Proposing(version))
    approval = Approval("lead-quality", "7", "d" * 64, "hanako", NOW, "why")

    (found,) = check_registry(ServeSettings(), [approval])

    assert found.level == level
    assert told in f"{found.told} {found.advice}"


def test_an_mlflow_that_is_away_is_a_warning_within_its_limit() -> None:
    away = ServeSettings(tracking_uri="http://127.0.0.1:1", fetch_seconds=30)

    (found,) = check_registry(away, [])

    assert found.level == "warning"
    assert "Scoring does not need it" in found.advice


def test_json_is_for_machines_and_the_exit_code_says_the_worst(
    settings: ServeSettings, scorer: LeadScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_HOME", str(settings.home))
    monkeypatch.setenv("LEAD_PORT", "0")
    without = CliRunner().invoke(cli.app, ["doctor", "--json", "--no-registry"])
    approved(settings, scorer)

    with_model = CliRunner().invoke(cli.app, ["doctor", "--json", "--no-registry"])

    told = json.loads(without.stdout)
    assert (without.exit_code, told["status"], told["faults"]) == (1, "fault", 1)
    assert set(told["findings"][0]) == set(Finding.__slots__)
    assert with_model.exit_code == 0
    assert json.loads(with_model.stdout)["status"] == "warning"


def test_settings_that_cannot_be_used_are_the_only_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD_PORT", "himitsu")

    for options in ([], ["--json"]):
        told = CliRunner().invoke(cli.app, ["doctor", *options])
        assert told.exit_code == 1
        assert "LEAD_PORT" in told.output
        assert "himitsu" not in told.output


def test_tables_of_a_newer_program_are_left_alone(
    settings: ServeSettings, scorer: LeadScorer
) -> None:
    approved(settings, scorer)
    store = open_store(settings.database_address)
    with store.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    store.close()

    found = list(examine(settings, NOW, asks_registry=False))

    assert any("of a newer program" in told for told in found_in(found, "fault"))
