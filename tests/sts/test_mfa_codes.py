"""Invariants of a device's state, for any history of codes and across nodes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sts.authenticator import enrol, new_device, new_user

from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.mint.totp import STEP, hotp
from daypass.operations.mfa_codes import FAILURES_TO_LOCK, Verdict, is_locked, present_code, synchronize
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

SEED = b"01234567890123456789"
NOW = 1_800_000_000
DEVICE = MfaDevice(serial="GAHT12345678", account="123456789012", created=datetime.now(UTC), sealed_seed=b"")

# Seconds between two attempts, and the drift of the code in steps; None is a code of no step.
attempts = st.lists(st.tuples(st.integers(0, 45), st.one_of(st.none(), st.integers(-4, 4))), max_size=60)


@settings(max_examples=60, deadline=None)
@given(attempts)
def test_no_code_is_accepted_twice_and_none_beyond_the_window(history: list[tuple[int, int | None]]) -> None:
    """Each accepted code belongs to a step of its own, at most two steps from its time."""
    device, now, accepted = DEVICE, NOW, set[int]()
    for pause, steps in history:
        now += pause
        step = now // STEP + (steps or 0)
        verdict, device = present_code(device, SEED, "x" if steps is None else hotp(SEED, step), now=now)
        if verdict is Verdict.ACCEPTED:
            assert steps is not None
            assert abs(steps) <= 2
            assert step not in accepted
            accepted.add(step)


@settings(max_examples=60, deadline=None)
@given(attempts)
def test_nine_failures_in_a_row_lock_and_nothing_else_does(history: list[tuple[int, int | None]]) -> None:
    """A locked device accepts no code, and its state does not change."""
    device, now, failures = DEVICE, NOW, 0
    for pause, steps in history:
        now += pause
        code = "x" if steps is None else hotp(SEED, now // STEP + steps)
        was_locked, before = is_locked(device), device
        verdict, device = present_code(device, SEED, code, now=now)
        assert was_locked == (failures >= FAILURES_TO_LOCK) == (verdict is Verdict.LOCKED)
        if was_locked:
            assert device is before
        failures = 0 if verdict is Verdict.ACCEPTED else failures + (verdict is Verdict.REFUSED)


@settings(max_examples=60, deadline=None)
@given(st.integers(-200, 200))
def test_a_device_is_synchronized_within_an_hour(drift: int) -> None:
    """Its next code is valid then, and neither of the two that were presented."""
    step = NOW // STEP + drift
    device = synchronize(DEVICE, SEED, (hotp(SEED, step - 1), hotp(SEED, step)), now=NOW)
    assert (device is not None) == (abs(drift) <= 120)
    if device is not None:
        assert present_code(device, SEED, hotp(SEED, step), now=NOW)[0] is Verdict.REFUSED
        later = NOW + STEP
        if abs(drift) <= 1 or abs(drift) > 2:
            assert present_code(device, SEED, hotp(SEED, step + 1), now=later)[0] is Verdict.ACCEPTED


def test_one_node_of_two_accepts_a_code_and_once(tmp_path: Path) -> None:
    """Presented eight times at once to two servers of one store, a code gives one session."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    with running_server(store=store) as first, running_server(store=store, account="210987654321") as second:
        clients = client_factory(first), client_factory(second)
        iam = clients[0]("iam")
        alice = new_user(iam, "alice")
        first.clock.freeze()
        second.clock.freeze(first.clock.now())
        app = new_device(iam, first.clock, "phone")
        enrol(iam, app, "alice")
        code = app.code(1)

        nodes = [client("sts", alice.key) for client in clients for _ in range(4)]

        def is_accepted(sts: Any) -> bool:
            try:
                sts.get_session_token(SerialNumber=app.serial, TokenCode=code)
            except ClientError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(is_accepted, nodes)) == 1
