"""The tables of the service's own database; `migrations` builds them."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

__all__ = ["METADATA", "APPROVALS", "PREDICTIONS", "UtcTime"]


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

PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
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
    sa.Index(None, "lead_id", "as_of"),
    sa.Index(None, "recorded_at"),
    sqlite_autoincrement=True,
)

APPROVALS = sa.Table(
    "approvals",
    METADATA,
    sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("model_name", sa.String(200), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("approved_by", sa.String(200), nullable=False),
    sa.Column("approved_at", UtcTime, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
