"""Alembic's entry point.

It runs the steps on the connection of schema.py, inside its transaction.
"""

from alembic import context

from daypass.storage.schema import VERSION_TABLE
from daypass.storage.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too: schema.py began the transaction, and a partial step is never kept
)
with context.begin_transaction():
    context.run_migrations()
