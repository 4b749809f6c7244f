"""Webhooks: accounts do not delay one another, and a private network needs the operator's permission."""

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.delegation.conftest import TEMPLATE, Sides, Webhook
from tests.refusals import refused

from daypass.config import Config
from daypass.directory import records
from daypass.directory.delegation.kept_requests import (
    MOST_WAITING,
    enqueue_notification,
    find_request,
    new_notification,
)
from daypass.directory.entities.delegation_entities import DelegationRequest, Notification
from daypass.http.webhooks.webhook_lanes import OF_ACCOUNT, OF_ALL, OF_FAILING, OF_HOST, WebhookLanes
from daypass.http.webhooks.webhook_sender import WebhookSender
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.wiring import webhook_limits

LOOPBACK = (ip_network("127.0.0.0/8"),)


@contextmanager
def silent_host(attempts: list[str], name: str) -> Iterator[str]:
    """Listen, accept and never answer; record each connection under a name.

    Yields the URL of a webhook there.
    """
    kept = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            try:
                kept.append(listener.accept()[0])
            except OSError:
                return
            attempts.append(name)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/hook"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in kept:
        connection.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for a result of another thread."""
    pause = threading.Event()  # never set
    for _ in range(1_200):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError("it did not happen")


def a_request(server: RunningServer, channel: str) -> tuple[DelegationRequest, Any]:
    """Create a partner with one request, and return the request and the partner's client."""
    partner = client_factory(server)("iam", server.new_account())
    template = partner.create_policy(PolicyName="setup", PolicyDocument=TEMPLATE)["Policy"]["Arn"]
    made = partner.create_delegation_request(
        Description="d",
        Permissions={
            "PolicyTemplateArn": template,
            "Parameters": [{"Name": "userPath", "Values": ["x"], "Type": "string"}],
        },
        RequestorWorkflowId="workflow-1",
        NotificationChannel=channel,
        SessionDuration=3600,
    )
    with server.there.store.read() as reader:
        request = find_request(reader, made["DelegationRequestId"])
    assert request is not None
    return request, partner


def enqueue(server: RunningServer, request: DelegationRequest, ids: int) -> list[bool]:
    """Enqueue a notification for each of several requests, and tell which were accepted."""
    there, now = server.there, int(server.clock.now().timestamp())
    taken = []
    with there.store.write() as writer:
        for number in range(ids):
            one = msgspec.structs.replace(request, id=f"{request.id}{number}")
            notification = new_notification(
                one, b"{}", due=now, expires=now + 86_400, entropy=there.entropy, vault=there.vault
            )
            taken.append(enqueue_notification(writer, one, notification))
    return taken


def waiting_for(server: RunningServer, requestor: str) -> list[Notification]:
    """Return the waiting notifications of a requestor."""
    with server.there.store.read() as reader:
        found = [records.to_entity(Notification, record) for record in reader.page("notice", "", limit=1_000)]
    return [notification for notification in found if notification.requestor == requestor]


def test_a_host_that_hangs_keeps_nobody_else_waiting() -> None:
    """With hundreds of notifications for it, another account's first attempt waits for its lanes only."""
    attempts: list[str] = []
    config = Config(webhook_allowed_networks=LOOPBACK)
    with silent_host(attempts, "evil") as evil, silent_host(attempts, "good") as good:
        with running_server(config=config) as server:
            request, _ = a_request(server, evil)
            assert sum(enqueue(server, request, MOST_WAITING + 100)) == MOST_WAITING
            wait_until(lambda: "evil" in attempts)
            other, _ = a_request(server, good)
            enqueue(server, other, 1)
            wait_until(lambda: "good" in attempts)
        assert attempts.index("good") <= OF_ACCOUNT


def _samples(server: RunningServer) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=30) as answer:  # noqa: S310 - our own address
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_the_queue_is_measured() -> None:
    """The metrics count the notifications that are due, and the posts that failed."""
    attempts: list[str] = []
    with (
        silent_host(attempts, "inside") as inside,
        running_server(config=Config(oidc_allowed_networks=LOOPBACK)) as server,
    ):
        request, _ = a_request(server, inside)
        assert _samples(server)['daypass_notifications_total{outcome="failed"}'] == 0
        enqueue(server, request, 3)
        wait_until(lambda: _samples(server)['daypass_notifications_total{outcome="failed"}'] >= 3)
        server.clock.move(timedelta(days=2))
        wait_until(lambda: _samples(server)['daypass_notifications_total{outcome="expired"}'] == 3)
        wait_until(lambda: _samples(server)["daypass_notifications_due"] == 0)


