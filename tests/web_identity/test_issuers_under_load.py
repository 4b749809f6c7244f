"""Issuers that hang, rotate or are down, while others are used: each affects only its own tokens."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.web_identity.conftest import Account, Fleet, name_of, not_taken, take, unsigned_client

from daypass.testing.oidc import DISCOVERY, KEYS, Answer, OidcIssuer
from daypass.testing.server import RunningServer

pytestmark = pytest.mark.slow

HUNG = 70  # calls at once, several times the server's worker threads
SLOWEST = 2.0  # seconds for a call that does not wait; a hanging issuer times out after five


@pytest.fixture(autouse=True)
def real_time(server: RunningServer) -> Iterator[None]:
    """Set the clock back after a test that moved it."""
    yield
    server.clock.reset()


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    """Return the threads of many clients."""
    with ThreadPoolExecutor(HUNG + 20) as threads:
        yield threads


def timed(call: Callable[[], Any]) -> float:
    """Return the duration of a call."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_an_issuer_that_hangs_stops_nobody_else(
    account: Account, issuer: OidcIssuer, server: RunningServer, fleet: Fleet, crowd: ThreadPoolExecutor
) -> None:
    """While many calls wait for one issuer, calls with known issuers, new issuers or keys are answered at once."""
    sts = unsigned_client(server)
    known = account.role("known", account.trust(issuer), {"Effect": "Allow", "Action": "*", "Resource": "*"})
    session = take(sts, known, issuer.token())
    with fleet.issuer() as silent, fleet.issuer() as fresh:
        silent.answers = {DISCOVERY: Answer.hang()}
        hung = account.role("hung", account.trust(silent))
        new = account.role("new", account.trust(fresh))
        waiting: list[Future[Any]] = [crowd.submit(not_taken, sts, hung, silent.token()) for _ in range(HUNG)]
        while silent.requests[DISCOVERY] == 0:
            time.sleep(0.01)
        took = [timed(lambda: take(sts, known, issuer.token())) for _ in range(20)]
        took.append(timed(lambda: take(sts, new, fresh.token())))
        took += [timed(lambda: account.client("iam", session).list_users()) for _ in range(5)]
        took += [timed(account.client("sts", session).get_caller_identity) for _ in range(5)]
        assert not any(one.done() for one in waiting), "the hanging issuer was given up before the others were asked"
        assert max(took) < SLOWEST
        answers = {one.result() for one in waiting}
        assert {(code, status) for code, status, _ in answers} == {("IDPCommunicationError", 400)}
        assert silent.requests[DISCOVERY] == 1


def test_a_hundred_tokens_of_a_new_issuer_are_one_fetch(
    account: Account, server: RunningServer, fleet: Fleet, crowd: ThreadPoolExecutor
) -> None:
    """Callers that come while the keys are being fetched wait for them; no second request is sent."""
    sts = unsigned_client(server)
    with fleet.issuer() as fresh:
        fresh.answers = {KEYS: Answer(silence=0.3)}
        role = account.role("r", account.trust(fresh))
        token = fresh.token()
        answers = list(crowd.map(lambda _: take(sts, role, token), range(80)))
        assert len({answer["Credentials"]["AccessKeyId"] for answer in answers}) == 80
        assert (fresh.requests[DISCOVERY], fresh.requests[KEYS]) == (1, 1)


def test_a_rotated_key_is_accepted_and_a_lost_issuer_is_believed_by_its_old_ones(
    account: Account, server: RunningServer, sts: Any, fleet: Fleet
) -> None:
    """A new key is fetched at once, but once in ten seconds; while the issuer is down its known keys are used."""
    with fleet.issuer() as turning:
        role = account.role("r", account.trust(turning))
        assert take(sts, role, turning.token())
        server.clock.move(timedelta(seconds=11))
        turning.rotate()
        assert take(sts, role, turning.token())
        looks = turning.requests[KEYS]
        turning.rotate()
        assert not_taken(sts, role, turning.token())[0] == "InvalidIdentityToken"
        assert turning.requests[KEYS] == looks
        server.clock.move(timedelta(seconds=11))
        assert take(sts, role, turning.token())
        turning.answers = {DISCOVERY: Answer.fail(503), KEYS: Answer.fail(503)}
        server.clock.move(timedelta(hours=2))
        assert take(sts, role, turning.token())


@pytest.mark.parametrize(
    "misbehaviour",
    [Answer.flood(), Answer.redirect("https://169.254.169.254/"), Answer.document({"issuer": "https://other.example"})],
    ids=["flood", "redirect", "lie"],
)
def test_an_issuer_that_misbehaves_has_no_keys(account: Account, sts: Any, fleet: Fleet, misbehaviour: Answer) -> None:
    """An unreadable answer is not a key, and the call says so; honest tokens of the issuer are refused too."""
    with fleet.issuer() as odd:
        odd.answers = {DISCOVERY: misbehaviour}
        role = account.role("r", account.trust(odd))
        code, status, words = not_taken(sts, role, odd.token())
        assert (code, status) == ("InvalidIdentityToken", 400)
        assert words.startswith("Couldn't retrieve verification key from your identity provider,  please")


def test_an_issuer_in_a_forbidden_network_is_not_contacted(account: Account, sts: Any, fleet: Fleet) -> None:
    """Private addresses are refused unless an operator allows them: this server allows only loopback."""
    account.trust("https://10.1.2.3")
    role = account.role("r", account.trust("https://10.1.2.3"))
    with fleet.issuer() as issuer:
        assert name_of(issuer)
        code, status, _ = not_taken(sts, role, issuer.token(iss="https://10.1.2.3"))
    assert (code, status) == ("InvalidIdentityToken", 400)
