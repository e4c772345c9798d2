"""A backup holds everything, and what is restored from it is and scores the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

import serving.records.recorder
from features.scorer import LeadScorer
from serving import cli
from serving.app import create_app
from serving.errors import StoreUnavailable
from serving.records.backup import BackupRefused, back_up
from serving.records.restore import restore
from serving.settings import ServeSettings
from serving.store import Store, open_store
from serving.store.backup import NOT_KEPT, RowsRefused, n_rows_in, refill, snapshot
from serving.store.database import VERSION_TABLE
from serving.store.tables import EVENTS, KEYS, METADATA, PREDICTIONS, SESSIONS, UtcTime
from tests.builders import small_scorer
from tests.serving.conftest import NOW, approved

ODD_TEXTS = (
    "",
    " ",
    "'; --",
    '"',
    "\\",
    "a\nb\tc",
    "株式会社😀",
    "é",
    "e\u0301",
    "\u202e",
    "﻿x",
    "x" * 200,
)
ODD_FLOATS = (0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 0.0, 2.0**53 + 2)
ODD_TIMES = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 11, 20, 0, 30, 0, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
)
ODD_JSON: tuple[Any, ...] = (
    {},
    {"a": [1, -0.0, 1e-300, None, True, "\u0000\u007f", {"株": [[]]}]},
    {"n": 2**63 - 1},
    [],
    "text",
    None,
)


def odd_value(column: sa.Column[Any], k: int) -> Any:
    """Return the `k`-th odd value that a column may hold."""
    kind = column.type
    if column.nullable and k % 7 == 6:
        return None
    if isinstance(kind, sa.JSON):
        return ODD_JSON[k % len(ODD_JSON)]
    if isinstance(kind, UtcTime):
        return ODD_TIMES[k % len(ODD_TIMES)]
    if isinstance(kind, sa.Date):
        return date(2026, 1, 1) + timedelta(days=k)
    if isinstance(kind, sa.Boolean):
        return k % 2 == 0
    if isinstance(kind, sa.Double):
        return ODD_FLOATS[k % len(ODD_FLOATS)]
    if isinstance(kind, sa.Integer):
        return k + 1
    length = getattr(kind, "length", None) or 200
    number = f"{k:x}"
    if column.primary_key or column.unique:
        return (number + ODD_TEXTS[k % len(ODD_TEXTS)])[:length]
    return ODD_TEXTS[k % len(ODD_TEXTS)][:length]


def fill_with_odd_values(store: Store, n: int = 40) -> None:
    store.migrate()
    with store.writing() as connection:
        for table in METADATA.sorted_tables:
            if table.name != "approvals":  # those are of models
                rows = [{c.name: odd_value(c, k) for c in table.columns} for k in range(n)]
                connection.execute(sa.insert(table), rows)


def everything(store: Store, scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table that is kept, as told to a backup."""
    scratch.mkdir(parents=True)
    with snapshot(store, scratch) as rows:
        return {name: list(rows.rows(name)) for name in rows.tables}


def settings_at(home: Path, **more: Any) -> ServeSettings:
    return ServeSettings(access="open", home=home, **more)


@pytest.fixture
def filled(tmp_path: Path, scorer: LeadScorer) -> ServeSettings:
    """A home with odd rows, one approved model, and a score."""
    settings = settings_at(tmp_path / "home")
    store = open_store(settings.database_address)
    fill_with_odd_values(store)
    store.close()
    approved(settings, scorer)
    return settings


@pytest.fixture(params=["sqlite", "postgresql"])
def other_address(request: pytest.FixtureRequest) -> str:
    """The address of an empty database of each kind; empty text for SQLite under the home."""
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_address"))


