"""Which leads were deleted of late, that some were, and ids in the form that is compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.store.id_forms import keep_ids_in_one_form

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and rewrite ids that were kept as they came."""
    op.create_table(
        "removals",
        sa.Column("lead_sha256", sa.String(64), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_removals_at", "removals", ["at"])
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "deletions",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sqlite_autoincrement=True,
    )
    keep_ids_in_one_form(op.get_bind())


def downgrade() -> None:
    """Drop them; the ids stay, since how they were written is not known any more."""
    op.drop_table("deletions")
    op.drop_table("removals")