def test_networks_of_issuers_are_not_open_to_webhooks() -> None:
    """A network that an operator allowed for an identity provider is not allowed for webhooks."""
    attempts: list[str] = []
    with (
        silent_host(attempts, "inside") as inside,
        running_server(config=Config(oidc_allowed_networks=LOOPBACK)) as server,
    ):
        request, _ = a_request(server, inside)
        enqueue(server, request, 1)
        wait_until(lambda: waiting_for(server, request.requestor)[0].attempts > 0)
    assert attempts == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_log_names_the_setting_that_opens_a_network(host: str) -> None:
    """For a name and for an address: an operator who upgrades must see why notifications are not delivered."""
    with capture_logs() as logged, running_server() as server:
        request, _ = a_request(server, f"https://{host}:9/hook")
        enqueue(server, request, 1)
        wait_until(lambda: any("reason" in line for line in logged))
    (reason, *_) = [line["reason"] for line in logged if "reason" in line]
    assert "DAYPASS_WEBHOOK_ALLOWED_NETWORKS" in reason


def test_a_request_has_one_notification_in_the_queue(sides: Sides) -> None:
    """The next one replaces it, and the same state again is not a new notification."""
    request = sides.request(NotificationChannel="https://10.0.0.1/hook")
    iam = sides.as_caller("iam", sides.admin())
    iam.associate_delegation_request(DelegationRequestId=request)
    first = waiting_for(sides.server, sides.partner.account)
    for number in range(20):
        iam.update_delegation_request(DelegationRequestId=request, Notes=str(number))
    [pending] = waiting_for(sides.server, sides.partner.account)
    assert [pending.id] != [notification.id for notification in first]
    for number in range(20):
        iam.update_delegation_request(DelegationRequestId=request, Notes=str(number))
    iam.accept_delegation_request(DelegationRequestId=request)
    iam.send_delegation_token(DelegationRequestId=request)
    assert len(waiting_for(sides.server, sides.partner.account)) == 1


def test_one_state_is_told_once(sides: Sides, webhook: Webhook) -> None:
    """However often an owner sends a request, the partner is notified of each state at most once."""
    request = sides.request()
    iam = sides.as_caller("iam", sides.admin())
    iam.associate_delegation_request(DelegationRequestId=request)
    for number in range(10):
        iam.update_delegation_request(DelegationRequestId=request, Notes=str(number))
        if not number:
            webhook.next("PENDING_APPROVAL")
    iam.reject_delegation_request(DelegationRequestId=request)
    assert webhook.next().message["State"] == "REJECTED"


def test_what_waits_for_one_partner_is_bounded(sides: Sides) -> None:
    """Beyond the limit no approval is possible without its notification, but a rejection is kept."""
    request = sides.request(NotificationChannel="https://10.0.0.1/hook")
    iam = sides.as_caller("iam", sides.admin())
    with sides.server.there.store.read() as reader:
        stored = find_request(reader, request)
    assert stored is not None
    assert all(enqueue(sides.server, stored, MOST_WAITING))
    code, status, words = refused(iam.associate_delegation_request, DelegationRequestId=request)
    assert (code, status) == ("LimitExceeded", 409)
    assert "webhook" in words
    assert iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]["State"] == "UNASSIGNED"
    with sides.server.there.store.write() as writer:
        for notification in waiting_for(sides.server, sides.partner.account):
            records.delete(writer, notification)
    iam.associate_delegation_request(DelegationRequestId=request)
    assert all(enqueue(sides.server, stored, MOST_WAITING - 1))
    with sides.server.there.store.write() as writer:
        own = [one for one in waiting_for(sides.server, sides.partner.account) if one.expires - one.due > 86_400]
        for notification in own:
            records.delete(writer, notification)
    iam.reject_delegation_request(DelegationRequestId=request)
    assert iam.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]["State"] == "REJECTED"


def test_one_server_of_several_makes_an_attempt(server: RunningServer) -> None:
    """Also if a minute, by which attempts are claimed, ends during one."""
    there = server.there
    senders = [
        WebhookSender(
            there.store, there.vault, server.clock, public_url=server.url, limits=webhook_limits(server.config)
        )
        for _ in range(2)
    ]
    notification = Notification(id="a" * 32, url="https://10.0.0.1/hook", sealed_body=b"", due=0, expires=1 << 40)
    minute = int(server.clock.now().timestamp()) // 60 * 60
    claims = [one._claim(notification, minute + second) for second in (59, 60) for one in senders]
    assert claims == [True, False, False, False]
    again = msgspec.structs.replace(notification, attempts=1)
    assert [one._claim(again, minute + 61) for one in senders] == [True, False]


