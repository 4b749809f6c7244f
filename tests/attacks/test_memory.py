"""What callers invent takes no more memory than it is given."""

import json

from daypass.directory.identity import load_session_policies
from daypass.directory.store import WouldBlock
from daypass.storage.cache import Cache
from daypass.storage.memory import MemoryStore
from daypass.testing.clock import MovableClock


def session_policy(number: int) -> str:
    """Return a session policy of the greatest length and of many statements, unlike any other."""
    statements = [{"Effect": "Allow", "Action": f"s3:*{number}{one}", "Resource": "*"} for one in range(30)]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_invented_session_policies_are_weighed_by_what_they_become() -> None:
    """Whoever may assume a role may invent a session policy for each request; compiled, each takes fifty kilobytes."""
    cache = Cache(MemoryStore(MovableClock()), max_bytes=2**20)
    policies = [session_policy(number) for number in range(200)]
    kept = 0
    for policy in policies:
        cache.loading.get(load_session_policies, (), policy)
    for policy in policies:
        try:
            cache.cached_only.get(load_session_policies, (), policy)
        except WouldBlock:
            continue
        kept += 1
    assert 1 <= kept <= 2**20 // (20 * len(policies[0]))