def test_what_is_restored_is_what_was_there(
    filled: ServeSettings, other_address: str, tmp_path: Path
) -> None:
    contents = back_up(filled, tmp_path / "kept.zip")
    other = settings_at(tmp_path / "other", database_url=other_address)

    restored = restore(other, tmp_path / "kept.zip")

    store, copy = open_store(filled.database_address), open_store(other.database_address)
    rows = everything(store, tmp_path / "a")
    assert everything(copy, tmp_path / "b") == rows
    assert restored.rows == contents.rows == {name: len(found) for name, found in rows.items()}
    assert set(rows) == {table.name for table in METADATA.sorted_tables} - NOT_KEPT
    with copy.reading() as connection:
        assert connection.execute(sa.select(SESSIONS)).first() is None
        found = {
            value.hex() for value in connection.execute(sa.select(PREDICTIONS.c.score)).scalars()
        }
        assert {number.hex() for number in ODD_FLOATS if number} <= found
    store.close()
    copy.close()


def test_new_rows_are_numbered_after_the_restored_ones(
    filled: ServeSettings, other_address: str, tmp_path: Path
) -> None:
    back_up(filled, tmp_path / "kept.zip")
    other = settings_at(tmp_path / "other", database_url=other_address)
    restore(other, tmp_path / "kept.zip")
    store = open_store(other.database_address)

    with store.writing() as connection:
        row = {c.name: odd_value(c, 90) for c in EVENTS.columns if c.name != "id"}
        added = connection.execute(sa.insert(EVENTS).values(row)).inserted_primary_key
        last = connection.execute(sa.select(sa.func.max(EVENTS.c.id))).scalar_one()

    assert added is not None
    assert added[0] == last == 41
    store.close()


def test_a_restored_home_serves_the_same_scores_to_the_bit(
    filled: ServeSettings, other_address: str, tmp_path: Path
) -> None:
    lead = {"lead_id": "L", "fields": {"source": "ウェビナー", "employees": "330"}, "events": []}
    other = settings_at(tmp_path / "other", database_url=other_address)

    def answered(settings: ServeSettings) -> dict[str, Any]:
        with TestClient(create_app(settings, clock=lambda: NOW)) as client:
            return dict(client.post("/v1/score", json=lead).json())

    before = answered(filled)
    back_up(filled, tmp_path / "kept.zip")
    restore(other, tmp_path / "kept.zip")

    after = answered(other)
    assert after == before
    assert after["score_exact"].hex() == before["score_exact"].hex()
    assert after["recorded"] is True


def test_what_came_out_of_postgresql_goes_into_sqlite(
    scorer: LeadScorer, postgresql_address: str, tmp_path: Path
) -> None:
    first = settings_at(tmp_path / "first", database_url=postgresql_address)
    store = open_store(first.database_address)
    fill_with_odd_values(store)
    approved(first, scorer)
    back_up(first, tmp_path / "kept.zip")
    second = settings_at(tmp_path / "second")

    restore(second, tmp_path / "kept.zip")

    copy = open_store(second.database_address)
    assert everything(copy, tmp_path / "a") == everything(store, tmp_path / "b")
    store.close()
    copy.close()


def test_equal_content_gives_equal_parts(filled: ServeSettings, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "a.zip")
    back_up(filled, tmp_path / "b.zip")

    def parts(name: str) -> Any:
        with zipfile.ZipFile(tmp_path / name) as archive:
            return json.loads(archive.read("manifest.json"))["parts"]

    assert parts("a.zip") == parts("b.zip")


def test_a_backup_is_for_its_owner_only_and_leaves_nothing_beside_it(
    filled: ServeSettings, tmp_path: Path
) -> None:
    back_up(filled, tmp_path / "out" / "kept.zip")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["kept.zip"]
    assert stat.S_IMODE((tmp_path / "out" / "kept.zip").stat().st_mode) == 0o600


