"""The operator session ends after an hour, or with its credentials."""

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sts.authenticator import new_user
from tests.sts.test_assume_role import new_role

from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server with a role that has access."""
    with running_server() as running:
        iam = client_factory(running)("iam")
        new_user(iam, "alice")
        new_role(iam, "looking", MaxSessionDuration=43_200)
        yield running


def ask(server: RunningServer, method: str, fields: dict[str, str], cookie: str = "") -> tuple[int, str]:
    """Send one request to the operator pages; return its status and the cookie that it sets."""
    connection = http.client.HTTPConnection("127.0.0.1", server.config.port, timeout=30)
    connection.request(method, "/operator", urlencode(fields), {"Content-Type": FORM, "Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, (answer.getheader("set-cookie") or "").partition(";")[0]


def looking(server: RunningServer, seconds: int, now: datetime, claimed: timedelta) -> str:
    """Start a session with credentials of a lifetime and a claimed end; return the cookie."""
    make = client_factory(server)
    key: Any = make("iam").create_access_key(UserName="alice")["AccessKey"]
    given = make("sts", key).assume_role(
        RoleArn="arn:aws:iam::123456789012:role/looking", RoleSessionName="s1", DurationSeconds=seconds
    )["Credentials"]
    make("iam").delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    fields = {name: given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    ends = (now + claimed).strftime("%Y-%m-%dT%H:%M:%SZ")
    status, cookie = ask(server, "POST", {**fields, "Name": "n", "Expiration": ends})
    assert status == 303
    return cookie


@pytest.mark.parametrize(
    ("seconds", "claimed", "last"),
    [
        (43_200, 43_200, 3_600),
        (3_600, 3_600, 3_600),
        (1_800, 1_800, 1_800),
        (1_800, 900, 900),
        # A form that claims a later end does not help: the credentials themselves expire.
        (1_800, 43_200, 1_800),
    ],
)
def test_the_pages_close_on_the_second(server: RunningServer, seconds: int, claimed: int, last: int) -> None:
    """The session is valid in the second before its end. At its end the browser is sent to sign in."""
    server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
    now = server.clock.now()
    try:
        cookie = looking(server, seconds, now, timedelta(seconds=claimed))
        for after, status in ((0, 200), (last - 1, 200), (last, 303), (last + 1, 303)):
            server.clock.freeze(now + timedelta(seconds=after))
            assert ask(server, "GET", {}, cookie)[0] == status, after
    finally:
        server.clock.reset()
