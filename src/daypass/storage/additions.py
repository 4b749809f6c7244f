"""Additions to the tables that version 0.1.0's nodes need not know.

Owns columns, tables and triggers that are added when a store is opened, without a new version of the tables: nodes of
0.1.0 start and run on the same store, before and after. An addition therefore only adds, and the database itself fills
what an old node does not write. Leaves the tables of a version to migrations/.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Addition:
    """One addition, for SQLite and PostgreSQL.

    `is_there` is an expression of SQL that is 1 if the store has it.
    """

    is_there: dict[str, str]
    statements: dict[str, tuple[str, ...]]


_CREATE_LAST_USES = """CREATE TABLE last_uses (
    unique_id TEXT{collation} NOT NULL, account TEXT{collation} NOT NULL, at BIGINT NOT NULL,
    region TEXT NOT NULL, service TEXT NOT NULL, CONSTRAINT last_uses_pk PRIMARY KEY (unique_id))"""

# A nonce for each write, see history.py. The default is evaluated once a row, for the old rows too.
_NONCE = Addition(
    is_there={
        "sqlite": """(SELECT count(*) FROM pragma_table_info('changes') WHERE name = 'nonce')
            * (SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name = 'changes_nonce')""",
        "postgresql": """(SELECT count(*) FROM pg_attribute
            WHERE attrelid = to_regclass('changes') AND attname = 'nonce' AND atthasdef AND NOT attisdropped)""",
    },
    statements={
        "sqlite": (
            "ALTER TABLE changes ADD COLUMN nonce BLOB",
            "UPDATE changes SET nonce = randomblob(16)",
            """CREATE TRIGGER changes_nonce AFTER INSERT ON changes WHEN NEW.nonce IS NULL BEGIN
            UPDATE changes SET nonce = randomblob(16) WHERE revision = NEW.revision; END""",
        ),
        # Not gen_random_uuid(), which PostgreSQL 12 does not have. The value must be unique, not secret.
        "postgresql": (
            """ALTER TABLE changes ADD COLUMN nonce BYTEA
            DEFAULT decode(md5(random()::text || clock_timestamp()::text || txid_current()::text), 'hex')""",
        ),
    },
)

# The last uses of keys and roles, which version 0.1.0 writes as records; see sql/use_records.py.
_LAST_USES = Addition(
    is_there={
        "sqlite": "(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'last_uses')",
        "postgresql": "(SELECT count(*) FROM pg_class WHERE oid = to_regclass('last_uses'))",
    },
    statements={
        "sqlite": (_CREATE_LAST_USES.format(collation=""),),
        "postgresql": (_CREATE_LAST_USES.format(collation=' COLLATE "C"'),),
    },
)

ADDITIONS = (_NONCE, _LAST_USES)


def missing_additions(connection: Connection) -> list[Addition]:
    """Return the additions that the tables lack, with one query."""
    dialect = connection.dialect.name
    columns = ", ".join(addition.is_there[dialect] for addition in ADDITIONS)
    found = connection.execute(text(f"SELECT {columns}")).one()
    return [addition for addition, is_there in zip(ADDITIONS, found, strict=True) if not is_there]


def apply_additions(connection: Connection) -> None:
    """Add what is missing. The caller holds the lock of migrations."""
    for addition in missing_additions(connection):
        for statement in addition.statements[connection.dialect.name]:
            connection.execute(text(statement))
