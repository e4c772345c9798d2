"""Tables up, down and up again, with rows of every odd kind: what is recorded stays recorded."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from serving.store import Approval, Approvals, Events, Predictions, Store, open_store
from serving.store.tables import APPROVALS, PREDICTIONS
from tests.serving.test_event_store import event
from tests.serving.test_store import prediction

N_ROWS = 10_000
AT = datetime(2026, 11, 20, tzinfo=UTC)
TEXTS = ("展示会", "", "'; DROP TABLE predictions; --", "é" * 190, "\u202e", "😀", "NULL", "0", '"')
NUMBERS = (0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1.0)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    opened = open_store(address)
    opened.migrate("0001")
    yield opened
    opened.close()


def fill(store: Store) -> None:
    """Write odd rows as the first release did."""
    chance = random.Random(11)
    columns = [column for column in PREDICTIONS.columns if column.name in FIRST]
    rows = []
    for k in range(N_ROWS):
        one = prediction(chance.choice(TEXTS) + str(k % 99))
        row = {column.name: getattr(one, column.name) for column in columns}
        row |= {
            "as_of": datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(10**9)),
            "probability": chance.choice(NUMBERS),
            "score": chance.choice(NUMBERS),
            "acceptance": chance.choice((None, *NUMBERS)),
            "inputs": {"fields": {chance.choice(TEXTS): chance.choice(TEXTS) + "\x00"}},
        }
        rows.append(row)
    first = sa.Table(
        "predictions", sa.MetaData(), *(sa.Column(one.name, one.type) for one in columns)
    )
    with store.writing() as connection:
        connection.execute(sa.insert(first), rows)
        old = sa.Table(
            "approvals",
            sa.MetaData(),
            *(sa.Column(name, APPROVALS.c[name].type) for name in APPROVED),
        )
        short = [dict.fromkeys(APPROVED, text[:40]) for text in TEXTS]
        connection.execute(sa.insert(old), [one | {"approved_at": AT} for one in short])


FIRST = (
    "lead_id", "as_of", "recorded_at", "model_version", "model_digest", "definition_version",
    "definition_fingerprint", "probability", "score", "grade", "decision", "acceptance", "inputs",
    "answer",
)  # fmt: skip
APPROVED = ("model_name", "version", "digest", "approved_by", "approved_at", "why")


def digest(store: Store) -> tuple[int, str]:
    """Return how many scores there are and the digest of all that the first release recorded."""
    whole = hashlib.sha256()
    n_rows = 0
    with store.reading() as connection:
        for table, names in ((PREDICTIONS, ("id", *FIRST)), (APPROVALS, ("id", *APPROVED))):
            asked = sa.select(*(table.c[name] for name in names)).order_by(table.c.id)
            for row in connection.execute(asked):
                n_rows += 1
                whole.update(orjson.dumps([*map(str, row)]))
    return n_rows, whole.hexdigest()


def test_ten_thousand_odd_rows_survive_up_down_and_up(store: Store) -> None:
    fill(store)
    before = digest(store)

    store.migrate()
    up = digest(store)
    store.migrate("0001")
    down = digest(store)
    store.migrate()

    assert before[0] == N_ROWS + len(TEXTS)
    assert before == up == down == digest(store)
    Predictions(store).add([prediction()])
    Approvals(store).add(Approval("m", "1", "d" * 64, "hanako", datetime.now(UTC), "why"))
    assert Events(store).add([[event("e")]]) == [()]


def test_the_first_release_goes_on_over_the_tables_of_this_one(store: Store) -> None:
    store.migrate()

    fill(store)

    assert len(Predictions(store).latest(5)) == 5
    assert {one.is_audited for one in Predictions(store).latest(5)} == {False}
