"""The server rotates its sealing keys by itself, and destroys what nothing needs any more."""

from datetime import UTC, datetime, timedelta

from daypass.directory.ring import load_ring
from daypass.testing.server import RunningServer
from daypass.upkeep import KeyUpkeep


def key_ids(server: RunningServer) -> list[str]:
    """Return the ids of the ring's keys, oldest first."""
    with server.there.store.read() as reader:
        return [key.id for key in load_ring(reader, server.there.vault).keys]


def upkeep(server: RunningServer, days: int = 90) -> KeyUpkeep:
    """Return what a server runs once a minute."""
    there = server.there
    return KeyUpkeep(there.store, there.vault, there.clock, there.entropy, rotate_days=days)


def test_an_old_key_is_succeeded_and_then_destroyed(daypass_server: RunningServer) -> None:
    """A key is published before it is used, and goes once the last token that it can have sealed has expired."""
    clock, tending = daypass_server.clock, upkeep(daypass_server)
    clock.freeze(datetime.now(UTC))
    (first,) = key_ids(daypass_server)
    clock_start = clock.now()
    tending.tend()
    assert key_ids(daypass_server) == [first]
    _skip_to(daypass_server, clock_start + timedelta(days=90))
    tending.tend()
    tending.tend()
    assert len(key_ids(daypass_server)) == 2
    with daypass_server.there.store.read() as reader:
        ring = load_ring(reader, daypass_server.there.vault)
    handover = datetime.fromtimestamp(ring.keys[1].activates, UTC)
    assert handover - clock.now() <= timedelta(seconds=60)
    _skip_to(daypass_server, handover + timedelta(seconds=129_600 + 299))
    tending.tend()
    assert len(key_ids(daypass_server)) == 2
    _skip_to(daypass_server, handover + timedelta(seconds=129_600 + 300))
    tending.tend()
    assert key_ids(daypass_server) == [ring.keys[1].id]


def _skip_to(server: RunningServer, instant: datetime) -> None:
    server.clock.freeze(instant)


def test_zero_days_is_never(daypass_server: RunningServer) -> None:
    """An operator who rotates by hand is left alone."""
    daypass_server.clock.move(timedelta(days=3650))
    upkeep(daypass_server, days=0).tend()
    assert len(key_ids(daypass_server)) == 1
