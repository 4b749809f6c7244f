"""Regions with any name, regions that an operator names, and the preference for tokens of the global endpoint."""

import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig
from tests.http.raw import send, signed
from tests.refusals import refused

from daypass.config import Config
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer, running_server

ODD = ("garage", "auto", "fr-par", "RegionOne", "local", "default", "A" * 63)
NO_REGION = ("SignatureDoesNotMatch", 403, "Credential should be scoped to a valid region. ")


@pytest.fixture(scope="module")
def open_server() -> Iterator[RunningServer]:
    """Run a server whose operator does not name regions."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server for two regions, one of them the operator's own."""
    with running_server(config=Config(regions=frozenset({"eu-central-1", "basement-1"}))) as server:
        yield server


def in_region(server: RunningServer, service: str, region: str) -> Any:
    """Return the root user's client for a region."""
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=server.root.access_key_id,
        aws_secret_access_key=server.root.secret_access_key,
        config=BotoConfig(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("region", ODD)
def test_any_region_is_served(open_server: RunningServer, region: str) -> None:
    """Both services take the name that the client signed for, in a header and in a presigned URL."""
    sts = in_region(open_server, "sts", region)
    sts.get_caller_identity()
    in_region(open_server, "iam", region).get_user()
    url = sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server
        assert b"GetCallerIdentityResult" in answer.read()


@pytest.mark.parametrize("region", ["a_b", "a.b", "-a", "A" * 64, "r\u00e9gion"])
def test_a_malformed_region_is_a_wrong_scope(open_server: RunningServer, region: str) -> None:
    """The names are those of a label of DNS."""
    body, headers = signed(open_server, region="REGION")
    headers["Authorization"] = headers["Authorization"].replace("REGION", region)
    answer = send(open_server, body, headers)
    assert answer.status == NO_REGION[1]
    assert all(word in answer.text for word in (NO_REGION[0], NO_REGION[2]))


def test_a_region_is_compared_as_it_was_signed(open_server: RunningServer) -> None:
    """Another case is another name, and its signature another one."""
    body, headers = signed(open_server, region="garage")
    headers["Authorization"] = headers["Authorization"].replace("/garage/", "/Garage/")
    assert "SignatureDoesNotMatch" in send(open_server, body, headers).text


@pytest.mark.parametrize("region", ["eu-central-1", "basement-1"])
def test_regions_that_are_served(server: RunningServer, region: str) -> None:
    """Those that the operator names, real or not."""
    in_region(server, "sts", region).get_caller_identity()


def test_a_region_that_is_not_served_is_disabled(server: RunningServer) -> None:
    """A real region gets AWS's message for a region in which STS is not activated."""
    message = (
        "STS is not activated in this region for account:123456789012. "
        "Your account administrator can activate STS in this region using the IAM Console."
    )
    refusal = refused(in_region(server, "sts", "us-east-1").get_caller_identity)
    assert refusal == ("RegionDisabledException", 403, message)


def test_no_region_is_a_wrong_scope(server: RunningServer) -> None:
    """A name that is neither one of AWS nor the operator's is a mistake in the scope."""
    refusal = refused(in_region(server, "sts", "atlantis-1").get_caller_identity)
    assert refusal == NO_REGION


def test_iam_is_one_for_all_regions(server: RunningServer) -> None:
    """IAM's clients sign for us-east-1 in every region."""
    in_region(server, "iam", "us-east-1").list_users()


def test_the_preference_is_kept_with_the_account(client: ClientFactory) -> None:
    """GetAccountSummary shows what SetSecurityTokenServicePreferences set."""
    iam = client("iam")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 1
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2
    refusal = refused(iam.set_security_token_service_preferences, GlobalEndpointTokenVersion="v3Token")
    assert refusal.code == "ValidationError"
