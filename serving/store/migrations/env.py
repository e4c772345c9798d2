"""Run by Alembic: migrations over the connection that `Store.migrate` gives."""

from __future__ import annotations

from alembic import context

from serving.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
