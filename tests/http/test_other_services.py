"""Requests of other AWS services get an error that their own client can read.

botocore's models of all services are the table: its serializers make the requests, and its parsers read the answers.
"""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config as BotoConfig
from botocore.credentials import Credentials
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from tests.http.raw import FORM, send
from tests.refusals import refused

from daypass.testing.server import RunningServer
from daypass.wire import other_services

SESSION = botocore.session.get_session()
REMEDY = "AWS_ENDPOINT_URL_STS"
# The services that this server has.
SERVED = {"sts", "iam", "sso", "sso-oidc", "signin"}
# A service that shares the name in the scope of signatures with one of these.
NAMESAKES = {"iam-toolbox"}
USUAL = (
    "s3", "s3control", "ec2", "organizations", "dynamodb", "kms", "lambda", "sqs", "sns", "cloudformation",
    "cloudwatch", "route53", "cloudfront", "secretsmanager", "ssm", "ecr", "eks", "rds", "logs", "bedrock-runtime",
    "ses", "sesv2", "glacier", "apigateway", "sdb", "sso-admin", "identitystore", "rolesanywhere", "eks-auth",
)  # fmt: skip
"""The services that people call most, and one of each odd kind."""
OTHERS = tuple(name for name in SESSION.get_available_services() if name not in {*SERVED, *NAMESAKES, *USUAL})


def protocols(model: ServiceModel) -> list[str]:
    """Return all protocols that clients of a service may use."""
    return list(model.metadata.get("protocols") or [model.metadata["protocol"]])


def an_operation(model: ServiceModel) -> OperationModel:
    """Return the operation with the fewest required parameters."""
    operations = [model.operation_model(name) for name in model.operation_names]
    return min(operations, key=lambda one: len(one.input_shape.required_members) if one.input_shape else 0)


def parameters(operation: OperationModel) -> dict[str, Any]:
    """Return a value for each parameter that is part of a path."""
    shape = operation.input_shape
    members = {} if shape is None else shape.members
    return {
        name: "x"
        for name, member in members.items()
        if member.type_name == "string"
        and (name in shape.required_members or member.serialization.get("location") == "uri")
    }


def call(server: RunningServer, model: ServiceModel, protocol: str, how: str) -> dict[str, Any]:
    """Send a request of a service, and return the error as botocore parses it."""
    operation = an_operation(model)
    made = create_serializer(protocol, include_validation=False).serialize_to_request(parameters(operation), operation)
    target = made["url_path"] + ("?" + urlencode(made["query_string"]) if made["query_string"] else "")
    body = made["body"]
    raw = (
        urlencode(body).encode() if isinstance(body, dict) else body if isinstance(body, bytes) else str(body).encode()
    )
    headers = {name: str(value) for name, value in made["headers"].items()}
    request = AWSRequest(made["method"], server.url + target, headers=headers, data=raw)
    request.headers["amz-sdk-invocation-id"] = "7d9c4b8e"
    if how != "unsigned":
        signer = SigV4Auth
        if how == "presigned":  # The query has the parameters of a form. Other bodies cannot be presigned.
            signer, request.data, raw = SigV4QueryAuth, b"", b""
            request.params = body if isinstance(body, dict) else {}
        signer(Credentials("AKIDEXAMPLEEXAMPLE12", "secret"), model.signing_name, "eu-west-1").add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(made["method"], target, raw, dict(prepared.headers.items()))
    answer = connection.getresponse()
    received = {name.lower(): value for name, value in answer.getheaders()}
    parsed = {"headers": received, "status_code": answer.status, "body": answer.read()}
    connection.close()
    assert 400 <= answer.status < 500, (model.service_name, answer.status)
    if made["method"] == "HEAD":
        return {"Code": "InvalidRequest", "Message": REMEDY}
    error: dict[str, Any] = create_parser(protocol).parse(parsed, operation.output_shape)
    return dict(error["Error"])


