"""A writer that the tests kill: forks a child for each order, which tells what it has committed.

Orders come on standard input, a line each: ``write N``, or ``migrate N``. Told are ``pid P``, then
what the child says (``ack ID``, ``begun``, ``done``), then ``ended``.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from serving.errors import StoreUnavailable
from serving.store import Event, Events, Predictions, open_store
from serving.store.database import upgrade
from tests.serving.test_store import prediction

GROUP = 3
"""Events of one transaction; half a group would be half a state."""


def _tell(*words: object) -> None:
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


def group_of(name: str) -> list[Event]:
    """Return the events of one transaction."""
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return [
        Event(f"{name}-{part}", f"L-{name}", at, "touched", None, float(part), "営業", None, None,
              at, "writer", "d" * 64)
        for part in range(GROUP)
    ]  # fmt: skip


def _write(address: str, order: str) -> None:
    store = open_store(address)
    events, predictions = Events(store), Predictions(store)
    for number in range(10_000):
        name = f"{order}.{number}"
        events.add([group_of(name)])
        _tell("ack", name)
        predictions.add([prediction(f"L-{name}")])
        _tell("scored", name)


def _migrate(address: str) -> None:
    store = open_store(address)
    _tell("begun")
    with store.writing(20) as connection:
        upgrade(connection)
    _tell("done")


def main() -> None:
    """Fork for every order."""
    address = sys.argv[1]
    for line in sys.stdin:
        task, order = line.split()
        child = os.fork()
        if child == 0:
            try:
                _write(address, order) if task == "write" else _migrate(address)
            except StoreUnavailable as error:
                _tell("away", type(error.__cause__).__name__)
            finally:
                os._exit(0)
        _tell("pid", child)
        os.waitpid(child, 0)
        _tell("ended")


if __name__ == "__main__":
    main()
