"""Open a store with its implementation, master key and first key ring.

Owns the order of opening, for the server, the gateway and the operators' commands. It imports nothing of the server, so
that the other two stay small.
"""

import os
from pathlib import Path

from daypass.config import Config
from daypass.directory.store import Store
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.mint.sealing_keys import first_sealing_ring
from daypass.ports import Clock
from daypass.storage.address import Address, parse_address, parse_replica
from daypass.storage.master_key import MasterKeySource, find_master_key
from daypass.storage.open import open_address
from daypass.storage.vault import Vault, open_vault
from daypass.storage.views import OpenedStore
from daypass.system_clock import SystemClock


def open_everything(config: Config, keys: MasterKeySource, *, clock: Clock | None = None) -> OpenedStore:
    """Open the store and its vault. Create a key ring if it is missing.

    Raises StoreOpenError.
    """
    clock = clock or SystemClock()
    address = parse_address(config.store_url)
    replica = parse_replica(config.read_store) if config.read_store else None
    store = open_address(address, clock=clock, connections=config.store_connections, replica=replica)
    vault = _open_vault(store, address, keys)
    with store.read() as reader:
        has_ring = bool(load_sealing_ring(reader, vault).keys)
    if not has_ring:
        with store.write() as writer:
            if not load_sealing_ring(writer, vault).keys:
                save_sealing_ring(
                    writer, first_sealing_ring(now=int(clock.now().timestamp()), entropy=os.urandom), vault
                )
    return OpenedStore(store, vault, clock, os.urandom)


def _open_vault(store: Store, address: Address, keys: MasterKeySource) -> Vault:
    with store.read() as reader:
        store_is_empty = reader.revision() == 0
    master_key = find_master_key(
        address, text=keys.text or None, file=Path(keys.file) if keys.file else None, store_is_empty=store_is_empty
    )
    return open_vault(store, master_key)
