"""The tables of the service's own database; `migrations` builds them."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

__all__ = [
    "ACCOUNTS",
    "ACTIONS",
    "APPROVALS",
    "DELETIONS",
    "EVENTS",
    "KEYS",
    "LINES",
    "METADATA",
    "PREDICTIONS",
    "REMOVALS",
    "SESSIONS",
    "UtcTime",
]


class UtcTime(sa.TypeDecorator[datetime]):
    """A moment, kept in UTC and given back with its zone (SQLite would forget it)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return the moment in UTC; a time without a zone is a mistake of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        moment = value.astimezone(UTC)
        return moment if dialect.name != "sqlite" else moment.replace(tzinfo=None)

    def process_result_value(
        self,
        value: datetime | None,
        dialect: sa.Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Return the moment with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
)


def _id() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    _id(),
    sa.Column("lead_id", sa.String(200), nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("model_version", sa.String(40), nullable=False),
    sa.Column("model_digest", sa.String(64), nullable=False),
    sa.Column("definition_version", sa.String(40), nullable=False),
    sa.Column("definition_fingerprint", sa.String(64), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("grade", sa.String(1), nullable=False),
    sa.Column("decision", sa.String(20), nullable=False),
    sa.Column("acceptance", sa.Double, nullable=True),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("channel", sa.String(200), nullable=True),
    sa.Column("line", sa.Double, nullable=True),
    sa.Column("audit_probability", sa.Double, nullable=True),
    sa.Column("is_audited", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "lead_id", "as_of"),
    sa.Index(None, "recorded_at"),
    sqlite_autoincrement=True,
)

APPROVALS = sa.Table(
    "approvals",
    METADATA,
    _id(),
    sa.Column("model_name", sa.String(200), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("approved_by", sa.String(200), nullable=False),
    sa.Column("approved_at", UtcTime, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("manifest_digest", sa.String(64), nullable=True),
    sqlite_autoincrement=True,
)

EVENTS = sa.Table(
    "events",
    METADATA,
    _id(),
    sa.Column("event_id", sa.String(200), nullable=False, unique=True),
    sa.Column("lead_id", sa.String(200), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(200), nullable=True),
    sa.Column("amount", sa.Double, nullable=True),
    sa.Column("actor", sa.String(200), nullable=True),
    sa.Column("source", sa.String(200), nullable=True),
    sa.Column("return_on", sa.Date, nullable=True),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("received_from", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Index(None, "lead_id", "at"),
    sa.Index(None, "kind", "at"),
    sqlite_autoincrement=True,
)
"""What sales did and what became of leads; append-only. `digest` tells a repeat from a clash."""

LINES = sa.Table(
    "lines",
    METADATA,
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("model_name", sa.String(200), primary_key=True),
    sa.Column("model_digest", sa.String(64), primary_key=True),
    sa.Column("line", sa.Double, nullable=False),
    sa.Column("tie_share", sa.Double, nullable=False),
    sa.Column("break_even", sa.Double, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("expected_arrivals", sa.Double, nullable=False),
    sa.Column("audit_probability", sa.Double, nullable=False),
    sa.Column("n_scores", sa.Integer, nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
)
"""The hand-off line of each week (its Monday): drawn once, the same for every worker."""

KEYS = sa.Table(
    "keys",
    METADATA,
    sa.Column("key_id", sa.String(8), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(200), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("made_by", sa.String(200), nullable=False),
    sa.Column("expires_at", UtcTime, nullable=True),
    sa.Column("revoked_at", UtcTime, nullable=True),
    sa.Column("last_used_at", UtcTime, nullable=True),
)

ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("scopes", sa.String(200), nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("disabled_at", UtcTime, nullable=True),
)

SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("account", sa.String(200), nullable=False),
    sa.Column("made_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Index(None, "account"),
)

ACTIONS = sa.Table(
    "actions",
    METADATA,
    _id(),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)
"""Who approved, made a key, exported or deleted, and when; never whose lead it was."""

REMOVALS = sa.Table(
    "removals",
    METADATA,
    sa.Column("lead_sha256", sa.String(64), primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index(None, "at"),
)
"""Which leads were deleted in the last minutes, for whoever still writes what came before."""

DELETIONS = sa.Table("deletions", METADATA, _id(), sqlite_autoincrement=True)
"""One row, a new one with each transaction that deleted scores or events: its number tells."""
