"""The database: transactions, migrations, and what is recorded."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from serving.errors import RowRefused, StoreUnavailable
from serving.settings import SettingsInvalid
from serving.store import (
    Approval,
    Approvals,
    Exports,
    Prediction,
    Predictions,
    Store,
    open_store,
)
from serving.store.database import NEWEST, VERSION_TABLE, migration_config
from serving.store.engine import is_wal_safe
from serving.store.tables import METADATA, UtcTime
from tests.postgresql import Cluster

NOW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'new' / 'store.db'}")
    opened.migrate()
    yield opened
    opened.close()


def prediction(lead_id: str = "L", days: int = 0, score: float = 50.0) -> Prediction:
    tokyo = timezone(timedelta(hours=9))
    return Prediction(
        lead_id=lead_id,
        as_of=(NOW + timedelta(days=days)).astimezone(tokyo),
        recorded_at=NOW,
        model_version="7",
        model_digest="d" * 64,
        definition_version="2026-11",
        definition_fingerprint="f" * 64,
        probability=0.1 + 0.2,
        score=score,
        grade="B",
        decision="handoff",
        acceptance=None,
        inputs={"fields": {"source": "ウェビナー"}, "codes": {"source": 2}},
        answer={"status": "scored", "factors": [{"points": 1.5}]},
    )


def test_a_recorded_score_comes_back_with_every_bit_and_its_zone(store: Store) -> None:
    predictions = Predictions(store)

    predictions.add([prediction()])

    (found,) = predictions.of_lead("L")
    assert found == prediction()
    assert found.as_of.tzinfo is not None
    assert found.probability == 0.1 + 0.2


def test_the_latest_recorded_score_comes_first(store: Store) -> None:
    predictions = Predictions(store)
    predictions.add([prediction(score=1.0), prediction("M"), prediction(score=2.0)])
    predictions.add([prediction(score=3.0)])

    assert [one.score for one in predictions.of_lead("L")] == [3.0, 2.0, 1.0]
    assert [one.score for one in predictions.of_lead("L", limit=1)] == [3.0]
    assert [one.lead_id for one in predictions.latest()] == ["L", "M"]
    assert predictions.of_lead("nobody") == []


def test_nothing_to_record_is_no_transaction(tmp_path: Path) -> None:
    Predictions(open_store(f"sqlite:///{tmp_path / 'no-tables.db'}")).add([])


def test_approvals_are_kept_by_model_newest_first(store: Store) -> None:
    approvals = Approvals(store)
    for name, version in (("lead-quality", "1"), ("other", "9"), ("lead-quality", "2")):
        approvals.add(Approval(name, version, "d" * 64, "hanako", NOW, "why"))

    assert [one.version for one in approvals.newest_first("lead-quality")] == ["2", "1"]
    assert approvals.newest_first("lead-quality")[0].approved_at == NOW


def test_migrating_twice_changes_nothing_and_matches_the_tables(store: Store) -> None:
    store.migrate()

    with store.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_migrations_go_down_and_up_again(store: Store) -> None:
    store.migrate("base")
    with store.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {VERSION_TABLE}

    store.migrate()
    Predictions(store).add([prediction()])


def test_a_failing_transaction_leaves_nothing_behind(store: Store) -> None:
    broken = [prediction(), prediction(lead_id=None)]  # type: ignore[arg-type]

    with pytest.raises(StoreUnavailable, match="IntegrityError"):
        Predictions(store).add(broken)

    assert Predictions(store).of_lead("L") == []


@pytest.mark.parametrize(
    ("name", "value"), [("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1)]
)
def test_sqlite_is_durable_and_forgets_what_was_deleted(
    sqlite_store: Store, name: str, value: int
) -> None:
    with sqlite_store.reading() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value


def test_no_journal_keeps_what_was_deleted(sqlite_store: Store) -> None:
    with sqlite_store.reading() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()

    assert mode == ("wal" if is_wal_safe(sqlite3.sqlite_version_info) else "truncate")


def test_a_start_over_new_tables_does_not_load_the_migrations(sqlite_store: Store) -> None:
    address = sqlite_store.engine.url.render_as_string()
    code = (
        "import sys; from serving.store import open_store; "
        f"open_store({address!r}).migrate(); sys.exit('alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_newest_version_that_the_store_knows_is_that_of_the_migrations() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_current_head() == NEWEST


def test_tables_of_a_newer_release_are_left_as_they_are(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    store.migrate()

    assert "newer release" in caplog.text
    Predictions(store).add([prediction()])


def test_a_hostile_row_does_not_look_like_a_database_that_is_away(store: Store) -> None:
    with pytest.raises(RowRefused, match="refuses a row"):
        Predictions(store).add([prediction(lead_id=None)])  # type: ignore[arg-type]


def test_what_was_written_once_is_recorded_as_it_is(store: Store) -> None:
    written = replace(
        prediction(), inputs=b'{"fields":{}}', answer='{"text":"受注\\u0000"}'.encode()
    )

    Predictions(store).add([written])

    (found,) = Predictions(store).of_lead("L")
    assert (found.inputs, found.answer) == ({"fields": {}}, {"text": "受注\0"})


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_went_away_is_noticed_and_found_again(
    sqlite_store: Store, tmp_path: Path, how: str
) -> None:
    path = Path(str(sqlite_store.engine.url.database))
    predictions = Predictions(sqlite_store)
    predictions.add([prediction()])
    kept = tmp_path / "kept.db"
    path.rename(kept)
    if how == "replaced":
        sqlite3.connect(path).close()

    with pytest.raises(StoreUnavailable, match="OperationalError"):
        predictions.add([prediction()])
    kept.rename(path)

    predictions.add([prediction()])
    assert len(predictions.of_lead("L")) == 2


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((4, 0, 0), True),
    ],
)
def test_the_write_ahead_log_is_used_only_where_it_is_safe(
    version: tuple[int, ...], is_safe: bool
) -> None:
    assert is_wal_safe(version) is is_safe


def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(sa.text("SELECT 1"))
        assert Predictions(store).of_lead("L") == []


def test_a_writer_waits_for_another_of_its_own_process_but_not_for_ever(
    sqlite_store: Store,
) -> None:
    with (
        sqlite_store.writing(),
        pytest.raises(StoreUnavailable, match="busy"),
        sqlite_store.writing(patience=0.05),
    ):
        pass


def test_what_others_were_in_the_way_of_is_tried_again(cluster: Cluster) -> None:
    store = open_store(cluster.create())
    store.migrate()
    tries = []

    def work(connection: sa.Connection) -> str:
        tries.append(1)
        if len(tries) < 3:
            connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        return "done"

    assert store.write(work) == "done"
    assert len(tries) == 3
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.write(lambda connection: connection.exec_driver_sql("SELECT nonsense"))
    store.close()


def test_postgresql_that_would_answer_before_it_commits_is_told_to_commit(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    address = cluster.create()
    cluster.ask(f"ALTER DATABASE {address.rpartition('/')[2]} SET synchronous_commit TO off")
    store = open_store(address)

    with store.reading() as connection:
        told = connection.exec_driver_sql("SHOW synchronous_commit").scalar()

    assert told == "on"
    assert "synchronous_commit=off" in caplog.text
    store.close()


def _write(address: str, name: str, n: int) -> None:
    predictions = Predictions(open_store(address))
    for k in range(n):
        predictions.add([prediction(f"{name}{k}")])


@pytest.mark.parametrize("n", [25, pytest.param(500, marks=pytest.mark.kills)])
def test_two_processes_lose_no_write_to_each_other(address: str, n: int) -> None:
    store = open_store(address)
    store.migrate()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(address, name, n)) for name in "ab"]

    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):  # reading and exporting go on meanwhile
        assert all(len(page) <= 1_000 for page in Exports(store).inputs())
        time.sleep(0.02)
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0, 0]
    with store.reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM predictions")).scalar() == 2 * n
    store.close()


def test_a_missing_database_is_named_without_its_address(tmp_path: Path) -> None:
    folder = tmp_path / "secret-place.db"
    folder.mkdir()

    with pytest.raises(StoreUnavailable, match="does not answer") as caught:
        open_store(f"sqlite:///{folder}").check()

    assert "secret" not in str(caught.value)


def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="lead-serve migrate"):
        open_store(f"sqlite:///{tmp_path / 'empty.db'}").check()


@pytest.mark.parametrize(
    "address",
    [
        "no address:secret",
        "nosuchdb://user:secret@host/x",
        "postgresql+nodriver://user:secret@host/x",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(SettingsInvalid, match="LEAD_DATABASE_URL cannot be used") as caught:
        open_store(address)

    assert "secret" not in str(caught.value)


def test_a_stored_time_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        UtcTime().process_bind_param(datetime(2026, 1, 1), sa.create_engine("sqlite://").dialect)


def test_times_may_be_absent() -> None:
    dialect = sa.create_engine("sqlite://").dialect

    assert UtcTime().process_bind_param(None, dialect) is None
    assert UtcTime().process_result_value(None, dialect) is None


def test_a_locked_database_is_reported_as_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = open_store(f"sqlite:///{path}")
    store.migrate()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreUnavailable, match="OperationalError"):
        Predictions(store).add([prediction()])

    holder.close()
    Predictions(store).add([prediction()])


def test_a_connection_that_could_only_read_is_given_up(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    store.close()
    opened: list[int] = []

    def read_only_at_first(connection: sqlite3.Connection, _: object) -> None:
        opened.append(1)
        connection.execute(f"PRAGMA query_only={'ON' if len(opened) == 1 else 'OFF'}")

    sa.event.listen(store.engine, "connect", read_only_at_first)
    predictions = Predictions(store)

    with pytest.raises(StoreUnavailable):
        predictions.add([prediction()])
    predictions.add([prediction()])

    assert len(predictions.latest()) == 1
    store.close()


def test_a_server_that_vanished_without_a_word_is_noticed() -> None:
    store = open_store("postgresql://lead@localhost/lead")
    asked: list[dict[str, object]] = []

    @sa.event.listens_for(store.engine, "do_connect")
    def look(
        _dialect: object, _record: object, _arguments: object, told: dict[str, object]
    ) -> None:
        asked.append(dict(told))
        raise sa.exc.OperationalError("not here", None, Exception())

    with pytest.raises(StoreUnavailable):
        store.check()

    assert asked[0]["tcp_user_timeout"] == 5_000
    assert {"keepalives_idle", "keepalives_interval", "keepalives_count"} <= asked[0].keys()
