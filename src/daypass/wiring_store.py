"""Open a store with its implementation, master key and first key ring.

Owns the order of opening, for the server, the gateway and the operators' commands. It imports nothing of the server, so
that the other two stay small.
"""

import os
from typing import TYPE_CHECKING

from daypass.config import Config
from daypass.directory.store import Store
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.ports import Clock
from daypass.storage.address import Address, parse_address, parse_replica
from daypass.storage.master_key import MasterKeySource, find_wrapping_provider
from daypass.storage.open import open_address
from daypass.storage.refusals import WrongMasterKeyError
from daypass.storage.vault import Vault, open_vault
from daypass.storage.views import OpenedStore
from daypass.system_clock import SystemClock

if TYPE_CHECKING:
    from daypass.storage.wrapping.provider import WrappingProvider


def open_everything(config: Config, keys: MasterKeySource, *, clock: Clock | None = None) -> OpenedStore:
    """Open the store and its vault. Create a key ring if it is missing.

    Raises StoreOpenError.
    """
    clock = clock or SystemClock()
    address = parse_address(config.store_url)
    replica = parse_replica(config.read_store) if config.read_store else None
    store = open_address(address, clock=clock, connections=config.store_connections, replica=replica)
    vault, _ = open_with_provider(store, address, keys)
    with store.read() as reader:
        has_ring = bool(load_sealing_ring(reader, vault).keys)
    if not has_ring:
        with store.write() as writer:
            if not load_sealing_ring(writer, vault).keys:
                save_sealing_ring(
                    writer, first_sealing_ring(now=int(clock.now().timestamp()), entropy=os.urandom), vault
                )
    return OpenedStore(store, vault, clock, os.urandom)


def open_without_ring(config: Config, keys: MasterKeySource) -> OpenedStore:
    """Open the store and its vault alone.

    So a damaged key ring can be examined. Raises StoreOpenError.
    """
    clock, address = SystemClock(), parse_address(config.store_url)
    store = open_address(address, clock=clock, connections=config.store_connections)
    return OpenedStore(store, open_with_provider(store, address, keys)[0], clock, os.urandom)


def open_with_provider(store: Store, address: Address, keys: MasterKeySource) -> "tuple[Vault, WrappingProvider]":
    """Return the vault of a store, and the master key that opened it.

    Raises StoreOpenError.
    """
    with store.read() as reader:
        is_empty = reader.revision() == 0
    provider = find_wrapping_provider(address, keys, store_is_empty=is_empty)
    try:
        return open_vault(store, provider), provider
    except WrongMasterKeyError:
        # A rotation may have replaced the file since it was read.
        again = find_wrapping_provider(address, keys, store_is_empty=False)
        if again == provider:
            raise
        return open_vault(store, again), again
