"""Alembic's entry: runs the steps on the connection that schema.py hands over, inside its transaction."""

from alembic import context

from daypass.storage.schema import VERSION_TABLE
from daypass.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too: schema.py began the transaction, and half a step is never kept
)
with context.begin_transaction():
    context.run_migrations()
