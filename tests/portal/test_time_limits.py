"""Pending logins, choices and CLI sign-ins are valid before their end, and not in that second.

These tests need no browser and no server: they test the store at exact instants.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

import pytest
from starlette.requests import Request
from starlette.responses import Response

from daypass.authenticate.keychain import Keychain
from daypass.config import Config
from daypass.directory.store import Reader, RecordExistsError, RecordMissingError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.errors import ExpiredTokenException, Throttling
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn, NotRedeemedError
from daypass.portal.login import pending_login
from daypass.portal.login.pending_login import PendingLogin
from daypass.portal.roles import proven_sign_ins
from daypass.portal.roles.proven_sign_ins import ProvenSignIn
from daypass.sign_in import pending_records, short_codes
from daypass.storage.master_key import MasterKeySource
from daypass.testing.clock import MovableClock
from daypass.wiring_store import open_everything

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
MINUTES = 60
MOMENT = 0.000_001
# Seconds after the end, and whether the entry still exists.
ENDS = [(-1, True), (-MOMENT, True), (0, False), (MOMENT, False), (1, False)]


class Scene:
    """An in-memory store, as a request sees it at any instant."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.clock.freeze(NOW)
        self.there = open_everything(Config(store="memory:"), MasterKeySource(), clock=self.clock)

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the value of a loader now."""
        with self.there.store.read() as reader:
            return loader(reader, *args)

    def at(self, seconds: float = 0) -> RequestContext:
        """Return the request context at a number of seconds after the start."""
        self.clock.freeze(NOW + timedelta(seconds=seconds))
        vault = self.there.vault
        return RequestContext(
            self.clock.now(),
            "us-east-1",
            self,
            lambda: self.get(load_sealing_ring, vault),
            self.there.entropy,
            vault,
            Keychain(vault),
            ServiceSettings(),
            self.there.store.write,
            self.there.store.read,
        )


@pytest.fixture
def scene() -> Scene:
    """Return an empty store."""
    return Scene()


def try_code(typed: str, peer: str, ctx: RequestContext) -> CliSignIn | None:
    """Return the CLI sign-in of a typed code."""
    return short_codes.try_code(typed, peer, lambda reader, code: cli_sign_ins.find_by_code(reader, code, ctx), ctx)


def put(scene: Scene, value: bytes, *, at: float = 0, ends: float = 60) -> None:
    """Store a pending entry with the name "n"."""
    with scene.there.store.write() as writer:
        pending_records.put(writer, "n", value, ends=NOW + timedelta(seconds=ends), ctx=scene.at(at))


@pytest.mark.parametrize(("after", "waits"), ENDS)
def test_an_entry_exists_until_its_end(scene: Scene, after: float, *, waits: bool) -> None:
    """Cached reads, reads, changes and takes agree."""
    put(scene, b"first")
    ctx = scene.at(60 + after)
    expected = b"first" if waits else None
    assert pending_records.look("n", ctx=ctx) == expected
    with scene.there.store.write() as writer:
        assert pending_records.find(writer, "n", ctx=ctx) == expected
        if waits:
            pending_records.change(writer, "n", b"second", ctx=ctx)
        else:
            with pytest.raises(RecordMissingError):
                pending_records.change(writer, "n", b"second", ctx=ctx)
        assert pending_records.take(writer, "n", ctx=ctx) == (b"second" if waits else None)
        assert pending_records.take(writer, "n", ctx=ctx) is None


@pytest.mark.parametrize(("after", "taken"), ENDS)
def test_a_name_is_free_again_at_the_end(scene: Scene, after: float, *, taken: bool) -> None:
    """Until then the name is taken, and the entry is not replaced."""
    put(scene, b"first")
    if taken:
        with pytest.raises(RecordExistsError):
            put(scene, b"second", at=60 + after, ends=3_600)
        return
    put(scene, b"second", at=60 + after, ends=3_600)
    assert pending_records.look("n", ctx=scene.at(120)) == b"second"


def test_a_change_does_not_move_the_end(scene: Scene) -> None:
    """An approval in the last second does not extend the entry."""
    put(scene, b"first")
    with scene.there.store.write() as writer:
        pending_records.change(writer, "n", b"second", ctx=scene.at(59))
    assert pending_records.look("n", ctx=scene.at(59)) == b"second"
    assert pending_records.look("n", ctx=scene.at(60)) is None


@pytest.mark.parametrize(("after", "waits"), ENDS)
@pytest.mark.parametrize("ask", [proven_sign_ins.look, proven_sign_ins.take])
def test_a_choice_of_roles_waits_for_five_minutes(scene: Scene, ask: Any, after: float, *, waits: bool) -> None:
    """After that the proof is invalid, and the person signs in again."""
    ticket = proven_sign_ins.keep(ProvenSignIn("saml", "<response>"), scene.at())
    ctx = scene.at(5 * MINUTES + after)
    if waits:
        assert ask(ticket, ctx).text == "<response>"
        return
    with pytest.raises(ExpiredTokenException):
        ask(ticket, ctx)


@pytest.mark.parametrize(("after", "waits"), [(-1, True), (-MOMENT, True), (0, False), (MOMENT, False), (1, False)])
@pytest.mark.parametrize("kind", ["saml", "oidc"])
def test_a_sign_in_waits_ten_minutes_for_its_answer(scene: Scene, kind: Any, after: float, *, waits: bool) -> None:
    """A response in the last second is accepted, and one at the end is not."""
    ctx = scene.at()
    sign_in = PendingLogin(
        kind, pending_login.new_id(ctx), pending_login.last_second(ctx), "arn:aws:iam::123456789012:saml-provider/p"
    )
    response = pending_login.remember(Response(), sign_in, browser(), ctx, crosses_sites=kind == "saml")
    cookie = response.headers["set-cookie"].partition(";")[0]
    found = pending_login.find(browser(cookie), kind, sign_in.id, scene.at(10 * MINUTES + after))
    assert found == (sign_in if waits else None)


def test_an_answer_is_remembered_for_as_long_as_the_sign_in_could_take_it(scene: Scene) -> None:
    """Otherwise a response could be replayed after its record was deleted."""
    ctx = scene.at()
    sign_in = PendingLogin(
        "saml", pending_login.new_id(ctx), pending_login.last_second(ctx), "arn:aws:iam::123456789012:saml-provider/p"
    )
    assert pending_login.use_up(sign_in, scene.at(1))
    assert not pending_login.use_up(sign_in, scene.at(10 * MINUTES - 1))
    assert not pending_login.use_up(sign_in, scene.at(10 * MINUTES))


def browser(cookie: str = "") -> Request:
    """Return a request of a browser with a cookie."""
    headers = [(b"cookie", cookie.encode())] if cookie else []
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers})


PEER = "192.0.2.1"
CHALLENGE = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # of an empty verifier


def begin(scene: Scene) -> CliSignIn:
    """Start a CLI sign-in by code."""
    return cli_sign_ins.begin(CliSignIn("device", CHALLENGE, "", "192.0.2.1"), scene.at())


@pytest.mark.parametrize(("after", "waits"), ENDS)
def test_a_hand_over_waits_for_five_minutes(scene: Scene, after: float, *, waits: bool) -> None:
    """Until the end its code is valid, a click approves it and the command waits. Then it does not exist."""
    cli_sign_in = begin(scene)
    handle = cli_sign_ins.handle_of(cli_sign_in, scene.at())
    ctx = scene.at(5 * MINUTES + after)
    if waits:
        assert try_code(cli_sign_in.user_code, PEER, ctx) == cli_sign_in
        assert cli_sign_ins.find(handle, ctx) == cli_sign_in
        assert error_of(handle, ctx) == "authorization_pending"
        assert cli_sign_ins.settle(cli_sign_in.name, "approved", {"n": 1}, ctx).outcome == "approved"
        assert cli_sign_ins.redeem(handle, "", "", ctx)[0] == {"n": 1}
        return
    assert try_code(cli_sign_in.user_code, PEER, ctx) is None
    assert error_of(handle, ctx) == "expired_token"
    with pytest.raises(ExpiredTokenException):
        cli_sign_ins.find(handle, ctx)
    with pytest.raises(ExpiredTokenException):
        cli_sign_ins.settle(cli_sign_in.name, "approved", {}, ctx)


@pytest.mark.parametrize(("after", "waits"), ENDS)
def test_an_approved_cli_sign_in_is_redeemed_within_the_same_five_minutes(
    scene: Scene, after: float, *, waits: bool
) -> None:
    """Approval does not extend it."""
    cli_sign_in = begin(scene)
    handle = cli_sign_ins.handle_of(cli_sign_in, scene.at())
    cli_sign_ins.settle(cli_sign_in.name, "approved", {"n": 1}, scene.at(5 * MINUTES - 1))
    ctx = scene.at(5 * MINUTES + after)
    if waits:
        assert cli_sign_ins.redeem(handle, "", "", ctx)[0] == {"n": 1}
    assert error_of(handle, ctx) == "expired_token"


def error_of(handle: str, ctx: RequestContext) -> str:
    """Return the error of a redemption."""
    with pytest.raises(NotRedeemedError) as refused:
        cli_sign_ins.redeem(handle, "", "", ctx)
    return refused.value.error


def test_the_fifth_wrong_verifier_ends_a_hand_over(scene: Scene) -> None:
    """After four it is still pending; after the fifth it is deleted, also for the right verifier."""
    cli_sign_in, ctx = begin(scene), scene.at()
    handle = cli_sign_ins.handle_of(cli_sign_in, ctx)
    for wrong in range(1, 6):
        with pytest.raises(NotRedeemedError) as refused:
            cli_sign_ins.redeem(handle, "wrong", "", ctx)
        assert refused.value.error == "invalid_grant"
        assert error_of(handle, ctx) == ("authorization_pending" if wrong < 5 else "expired_token")


@pytest.mark.parametrize(("wrong", "may"), [(0, True), (4, True), (5, False), (6, False)])
def test_the_fifth_wrong_code_holds_an_address_back(scene: Scene, wrong: int, *, may: bool) -> None:
    """Then the right code is refused too. Other addresses are not affected."""
    cli_sign_in, ctx = begin(scene), scene.at()
    for number in range(wrong):
        with nullcontext() if number < 5 else pytest.raises(Throttling):
            assert try_code("BBBB-BBBB", PEER, ctx) is None
    with nullcontext() if may else pytest.raises(Throttling):
        assert try_code(cli_sign_in.user_code, PEER, ctx) == cli_sign_in
    assert try_code(cli_sign_in.user_code, "192.0.2.2", ctx) == cli_sign_in


def test_a_right_code_does_not_count_and_forgives_none(scene: Scene) -> None:
    """Four wrong codes stay four, however often a right one is entered between them."""
    cli_sign_in, ctx = begin(scene), scene.at()
    for _ in range(5):
        assert try_code(cli_sign_in.user_code, PEER, ctx) == cli_sign_in
        assert try_code("what is this", PEER, ctx) is None
    with pytest.raises(Throttling):
        try_code(cli_sign_in.user_code, PEER, ctx)


def test_codes_that_are_tried_at_once_are_counted_one_by_one(scene: Scene) -> None:
    """Twenty threads share five attempts: reading and incrementing the count are one transaction."""
    ctx, threads = scene.at(), 20
    start = threading.Barrier(threads)

    def try_one(_: int) -> bool:
        start.wait()
        try:
            return try_code("BBBB-BBBB", PEER, ctx) is None
        except Throttling:
            return False

    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(try_one, range(threads))) == 5


@pytest.mark.parametrize(("after", "held"), ENDS)
def test_an_address_is_held_back_for_five_minutes(scene: Scene, after: float, *, held: bool) -> None:
    """The time starts at the first wrong code, not at the fifth."""
    for second in range(5):
        try_code("BBBB-BBBB", PEER, scene.at(second))
    ctx = scene.at(5 * MINUTES + after)
    with pytest.raises(Throttling) if held else nullcontext():
        assert try_code("BBBB-BBBB", PEER, ctx) is None


def test_the_limits_are_what_the_documentation_says() -> None:
    """docs/handover.md and the pages contain these numbers."""
    assert [each.total_seconds() for each in (proven_sign_ins.MINUTES, cli_sign_ins.MINUTES)] == [300, 300]
    assert (cli_sign_ins.INTERVAL, cli_sign_ins.MOST_WRONG, short_codes.MOST_WRONG) == (2, 5, 5)
