"""Write every file of the folder `data`.

Owns the order, the formats of the files, and the copy of the directory into PostgreSQL.
"""

import gzip
import io
import json
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from sqlalchemy import create_engine, delete, make_url, select
from tests.storage.postgresql import fresh_database
from tests.upgrade.generator.client import fill_home
from tests.upgrade.generator.directory import Scene, delegate, furnish, leave_pending, open_sessions, revoke
from tests.upgrade.generator.identity import MASTER_KEY, PARTNER, PUBLIC_URL, Keys, account_details, identity_file

from daypass.config import Config
from daypass.directory import records
from daypass.directory.records import kinds_by_name
from daypass.mint.exchange_token import ExchangeToken
from daypass.mint.session import Session
from daypass.storage.master_key import MasterKeySource
from daypass.storage.open import open_store
from daypass.storage.schema import VERSIONS
from daypass.storage.sql import tables
from daypass.system_clock import SystemClock
from daypass.testing.server import running_server
from daypass.wiring_store import open_everything

_NOTE = "# Test data of version 0.1.0: made by tests/upgrade/generator. Its keys open nothing anywhere.\n"


def main(target: str) -> None:
    """Write all files into a folder."""
    folder, keys = Path(target), Keys()
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(identity_file(keys), sort_keys=False, width=110)
    (folder / "identity.yaml").write_text(_NOTE + text)
    (folder / "account-details.json").write_text(json.dumps(account_details(), indent=1) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        database = Path(scratch) / "daypass.db"
        _write_directory(folder, keys, database, Path(scratch) / "home")
        _write_database(folder, database)
        _write_dump(folder, database)


def _write_directory(folder: Path, keys: Keys, database: Path, home: Path) -> None:
    config = Config(public_url=PUBLIC_URL)
    with running_server(store=f"sqlite:///{database}", account=PARTNER, config=config, master_key=MASTER_KEY) as server:
        server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
        scene = Scene(server, keys, folder)
        furnish(scene)
        open_sessions(scene)
        delegate(scene)
        revoke(scene)
        answers = fill_home(scene, home)
        leave_pending(scene)
        now, url = server.clock.now(), scene.server.url
    credentials = {
        "master_key": MASTER_KEY,
        "now": now.isoformat(),
        "url": url,
        "secrets": scene.secrets,
        "roots": scene.roots,
        "sessions": scene.sessions,
        "kept": answers,
        **scene.more,
    }
    _write_packed(folder / "credentials.json.gz", json.dumps(credentials, indent=1).encode())
    _write_home(folder / "home.tar.gz", home)
    _write_packed(folder / "records.json.gz", json.dumps(_records(database), indent=1, sort_keys=True).encode())
    _write_json(folder / "counts.json", _counts(database))
    _write_json(folder / "layouts.json", _layouts())


def _counts(database: Path) -> dict[str, int]:
    """Return the number of records of each kind."""
    found: dict[str, int] = {}
    for record in _rows(database, tables.records):
        found[record["kind"]] = found.get(record["kind"], 0) + 1
    return dict(sorted(found.items()))


def _records(database: Path) -> dict[str, Any]:
    """Return every entity as plain values, by kind and by account and key."""
    opened = open_everything(
        Config(store=f"sqlite:///{database}"), MasterKeySource(text=MASTER_KEY), clock=SystemClock()
    )
    found: dict[str, Any] = {}
    with opened.store.read() as reader:
        for name, type_ in sorted(kinds_by_name().items()):
            for record in reader.page(name, None, limit=1000):
                # A mapping of all fields: the struct itself would omit those with their default.
                entity = json.loads(msgspec.json.encode(msgspec.structs.asdict(records.to_entity(type_, record))))
                found.setdefault(name, {})[f"{record.account}/{record.key}"] = entity
    opened.store.close()
    return found


def _layouts() -> dict[str, Any]:
    """Return the JSON Schemas of all stored and sealed values, by their stored name."""
    kinds = dict(sorted(kinds_by_name().items()))
    stored, shared = msgspec.json.schema_components([*kinds.values(), Session, ExchangeToken])
    named = dict(zip([*kinds, "session token", "trade-in token"], stored, strict=True))
    return {"schema_versions": list(VERSIONS), "kinds": named, "$defs": {k: _bare(v) for k, v in shared.items()}}


def _bare(value: Any) -> Any:
    """Remove the prose from a schema."""
    if isinstance(value, dict):
        return {
            name: _bare(member) for name, member in value.items() if name != "description" or isinstance(member, dict)
        }
    return [_bare(member) for member in value] if isinstance(value, list) else value


def _rows(database: Path, table: Any) -> list[dict[str, Any]]:
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    engine.dispose()
    return rows


def _write_database(folder: Path, database: Path) -> None:
    engine = create_engine(f"sqlite:///{database}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    _write_packed(folder / "daypass.db.gz", database.read_bytes())


def _write_dump(folder: Path, database: Path) -> None:
    """Create the tables in PostgreSQL with the old code, copy the rows, and dump them."""
    with fresh_database() as url:
        open_store(url, clock=SystemClock()).close()
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            for table in tables.metadata.sorted_tables:
                connection.execute(delete(table))
                rows = _rows(database, table)
                if rows:
                    connection.execute(table.insert(), rows)
        engine.dispose()
        words = ("--no-owner", "--no-privileges", "--rows-per-insert=50", "--encoding=UTF8")
        dump = subprocess.run(["pg_dump", *words, url], check=True, capture_output=True).stdout
    # psql's own commands, which a driver does not know, and the version's comments are omitted.
    kept = [line for line in dump.splitlines() if line and not line.startswith((b"--", b"\\"))]
    _write_packed(folder / "daypass.sql.gz", b"\n".join(kept) + b"\n")


def _write_home(target: Path, home: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(home.rglob("*")):
            if path.is_file():
                entry = archive.gettarinfo(str(path), str(path.relative_to(home)))
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                archive.addfile(entry, io.BytesIO(path.read_bytes()))
    _write_packed(target, packed.getvalue())


def _write_packed(target: Path, content: bytes) -> None:
    target.write_bytes(gzip.compress(content, mtime=0))


def _write_json(target: Path, value: Any) -> None:
    target.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
