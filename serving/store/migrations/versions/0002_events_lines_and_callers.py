"""Events, the week's line, keys, accounts, sessions, actions; audit and channel of a score."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)
_ADDED = ("channel", "line", "audit_probability", "is_audited")


def upgrade() -> None:
    """Make the tables, and add the columns."""
    op.add_column("predictions", sa.Column("channel", sa.String(200), nullable=True))
    op.add_column("predictions", sa.Column("line", sa.Double, nullable=True))
    op.add_column("predictions", sa.Column("audit_probability", sa.Double, nullable=True))
    op.add_column(
        "predictions",
        sa.Column("is_audited", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("approvals", sa.Column("manifest_digest", sa.String(64), nullable=True))
    _make_events()
    op.create_table(
        "lines",
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
        sa.Column("made_at", _TIME, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key_id", sa.String(8), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("last_used_at", _TIME, nullable=True),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME, nullable=True),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
    )
    op.create_index("ix_sessions_account", "sessions", ["account"])
    op.create_table(
        "actions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("lead_id", sa.String(200), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(200), nullable=True),
        sa.Column("amount", sa.Double, nullable=True),
        sa.Column("actor", sa.String(200), nullable=True),
        sa.Column("source", sa.String(200), nullable=True),
        sa.Column("return_on", sa.Date, nullable=True),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("received_from", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_lead_id_at", "events", ["lead_id", "at"])
    op.create_index("ix_events_kind_at", "events", ["kind", "at"])


def downgrade() -> None:
    """Drop what was made, with all that was recorded in it."""
    for table in ("actions", "sessions", "accounts", "keys", "lines", "events"):
        op.drop_table(table)
    with op.batch_alter_table("approvals") as approvals:
        approvals.drop_column("manifest_digest")
    with op.batch_alter_table("predictions") as predictions:
        for name in _ADDED:
            predictions.drop_column(name)