def test_a_backup_is_taken_while_the_service_writes(
    filled: ServeSettings, scorer: LeadScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.records.recorder, "PATIENCE_SECONDS", 10.0)  # of a busy machine
    ended = threading.Event()
    recorded: list[bool] = []

    with TestClient(create_app(filled, clock=lambda: NOW)) as client:

        def write() -> None:
            while not ended.is_set():
                body = {"lead_id": f"W-{len(recorded)}", "fields": {"source": "webinar"}}
                recorded.append(client.post("/v1/score", json=body).json()["recorded"])

        writing = threading.Thread(target=write)
        writing.start()
        try:
            taken = [back_up(filled, tmp_path / f"{k}.zip") for k in range(3)]
        finally:
            ended.set()
            writing.join()

    other = settings_at(tmp_path / "other")
    restored = restore(other, tmp_path / "2.zip")
    assert recorded
    assert all(recorded)
    assert restored.rows == taken[2].rows
    assert [one.rows["predictions"] for one in taken] == sorted(
        one.rows["predictions"] for one in taken
    )


def test_a_database_that_is_not_empty_is_left_alone_unless_told_otherwise(
    filled: ServeSettings, other_address: str, tmp_path: Path
) -> None:
    back_up(filled, tmp_path / "kept.zip")
    other = settings_at(tmp_path / "other", database_url=other_address)
    restore(other, tmp_path / "kept.zip")
    store = open_store(other.database_address)
    with store.writing() as connection:
        connection.execute(sa.delete(EVENTS))
    before = everything(store, tmp_path / "a")

    with pytest.raises(RowsRefused, match="not empty, and nothing was changed"):
        restore(other, tmp_path / "kept.zip")

    assert everything(store, tmp_path / "b") == before
    restore(other, tmp_path / "kept.zip", replaces=True)
    assert len(everything(store, tmp_path / "c")["events"]) == 40
    store.close()


def test_a_backup_of_older_tables_is_brought_up_to_date(tmp_path: Path, scorer: LeadScorer) -> None:
    from serving.store.database import upgrade

    old = settings_at(tmp_path / "old")
    store = open_store(old.database_address)
    with store.writing() as connection:
        upgrade(connection, "0001")
        there = {c["name"] for c in sa.inspect(connection).get_columns("predictions")}
        row = {c.name: odd_value(c, 3) for c in PREDICTIONS.columns if c.name in there}
        names = ", ".join(there)
        places = ", ".join(f":{name}" for name in there)
        values = {
            name: json.dumps(value) if isinstance(value, (dict, list)) else value
            for name, value in row.items()
        }
        values |= {
            "as_of": "2026-01-01 00:00:00.000000",
            "recorded_at": "2026-01-01 00:00:00.000000",
        }
        connection.execute(sa.text(f"INSERT INTO predictions ({names}) VALUES ({places})"), values)
    store.close()
    contents = back_up(old, tmp_path / "kept.zip")
    new = settings_at(tmp_path / "new")

    restore(new, tmp_path / "kept.zip")

    copy = open_store(new.database_address)
    assert contents.schema_version == "0001"
    (found,) = everything(copy, tmp_path / "a")["predictions"]
    assert (found["score"], found["is_audited"]) == (row["score"], False)
    with copy.reading() as connection:
        assert (
            connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            > "0001"
        )
    copy.close()


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write an archive again with changed parts."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(target, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return target