def errors(server: RunningServer, name: str, how: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Call a service in each of its protocols."""
    model = SESSION.get_service_model(name)
    for protocol in protocols(model):
        yield protocol, call(server, model, protocol, how)


@pytest.mark.parametrize("how", ["signed", "presigned", "unsigned"])
@pytest.mark.parametrize("name", USUAL)
def test_a_client_can_read_why_it_is_refused(shared_server: RunningServer, name: str, how: str) -> None:
    """The code and the message have their place in every protocol. The message names the settings."""
    for protocol, error in errors(shared_server, name, how):
        assert error["Code"] == "InvalidRequest", (protocol, error)
        assert REMEDY in error["Message"], (protocol, error)


def test_a_refused_service_is_not_among_the_served_ones(shared_server: RunningServer) -> None:
    """`sso` is the scope of one service, and the name of another in configuration files."""
    for _, error in errors(shared_server, "sso-admin", "signed"):
        assert "sso and signin, and not sso-admin." in error["Message"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["signed", "presigned", "unsigned"])
@pytest.mark.parametrize("name", OTHERS)
def test_every_client_can_read_why_it_is_refused(shared_server: RunningServer, name: str, how: str) -> None:
    """All services of botocore."""
    test_a_client_can_read_why_it_is_refused(shared_server, name, how)


@pytest.mark.slow
def test_the_versions_of_forms_are_those_of_the_models() -> None:
    """An unsigned form shows its service by its version alone."""
    found: dict[str, set[str]] = {}
    for name in SESSION.get_available_services():
        model = SESSION.get_service_model(name)
        if {"query", "ec2"} & set(protocols(model)) and name not in SERVED:
            found.setdefault(model.api_version, set()).add(model.signing_name)
    found["2012-11-05"] = {"sqs"}  # its clients sent forms until 2023
    names = {version: services.pop() if len(services) == 1 else "" for version, services in found.items()}
    assert names == dict(other_services._VERSIONS)


CALLS = {
    "s3": "list_buckets",
    "organizations": "describe_organization",
    "dynamodb": "list_tables",
    "lambda": "list_functions",
    "cloudwatch": "list_metrics",
    "route53": "list_hosted_zones",
}


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("name", CALLS)
def test_boto3_raises_the_error(shared_server: RunningServer, name: str, *, is_signed: bool) -> None:
    """It is a ClientError with a message, and no fault of the parser."""
    client = SESSION.create_client(
        name,
        endpoint_url=shared_server.url,
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLEEXAMPLE12",
        aws_secret_access_key="secret",
        config=BotoConfig(retries={"total_max_attempts": 1}, signature_version=None if is_signed else UNSIGNED),
    )
    refusal = refused(getattr(client, CALLS[name]))
    assert refusal.code == "InvalidRequest"
    assert REMEDY in refusal.words


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/bucket/key", {"Authorization": "AWS AKIDEXAMPLE:c2lnbmF0dXJl"}),
        ("GET", "/bucket/key?AWSAccessKeyId=AKID&Signature=x&Expires=1", {}),
        ("PUT", "/bucket", {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=AKID/20261130/s3/aws4_request, x=y"}),
        ("PUT", "/", {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261130/x/s3/aws4_request, SignedHeaders=h"}),
        ("GET", "/login", {"Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261130/x/s3/aws4_request"}),
        ("POST", "/bucket?delete", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
    ],
)
def test_odd_requests_of_s3_are_recognized(
    shared_server: RunningServer, method: str, target: str, headers: dict[str, str]
) -> None:
    """Signatures of version 2, of several regions, and for names that are pages here."""
    answer = send(shared_server, b"", headers, method=method, target=target)
    assert answer.status in {400, 404, 405}
    assert answer.headers["content-type"] == "application/xml"
    assert "<Code>InvalidRequest</Code>" in answer.text
    assert "daypass gateway" in answer.text


@pytest.mark.parametrize(
    ("body", "service", "words"),
    [
        ("Action=GetCallerIdentity&Version=2011-06-15", "ec2", "Credential should be scoped to correct service"),
        ("Action=DescribeInstances&Version=2011-06-15", "ec2", "Could not find operation DescribeInstances"),
        ("Action=GetCallerIdentity&Version=2016-11-15", "sts", "for version 2016-11-15"),
        ("Action=GetCallerIdentity&Version=2026-01-01", "", "for version 2026-01-01"),
    ],
)
def test_calls_of_sts_keep_the_words_of_aws(shared_server: RunningServer, body: str, service: str, words: str) -> None:
    """The version or the scope is of STS, so the mistake is another one."""
    scope = (
        f"AWS4-HMAC-SHA256 Credential=AKID/20261130/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
    headers = {"Content-Type": FORM, "X-Amz-Date": "20261130T000000Z", **({"Authorization": scope} if service else {})}
    assert words in send(shared_server, body.encode(), headers).text