# Lanes --------------------------------------------------------------------------------------------------------


def test_a_sender_stops_during_its_pause(server: RunningServer) -> None:
    """A server that ends does not wait for the next check."""
    there, limits = server.there, webhook_limits(server.config)
    sender = WebhookSender(
        there.store, there.vault, server.clock, public_url=server.url, limits=limits, check_seconds=600
    )
    sender.start()
    sender.stop(60)
    assert not sender.is_running


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from([True, False, None]), st.integers(0, 400)),
        max_size=200,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_one_takes_more_than_its_lanes(steps: list[tuple[int, int, bool | None, int]]) -> None:
    """After any sequence: the limits apply, and an account without running attempts gets a lane."""
    lanes, now, running = WebhookLanes(), 0, dict[str, tuple[str, str]]()
    for number, (account, host, outcome, seconds) in enumerate(steps):
        lane = (f"account{account}", f"host{host}")
        if lanes.take(str(number), lane, now=now):
            running[str(number)] = lane
        assert list(running.values()).count(lane) <= OF_HOST
        assert sum(one[0] == lane[0] for one in running.values()) <= OF_ACCOUNT
        if seconds % 3 == 0 and running:
            done = next(iter(running))
            del running[done]
            lanes.give_back(done, failed=outcome, now=now)
        now += seconds
    fresh = lanes.take("fresh", ("newcomer", "host0"), now=now)
    assert fresh or len(running) == OF_ALL


def test_failing_accounts_share_a_few_lanes() -> None:
    """Many accounts with many names of hosts that hang use few lanes; most lanes stay for the others."""
    lanes, now = WebhookLanes(), 1_000
    accounts = [f"evil{number}" for number in range(OF_ALL)]
    for account in accounts:
        if lanes.take(account, (account, "first"), now=now):
            lanes.give_back(account, failed=True, now=now)
    taken = [lanes.take(f"{account}{host}", (account, str(host)), now=now) for host in range(4) for account in accounts]
    assert sum(taken) == OF_FAILING
    assert all(lanes.take(f"good{number}", (f"good{number}", "host"), now=now) for number in range(OF_ALL - OF_FAILING))
    assert lanes.is_full()


def test_a_webhook_that_failed_once_has_a_lane_beside_hosts_that_hang() -> None:
    """A few accounts with ever new names that hang get half of the lanes for failing accounts, and one lane each."""
    lanes, now = WebhookLanes(), 1_000
    accounts = ["victim", *(f"evil{number}" for number in range(OF_FAILING // OF_ACCOUNT))]
    for account in accounts:
        assert lanes.take(account, (account, "first"), now=now)
        lanes.give_back(account, failed=True, now=now)
    for host in range(OF_FAILING):
        for account in accounts[1:]:
            lanes.take(f"{account}{host}", (account, str(host)), now=now)
    assert lanes.take("again", ("victim", "first"), now=now + 2)


def test_a_failing_host_waits_longer_each_time_and_alone() -> None:
    """The pause doubles up to five minutes; another account's webhook at the same host does not wait for it."""
    lanes, now, pauses = WebhookLanes(), 0, list[int]()
    lane = ("evil", "hooks.example")
    for _ in range(12):
        assert lanes.take("one", lane, now=now)
        lanes.give_back("one", failed=True, now=now)
        assert lanes.take("other", ("good", "hooks.example"), now=now)
        lanes.give_back("other", failed=False, now=now)
        begun = now
        while not lanes.take("one", lane, now=now):
            now += 1
        lanes.give_back("one", failed=None, now=now)
        pauses.append(now - begun)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_a_webhook_that_failed_is_tried_again(sides: Sides) -> None:
    """The retry comes when its pause has ended."""
    sides.webhook.answers += [500]
    request = sides.request()
    sides.as_caller("iam", sides.admin()).associate_delegation_request(DelegationRequestId=request)
    sides.webhook.next("ASSIGNED")
    sides.wait_for_attempts(1)
    sides.move_clock(timedelta(seconds=5))
    sides.webhook.next("ASSIGNED")
