"""The first tables.

They are for records, links, their counts, claims, the revision and the log of changes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _name() -> sa.Text:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables of an empty store and its revision row."""
    _create_directory()
    _create_bookkeeping()


def _create_directory() -> None:
    op.create_table(
        "records",
        sa.Column("kind", _name(), nullable=False),
        sa.Column("account", _name(), nullable=False),
        sa.Column("key", _name(), nullable=False),
        sa.Column("sort", _name(), nullable=False),
        sa.Column("unique_id", _name(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "account", "key", name="records_pk"),
        sa.UniqueConstraint("unique_id", name="records_unique_id_unique"),
        sa.UniqueConstraint("kind", "account", "sort", name="records_kind_account_sort_unique"),
    )
    op.create_table(
        "links",
        sa.Column("kind", _name(), nullable=False),
        sa.Column("source", _name(), nullable=False),
        sa.Column("target", _name(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "source", "target", name="links_pk"),
    )
    op.create_index("links_kind_target_source", "links", ["kind", "target", "source"], unique=True)
    op.create_table(
        "counts",
        sa.Column("kind", _name(), nullable=False),
        sa.Column("account", _name(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "account", name="counts_pk"),
    )


def _create_bookkeeping() -> None:
    op.create_table(
        "claims",
        sa.Column("key", _name(), nullable=False),
        sa.Column("kept_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="claims_pk"),
    )
    op.create_index("claims_kept_until", "claims", ["kept_until"])
    revisions = op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="revision_pk"),
    )
    op.bulk_insert(revisions, [{"id": 1, "number": 0}])
    op.create_table(
        "changes",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("touched", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("revision", name="changes_pk"),
    )
