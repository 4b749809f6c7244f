"""Attacks on a running gateway that once succeeded."""

import http.client
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.refusals import refused_with
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.config import Config
from daypass.wiring_gateway import LOOPBACK


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway whose clients come through a proxy on this machine."""
    with running_gateway(moto_store, config=replace(Config(), trusted_proxies=LOOPBACK)) as running:
        yield running


@pytest.mark.parametrize(
    ("scheme", "condition", "allowed"),
    [
        ("https", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}, False),
        ("https", {"Bool": {"aws:SecureTransport": "false"}}, True),
        ("http", {"Bool": {"aws:SecureTransport": "false"}}, False),
    ],
)
def test_a_version_of_tls_that_a_proxy_hides_denies(
    gateway: RunningGateway, scheme: str, condition: dict[str, Any], *, allowed: bool
) -> None:
    """Rule: the condition of a Deny does not miss because its key is not known here."""
    s3 = gateway.role(ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny", "Condition": condition})

    def forward(request: Any, **_: Any) -> None:
        request.headers["X-Forwarded-Proto"] = scheme

    s3.meta.events.register("before-send.s3", forward)
    bucket = gateway.new_bucket()
    if allowed:
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    else:
        assert refused_with(s3.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")


@pytest.mark.parametrize(("page", "status", "signed"), [("/verify", 200, True), ("/denied", 403, False)])
def test_the_page_for_refusals_does_not_show_a_signed_request(
    gateway: RunningGateway, page: str, status: int, *, signed: bool
) -> None:
    """A proxy passes the answer of /denied to the client, who could send the signed request to the store itself."""
    bucket = gateway.new_bucket()
    made = gateway.credentials(ALLOW_ALL)
    request = AWSRequest("GET", f"http://store.example/{bucket}/key")
    S3SigV4Auth(
        Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]), "s3", "us-east-1"
    ).add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.proxies.port, timeout=30)
    described = {
        "X-Original-Method": "GET",
        "X-Original-Uri": f"/{bucket}/key",
        "X-Original-Host": "store.example",
        "Host": "daypass",
    }
    connection.request("GET", f"{page}?service=s3", headers={**dict(request.headers), **described})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert (answer.status, answer.getheader("x-daypass-up-authorization") is not None) == (status, signed)


def test_a_thousand_heavy_decisions_are_not_one_request(gateway: RunningGateway) -> None:
    """A large policy and long keys would occupy a thread for minutes."""
    heavy = {
        "Effect": "Deny",
        "Action": "s3:DeleteObject",
        "Resource": [f"arn:aws:s3:::*a*b*z{at}?*" for at in range(90)],
    }
    bucket, s3 = gateway.new_bucket(), gateway.role(ALLOW_ALL, heavy)
    keys = [{"Key": "ab" * 500 + str(at)} for at in range(200)]
    errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Errors"]
    assert 0 < len(errors) <= 100
    assert {one["Code"] for one in errors} == {"SlowDown"}
