"""Recorded scores, and approvals of model versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "predictions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("lead_id", sa.String(200), nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
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
        sqlite_autoincrement=True,
    )
    op.create_index("ix_predictions_lead_id_as_of", "predictions", ["lead_id", "as_of"])
    op.create_index("ix_predictions_recorded_at", "predictions", ["recorded_at"])
    op.create_table(
        "approvals",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("model_name", sa.String(200), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("approved_by", sa.String(200), nullable=False),
        sa.Column("approved_at", _TIME, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop both tables, with all that was recorded."""
    op.drop_table("approvals")
    op.drop_table("predictions")
