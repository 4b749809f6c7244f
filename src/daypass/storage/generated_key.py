"""Rotate the master key that Daypass generated beside a SQLite store.

Owns the order of the steps, after each of which the file opens the store:

1. Write the new key to `master.key.new`.
2. Let it open the store beside the old one.
3. Put it in the place of the old file, in one step.
4. Let it alone open the store.

A run that was killed is repeated, and continues with the step that is missing.
"""

from pathlib import Path

import msgspec

from daypass.directory.store import Store
from daypass.storage.keyring import unlock
from daypass.storage.master_key import MasterKey, generate_master_key, make_durable, read_master_key
from daypass.storage.refusals import WrongMasterKeyError
from daypass.storage.rotation import add_master_key, finish_master_key, get_keyring

_ADDED = ".new"


def rotate_generated_key(store: Store, file: Path) -> MasterKey:
    """Replace the key in a file, and return the new one.

    Raises StoreOpenError.
    """
    present, added = read_master_key(file), file.with_name(file.name + _ADDED)
    if _is_new(store, present):  # a run ended before the last step
        finish_master_key(store, present)
        return present
    if not added.exists():
        generate_master_key(added)
    made = read_master_key(added)
    add_master_key(store, present, made)
    added.replace(file)
    make_durable(file.parent)
    finish_master_key(store, made)
    return made


def _is_new(store: Store, key: MasterKey) -> bool:
    keyring = get_keyring(store)
    if not keyring.next:
        return False
    try:
        unlock(msgspec.structs.replace(keyring, wrappings=keyring.next, next=()), key)
    except WrongMasterKeyError:
        return False
    return True
