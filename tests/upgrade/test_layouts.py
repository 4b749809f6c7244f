"""Version 0.1.0 can read all data of the present version: old and new nodes share a store.

`data/layouts.json` has the JSON Schemas of all values that it stored or sealed. A new field of a record is allowed,
since an old node ignores it; a new field of a token is not, since the old decoder refuses it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from tests.upgrade.conftest import DATA, MEMBER, PARTNER, PUBLIC_URL
from tests.upgrade.generator.directory import Scene, delegate, furnish, leave_pending, open_sessions, revoke
from tests.upgrade.generator.identity import MASTER_KEY, Keys, identity_file

from daypass.config import Config
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.mint.purpose import Purpose
from daypass.mint.seal import unseal
from daypass.testing.clock import MovableClock
from daypass.testing.server import running_server

LAYOUTS = json.loads((DATA / "layouts.json").read_text())


def complaints(kind: str, value: Any) -> list[str]:
    """Return the parts of a value that the old version could not read."""
    schema = {**LAYOUTS["kinds"][kind], "$defs": LAYOUTS["$defs"]}
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Write the data of the generator with the present version."""
    folder: Path = tmp_path_factory.mktemp("written")
    (folder / "account-details.json").write_bytes((DATA / "account-details.json").read_bytes())
    clock = MovableClock()
    clock.freeze(datetime.now(UTC).replace(microsecond=0))
    keys, config = Keys(), Config(public_url=PUBLIC_URL)
    store = f"sqlite:///{folder}/new.db"
    (folder / "identity.yaml").write_text(json.dumps(identity_file(keys)))
    with running_server(store=store, account=PARTNER, config=config, master_key=MASTER_KEY, clock=clock) as server:
        scene = Scene(server, keys, folder)
        for write in (furnish, open_sessions, delegate, revoke, leave_pending):
            write(scene)
        yield scene


@pytest.mark.slow
def test_an_old_node_reads_every_record(written: Scene) -> None:
    """It has the required fields, of known types, and without unknown values."""
    seen = set()
    with written.server.there.store.read() as reader:
        for kind in LAYOUTS["kinds"]:
            for record in reader.page(kind, None, limit=1000):
                seen.add(kind)
                assert complaints(kind, json.loads(record.body)) == [], (kind, record.key)
    not_stored = {"session token", "trade-in token"}
    of_a_stopped_server = {"last_use"}  # written every few seconds, and when a server stops
    assert seen | not_stored | of_a_stopped_server == set(LAYOUTS["kinds"])


def test_an_old_node_opens_every_session_token(written: Scene) -> None:
    """Each field is in its old place, no field was added, and the kind is known."""
    with written.server.there.store.read() as reader:
        sealing_ring = load_sealing_ring(reader, written.server.there.vault)
    assert len(written.sessions) > 10
    for name, session in written.sessions.items():
        keys = session["keys"]
        payload = unseal(Purpose.SESSION, keys["SessionToken"], bound_to=keys["AccessKeyId"], sealing_ring=sealing_ring)
        assert complaints("session token", texts(msgspec.msgpack.decode(payload))) == [], name


def test_an_old_node_opens_an_exchange_token(written: Scene) -> None:
    """A new node may send a request, and an old one redeem it."""
    with written.server.there.store.read() as reader:
        sealing_ring = load_sealing_ring(reader, written.server.there.vault)
    for token in written.more["trade_in_tokens"].values():
        payload = unseal(Purpose.TRADE_IN, token, bound_to=PARTNER, sealing_ring=sealing_ring)
        assert complaints("trade-in token", msgspec.msgpack.decode(payload)) == []


def texts(value: Any) -> Any:
    """Return a value with strings in place of bytes, as JSON Schema has no bytes."""
    if isinstance(value, bytes):
        return value.hex()
    return [texts(member) for member in value] if isinstance(value, list) else value


def test_the_comparison_sees_what_an_old_node_refuses() -> None:
    """It detects an added field in a token, a missing field in a record, and a new kind of session."""
    token = ["role", MEMBER, "AROA", "r", "s", "ASIA", ["secret"], 1, 2, ""]
    assert complaints("session token", token) == []
    assert complaints("session token", ["robot", *token[1:]])
    longest = [*token, "", [], {}, [], "", None, "", {}, False, "", "", "", ""]
    assert complaints("session token", longest) == []
    assert complaints("session token", [*longest, "more"])
    assert complaints("organization", {"id": "o-1", "root": "r-1"})
    assert complaints("organization", {"id": "o-1", "root": "r-1", "manager": MEMBER, "new": 1}) == []