def _manifest_with(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        told = json.loads(parts["manifest.json"]) | changes
        parts["manifest.json"] = json.dumps(told).encode()

    return change


def _with_part(name: str, body: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda parts: parts.update({name: body})


def _resigned(name: str, body: bytes) -> Callable[[dict[str, bytes]], None]:
    """Change a part and tell its new digest, as someone who wants to mislead would."""
    import hashlib

    def change(parts: dict[str, bytes]) -> None:
        parts[name] = body
        told = json.loads(parts["manifest.json"])
        told["parts"][name] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        parts["manifest.json"] = json.dumps(told).encode()

    return change


DAMAGES: dict[str, Callable[[dict[str, bytes]], None]] = {
    "no manifest": lambda parts: parts.pop("manifest.json") and None,
    "a manifest that is no JSON": _with_part("manifest.json", b"{"),
    "a deep manifest": _with_part("manifest.json", b"[" * 100_000),
    "a manifest of another shape": _with_part("manifest.json", b'{"format": 1}'),
    "a manifest with other keys": _manifest_with(more=1),
    "rows that are no numbers": _manifest_with(rows={"events": "many"}),
    "a newer format": _manifest_with(format=2),
    "a newer schema": _manifest_with(schema_version="9999"),
    "a schema that is a path": _manifest_with(schema_version="../x"),
    "a path upwards": _with_part("../../etc/cron.d/x", b"x"),
    "an absolute path": _with_part("/etc/passwd", b"x"),
    "a foreign table": _with_part("tables/sqlite_master.jsonl", b"{}"),
    "a session": _with_part("tables/sessions.jsonl", b"{}"),
    "a foreign file of a model": _with_part(f"models/{'a' * 64}/run.py", b"x"),
    "a listed part missing": lambda parts: parts.pop("tables/keys.jsonl") and None,
    "a changed row": _with_part("tables/keys.jsonl", b"{}\n"),
    "a row of another table": _resigned("tables/keys.jsonl", b'{"a": 1}\n'),
    "a row that is no object": _resigned("tables/keys.jsonl", b"[]\n"),
    "a row that is no JSON": _resigned("tables/keys.jsonl", b"NaN\n"),
    "a row twice": lambda parts: _resigned("tables/keys.jsonl", parts["tables/keys.jsonl"] * 2)(
        parts
    ),
    "a null where none may be": _resigned(
        "tables/keys.jsonl", json.dumps({c.name: None for c in KEYS.columns}).encode()
    ),
    "a number as text": lambda parts: _resigned(
        "tables/lines.jsonl",
        parts["tables/lines.jsonl"].replace(b'"capacity":1,', b'"capacity":"1",'),
    )(parts),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_backup_changes_nothing(
    filled: ServeSettings, tmp_path: Path, damage: Callable[[dict[str, bytes]], None]
) -> None:
    back_up(filled, tmp_path / "kept.zip")
    hostile = rewritten(tmp_path / "kept.zip", tmp_path / "hostile.zip", damage)
    other = settings_at(tmp_path / "other")

    with pytest.raises((BackupRefused, RowsRefused), match=r"\.$"):
        restore(other, hostile)

    assert n_rows_in(open_store(other.database_address)) == 0
    assert [path.name for path in (tmp_path / "other" / "models").glob("*")] == []
    assert not (tmp_path / "etc").exists()


def test_a_model_changed_with_its_digest_is_refused(filled: ServeSettings, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "kept.zip")

    def change(parts: dict[str, bytes]) -> None:
        name = next(name for name in parts if name.endswith("/tables.json"))
        _resigned(name, parts[name].replace(b"0.", b"1.", 1))(parts)

    hostile = rewritten(tmp_path / "kept.zip", tmp_path / "hostile.zip", change)
    other = settings_at(tmp_path / "other")

    with pytest.raises(BackupRefused, match="is damaged"):
        restore(other, hostile)

    assert n_rows_in(open_store(other.database_address)) == 0


def test_a_truncated_or_foreign_file_is_refused(filled: ServeSettings, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "kept.zip")
    whole = (tmp_path / "kept.zip").read_bytes()
    other = settings_at(tmp_path / "other")

    for k, body in enumerate((b"", b"PK", b"no zip", whole[:-1], whole[: len(whole) // 2])):
        (tmp_path / f"{k}.zip").write_bytes(body)
        with pytest.raises(BackupRefused, match="Nothing was changed"):
            restore(other, tmp_path / f"{k}.zip")
    with pytest.raises(BackupRefused, match="cannot be read"):
        restore(other, tmp_path / "nowhere.zip")


def test_every_flipped_byte_is_seen_or_harmless(filled: ServeSettings, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "kept.zip")
    whole = (tmp_path / "kept.zip").read_bytes()
    reference = settings_at(tmp_path / "reference")
    restore(reference, tmp_path / "kept.zip")
    rows = everything(open_store(reference.database_address), tmp_path / "a")

    for k, place in enumerate(range(0, len(whole), max(1, len(whole) // 60))):
        damaged = tmp_path / "damaged.zip"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        other = settings_at(tmp_path / f"other-{k}")
        try:
            restore(other, damaged)
        except BackupRefused:
            assert n_rows_in(open_store(other.database_address)) == 0
        else:
            assert everything(open_store(other.database_address), tmp_path / f"b{k}") == rows


def test_what_fails_at_the_last_moment_changes_nothing(
    filled: ServeSettings, tmp_path: Path
) -> None:
    store = open_store(filled.database_address)
    before = everything(store, tmp_path / "a")

    def fail() -> None:
        raise OSError("no room")

    def rows_of(name: str) -> Iterator[dict[str, Any]]:
        return iter(before[name][:1])

    with pytest.raises(OSError, match="no room"):
        refill(store, "0002", rows_of, tuple(before), replaces=True, before_commit=fail)

    assert everything(store, tmp_path / "b") == before


def test_a_damaged_model_is_left_out_and_named(
    filled: ServeSettings, scorer: LeadScorer, tmp_path: Path
) -> None:
    other = small_scorer(seed=5)
    approved(filled, other, "8")
    (filled.models_folder / other.model_digest / "tables.json").write_bytes(b"{}")

    contents = back_up(filled, tmp_path / "kept.zip")

    assert contents.left_out == (other.model_digest,)
    assert len(contents.models) == 1
    restored = settings_at(tmp_path / "other")
    restore(restored, tmp_path / "kept.zip")
    assert [path.name for path in restored.models_folder.iterdir()] == list(contents.models)
    assert list(contents.models.values()) == [(scorer.model_digest, None)]


def test_a_file_that_is_there_is_not_overwritten_unless_told_so(
    filled: ServeSettings, tmp_path: Path
) -> None:
    (tmp_path / "kept.zip").write_text("mine")

    with pytest.raises(BackupRefused, match=r"kept.zip is there already\. .* --replace"):
        back_up(filled, tmp_path / "kept.zip")

    back_up(filled, tmp_path / "kept.zip", replaces=True)
    assert zipfile.is_zipfile(tmp_path / "kept.zip")


def test_a_home_without_tables_has_nothing_to_keep(tmp_path: Path) -> None:
    with pytest.raises(RowsRefused, match="no tables of this service"):
        back_up(settings_at(tmp_path / "new"), tmp_path / "kept.zip")

    assert not (tmp_path / "kept.zip").exists()


def test_both_commands_say_what_they_did(
    filled: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "kept.zip")
    monkeypatch.setenv("LEAD_HOME", str(filled.home))
    kept = CliRunner().invoke(cli.app, ["backup", file])
    shutil.rmtree(filled.home)

    restored = CliRunner().invoke(cli.app, ["restore", file])

    assert kept.exit_code == restored.exit_code == 0, restored.output
    assert "1 model(s)" in kept.output
    assert "personal data" in kept.output
    assert "Restored " in restored.output
    assert "revoke them again" in restored.output


def test_a_database_that_stays_locked_is_not_waited_for_for_ever(
    filled: ServeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.store.backup.PATIENCE_SECONDS", 0.3)
    holder = sqlite3.connect(filled.home / "lead_serve.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreUnavailable, match="does not answer"):
        back_up(filled, tmp_path / "kept.zip")

    holder.close()
    assert not (tmp_path / "kept.zip").exists()
    back_up(filled, tmp_path / "kept.zip")
