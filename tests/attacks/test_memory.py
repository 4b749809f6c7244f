"""Invented values of callers take a limited amount of memory."""

import gc
import json

from tests.http.raw import WHO, signed

from daypass.directory.identity import load_session_policies
from daypass.directory.store import WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.memory import MemoryStore
from daypass.testing.clock import MovableClock
from daypass.testing.server import Recorder, RunningServer
from daypass.wire.http import HttpRequest
from daypass.wiring import build_app


def session_policy(number: int) -> str:
    """Return a different session policy of maximum size with many statements."""
    statements = [{"Effect": "Allow", "Action": f"s3:*{number}{one}", "Resource": "*"} for one in range(30)]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_invented_session_policies_are_weighed_by_what_they_become() -> None:
    """A compiled session policy takes fifty kilobytes.

    A caller who may assume a role can invent one for each request.
    """
    cache = StoreCache(MemoryStore(MovableClock()), max_bytes=2**20)
    policies = [session_policy(number) for number in range(200)]
    kept = 0
    for policy in policies:
        cache.loading.get(load_session_policies, (), policy)
    for policy in policies:
        try:
            cache.cached_only.get(load_session_policies, (), policy)
        except WouldBlockError:
            continue
        kept += 1
    assert 1 <= kept <= 2**20 // (20 * len(policies[0]))


def test_invented_session_policies_push_out_those_of_their_own_account_alone() -> None:
    """Another account's session policy stays, although it was used before all of them."""
    cache = StoreCache(MemoryStore(MovableClock()), max_bytes=2**20)
    own = cache.loading.get(load_session_policies, (), session_policy(0), "111111111111")
    for number in range(200):
        cache.loading.get(load_session_policies, (), session_policy(number), "222222222222")
    assert cache.cached_only.get(load_session_policies, (), session_policy(0), "111111111111") is own


def test_a_refused_request_is_not_kept(daypass_server: RunningServer) -> None:
    """A refused request leaves the memory with its response, not with a search for reference cycles."""
    sink = Recorder()
    app = build_app(daypass_server.config, daypass_server.there, sink=sink)
    body, headers = signed(daypass_server, WHO, extra={"X-Amz-Security-Token": "A" * 1_000})
    named = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(each, HttpRequest) for each in gc.get_objects())
        for _ in range(5):
            request = HttpRequest("POST", b"/", b"", named, body, "127.0.0.1", secure=False)
            assert app.pipeline.answer(request, "id", app.blocking).status == 403
        del request
        sink.audit_records.clear()
        assert sum(isinstance(each, HttpRequest) for each in gc.get_objects()) == before
    finally:
        gc.enable()
