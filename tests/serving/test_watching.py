"""What looks again and again goes on after a look that went wrong."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from serving.guard.keys import KeyRing, make_key
from serving.process.watching import look_every
from serving.store import open_store
from serving.store.keys import Keys
from tests.serving.conftest import NOW


def test_a_fault_that_nobody_foresaw_is_told_once_and_does_not_end_the_looking(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) < 4:
            raise RuntimeError("names and addresses of leads")

    async def run() -> None:
        looking = asyncio.create_task(look_every(0.001, look, "counting sheep"))
        while len(looks) < 6:
            await asyncio.sleep(0.001)
        looking.cancel()

    with caplog.at_level(logging.ERROR, "lead_serve"):
        asyncio.run(run())

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("counting sheep ended with RuntimeError at ")
    assert "addresses" not in caplog.text


def test_a_revocation_is_seen_after_a_row_of_the_keys_could_not_be_read(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'lead_serve.db'}")
    store.migrate()
    keys = Keys(store)
    key, shown = make_key("hubspot", ["score"], by="test", now=NOW)
    keys.add(key)
    ring = KeyRing(keys)
    ring.refresh()

    def set_made_at(told: str) -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("UPDATE keys SET made_at = ?", (told,))

    async def run() -> None:
        watching = asyncio.create_task(ring.watch(0.01))
        set_made_at("last Tuesday")
        await asyncio.sleep(0.1)
        assert not watching.done()
        set_made_at("2026-11-20 00:00:00.000000")
        keys.revoke(key.key_id, NOW, "test")
        for _ in range(200):
            if ring.find(shown.encode()) is None:
                break
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(run())
    store.close()
    assert ring.find(shown.encode()) is None
