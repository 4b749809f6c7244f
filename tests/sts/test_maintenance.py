"""The server rotates its sealing keys by itself, and destroys keys that are not needed any more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from daypass.config import Config
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.key_maintenance import KeyMaintenance
from daypass.storage.master_key import MasterKeySource
from daypass.testing.clock import MovableClock
from daypass.testing.server import RunningServer, running_server
from daypass.wiring_store import open_everything


def key_ids(server: RunningServer) -> list[str]:
    """Return the ids of the ring's keys, oldest first."""
    with server.there.store.read() as reader:
        return [key.id for key in load_sealing_ring(reader, server.there.vault).keys]


def maintenance(server: RunningServer, days: int = 90) -> KeyMaintenance:
    """Return the maintenance that a server runs once a minute."""
    there = server.there
    return KeyMaintenance(there.store, there.vault, there.clock, there.entropy, rotate_days=days)


def test_an_old_key_is_succeeded_and_then_destroyed(daypass_server: RunningServer) -> None:
    """A key is published before it is used, and destroyed when the last token that it may have sealed has expired."""
    clock, tending = daypass_server.clock, maintenance(daypass_server)
    clock.freeze(datetime.now(UTC))
    (first,) = key_ids(daypass_server)
    clock_start = clock.now()
    tending.maintain()
    assert key_ids(daypass_server) == [first]
    _skip_to(daypass_server, clock_start + timedelta(days=90))
    tending.maintain()
    tending.maintain()
    assert len(key_ids(daypass_server)) == 2
    with daypass_server.there.store.read() as reader:
        sealing_ring = load_sealing_ring(reader, daypass_server.there.vault)
    handover = datetime.fromtimestamp(sealing_ring.keys[1].activates, UTC)
    assert handover - clock.now() <= timedelta(seconds=60)
    _skip_to(daypass_server, handover + timedelta(seconds=129_600 + 299))
    tending.maintain()
    assert len(key_ids(daypass_server)) == 2
    _skip_to(daypass_server, handover + timedelta(seconds=129_600 + 300))
    tending.maintain()
    assert key_ids(daypass_server) == [sealing_ring.keys[1].id]


def _skip_to(server: RunningServer, instant: datetime) -> None:
    server.clock.freeze(instant)


def test_zero_days_is_never(daypass_server: RunningServer) -> None:
    """A server with this setting does not rotate keys."""
    daypass_server.clock.move(timedelta(days=3650))
    maintenance(daypass_server, days=0).maintain()
    assert len(key_ids(daypass_server)) == 1


def test_a_server_tends_its_ring_when_it_starts(tmp_path: Path) -> None:
    """A store that was not used for longer than a key may be active gets a new key with the first server."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    then = MovableClock()
    then.move(timedelta(days=-91))
    open_everything(Config(store=store), MasterKeySource(), clock=then).store.close()
    with running_server(store=store) as server:
        pass  # It has maintained the ring once before it stops.
    there = open_everything(server.config, MasterKeySource())
    with there.store.read() as reader:
        assert len(load_sealing_ring(reader, there.vault).keys) == 2
    there.store.close()
