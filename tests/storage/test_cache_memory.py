"""A cached role takes little memory: a server keeps fifty thousand of them.

Allocations are counted, which are the same on every machine.
"""

import gc
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.identity import load_role
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store
from daypass.system_clock import SystemClock

_ACCOUNT = "111122223333"
_BEFORE, _MEASURED = 50, 200
_MOST_BYTES = 4500  # 3480 on Python 3.11; the resident memory is about a tenth more


def _role(number: int) -> Role:
    """Return a role with a trust policy of its own."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{_ACCOUNT}:user/user-{number}"},
        "Action": "sts:AssumeRole",
    }
    return Role(
        account=_ACCOUNT,
        id=f"AROA{number:017d}",
        name=f"role-{number}",
        path="/",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        trust=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def test_a_cached_role_takes_little_memory(tmp_path: Path) -> None:
    """Each role has its own trust policy, which is parsed and compiled in the cache."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", clock=SystemClock())
    with store.write() as writer:
        for number in range(_BEFORE + _MEASURED):
            records.insert(writer, _role(number))
    cache = StoreCache(store)
    cache.poll()
    for number in range(_BEFORE):
        assert cache.find_or_load(load_role, (_ACCOUNT, f"role-{number}")) is not None
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(_BEFORE, _BEFORE + _MEASURED):
            cache.find_or_load(load_role, (_ACCOUNT, f"role-{number}"))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / _MEASURED <= _MOST_BYTES
    store.close()
