"""Identity proofs that another service relays: aws-iam-authenticator's URL and Vault's signed request."""

import base64
import json
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from urllib.error import HTTPError

import boto3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.http.raw import send

from daypass.testing.clock import MovableClock
from daypass.testing.server import RunningServer, running_server


def _credentials(server: RunningServer) -> Credentials:
    return Credentials(server.root.access_key_id, server.root.secret_access_key)


def _authenticator_url(server: RunningServer, cluster: str) -> str:
    """Make the URL inside a token of aws-iam-authenticator: presigned, with the cluster's name signed."""
    url = f"{server.url}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url, headers={"x-k8s-aws-id": cluster})
    SigV4QueryAuth(_credentials(server), "sts", "us-east-1", expires=60).add_auth(request)
    return str(request.prepare().url)


def _get(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers))) as answer:  # noqa: S310 - ours
            return answer.status, answer.read()
    except HTTPError as refused:
        return refused.code, refused.read()


def test_a_token_of_aws_iam_authenticator_is_good_for_its_cluster(daypass_server: RunningServer) -> None:
    """The cluster's name is a signed header: the same URL is not valid for another cluster."""
    url = _authenticator_url(daypass_server, "prod")
    status, body = _get(url, {"x-k8s-aws-id": "prod", "Accept": "application/json"})
    assert status == 200
    identity = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    assert identity["Account"] == daypass_server.root.account
    assert _get(url, {"x-k8s-aws-id": "test"})[0] == 403
    assert _get(url, {})[0] == 403


def test_a_presigned_url_is_good_for_fifteen_minutes_whatever_it_says() -> None:
    """STS does not honour X-Amz-Expires; aws-iam-authenticator relies on that."""
    clock = MovableClock()
    with running_server(clock=clock, signature_clock=clock) as server:
        url = _authenticator_url(server, "prod")
        clock.move(timedelta(minutes=14))
        assert _get(url, {"x-k8s-aws-id": "prod"})[0] == 200
        clock.move(timedelta(minutes=2))
        assert _get(url, {"x-k8s-aws-id": "prod"})[0] == 403


def test_a_request_that_vault_relays_is_bound_to_vaults_own_name(daypass_server: RunningServer) -> None:
    """Vault's clients sign a POST with Vault's server id in a header and pass it on in parts."""
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(
        "POST",
        daypass_server.url + "/",
        data=body,
        headers={
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Vault-AWS-IAM-Server-ID": "vault.example.com",
        },
    )
    SigV4Auth(_credentials(daypass_server), "sts", "us-east-1").add_auth(request)
    handed_over = base64.b64encode(json.dumps(dict(request.headers.items())).encode())
    # Vault does this with it.
    headers = json.loads(base64.b64decode(handed_over))
    answer = send(daypass_server, body.encode(), headers)
    assert answer.status == 200
    assert f"<Account>{daypass_server.root.account}</Account>" in answer.text
    headers["X-Vault-AWS-IAM-Server-ID"] = "evil.example.com"
    assert send(daypass_server, body.encode(), headers).status == 403


def test_text_of_a_caller_is_never_mistaken_for_the_answer(daypass_server: RunningServer) -> None:
    """Relays that parse JSON as XML have trusted echoed strings: markup is escaped in JSON answers."""
    session = boto3.Session(daypass_server.root.access_key_id, daypass_server.root.secret_access_key)
    made = session.client("iam", endpoint_url=daypass_server.url, region_name="us-east-1")
    made.create_user(UserName="alice")
    body = b"Action=GetUser&Version=2010-05-08&UserName=%3CGetCallerIdentityResponse%3E"
    request = AWSRequest("POST", daypass_server.url + "/", data=body, headers={"Accept": "application/json"})
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    SigV4Auth(_credentials(daypass_server), "iam", "us-east-1").add_auth(request)
    answer = send(daypass_server, body, dict(request.headers.items()))
    assert answer.status == 400
    assert b"<" not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
