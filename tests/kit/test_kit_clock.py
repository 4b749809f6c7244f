"""The movable clock: sessions expire and refresh by it, and signatures keep the time of the computer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import AssumeRoleCredentialFetcher, RefreshableCredentials
from botocore.exceptions import ClientError

from daypass.testing.boto3_clock import boto3_follows
from daypass.testing.client_factory import ClientFactory, client_factory
from daypass.testing.clock import MovableClock
from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def kit_server() -> Iterator[RunningServer]:
    """Run one server for this file, whose clock each test resets."""
    with running_server() as server:
        yield server


@pytest.fixture
def kit_clock(kit_server: RunningServer) -> Iterator[MovableClock]:
    """Return the clock, which boto3 follows."""
    with boto3_follows(kit_server.clock):
        yield kit_server.clock
    kit_server.clock.reset()


@pytest.fixture
def kit_client(kit_server: RunningServer) -> ClientFactory:
    """Return the factory of clients."""
    return client_factory(kit_server)


@pytest.mark.parametrize("seconds", [900, 3600, 129_600])
def test_a_session_of_any_length_expires_at_its_second(
    kit_clock: MovableClock, kit_client: ClientFactory, seconds: int
) -> None:
    """The last second is valid; the next one is ExpiredToken, never SignatureDoesNotMatch."""
    kit_clock.freeze(datetime.now(UTC).replace(microsecond=0))
    user = kit_client("iam").create_user(UserName=f"u{seconds}")["User"]["UserName"]
    key = kit_client("iam").create_access_key(UserName=user)["AccessKey"]
    session = kit_client("sts", key).get_session_token(DurationSeconds=seconds)["Credentials"]
    kit_clock.move(timedelta(seconds=seconds - 1))
    kit_client("sts", session).get_caller_identity()
    kit_clock.move(timedelta(seconds=1))
    with pytest.raises(ClientError) as refused:
        kit_client("sts", session).get_caller_identity()
    assert refused.value.response["Error"]["Code"] == "ExpiredToken"


def test_a_day_later_and_a_year_earlier_requests_are_still_signed_right(
    kit_clock: MovableClock, kit_client: ClientFactory
) -> None:
    """Long-term keys work at any time of the clock."""
    for by in (timedelta(days=1), timedelta(days=-366)):
        kit_clock.move(by)
        assert kit_client("sts").get_caller_identity()["Account"] == "123456789012"


def test_signatures_follow_a_clock_on_request() -> None:
    """A test of the age of signatures moves one clock for both."""
    clock = MovableClock()
    with running_server(clock=clock, signature_clock=clock) as server:
        clock.move(timedelta(minutes=16))
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            client_factory(server)("sts").get_caller_identity()


def test_boto3_refreshes_once_and_at_the_right_time(kit_clock: MovableClock, kit_client: ClientFactory) -> None:
    """Refreshing is by the clock: fifteen minutes before the end, as botocore has it."""
    sts, refreshes = kit_client("sts"), []

    def refresh() -> dict[str, str]:
        given = sts.get_session_token(DurationSeconds=3600)["Credentials"]
        refreshes.append(given["AccessKeyId"])
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    held = RefreshableCredentials.create_from_metadata(refresh(), refresh, "test")
    kit_clock.move(timedelta(minutes=44))
    assert held.get_frozen_credentials().access_key == refreshes[0]
    kit_clock.move(timedelta(minutes=2))
    assert held.get_frozen_credentials().access_key == refreshes[1]
    kit_clock.move(timedelta(days=2))
    assert held.get_frozen_credentials().access_key == refreshes[2]
    assert len(refreshes) == 3


def test_the_cache_of_assumed_roles_follows_the_clock(kit_clock: MovableClock) -> None:
    """A cached role that expired by the clock is not used again."""
    fetcher = AssumeRoleCredentialFetcher(None, None, "arn:aws:iam::123456789012:role/x", cache={})
    held = {"Credentials": {"Expiration": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}}
    assert not fetcher._is_expired(held)
    kit_clock.move(timedelta(hours=1))
    assert fetcher._is_expired(held)


def test_botocore_is_restored() -> None:
    """After the context, boto3 has its own clock again."""
    before = RefreshableCredentials._seconds_remaining
    with boto3_follows(MovableClock()):
        assert RefreshableCredentials._seconds_remaining is not before
    assert RefreshableCredentials._seconds_remaining is before
