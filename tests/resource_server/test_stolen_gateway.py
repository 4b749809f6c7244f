"""An attacker with a resource server's own key asks the server, beyond what a gateway would ask.

The sentences are those of docs/resource-servers.md, "What a stolen gateway can reach".
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from tests.documents import allow, document
from tests.resource_server.conftest import REGION

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer
from daypass.verify.remote_server.protocol import KEYS_PATH, GrantRequest


@pytest.fixture
def reader(iam: Any) -> Credentials:
    """Return a long-term key of a user."""
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=document(allow("s3:*", "*")))
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


def seen(reader: Credentials, signed_at: datetime, *, presigned: bool = False) -> GrantRequest:
    """Return a question about a request that the reader signed at a time, and that the attacker has seen."""
    stamp = signed_at.strftime("%Y%m%dT%H%M%SZ")
    date = stamp[:8]
    string = f"AWS4-HMAC-SHA256\n{stamp}\n{date}/{REGION}/s3/aws4_request\n{'0' * 64}"
    key = signing_key(reader.secret_key, date, REGION, "s3")
    return GrantRequest(
        access_key_id=reader.access_key,
        date=date,
        region=REGION,
        service="s3",
        string_to_sign=string,
        signature=key.sign(string.encode()),
        presigned=presigned,
    )


def ask(server: RunningServer, name: str, gateway_key: Credentials, question: GrantRequest) -> tuple[int, bytes]:
    """Send a question with the resource server's own key. Return the status and the body."""
    url = f"{server.url}{KEYS_PATH}?resource-server={name}"
    body = msgspec.json.encode(question)
    request = AWSRequest("POST", url, headers={"content-type": "application/json"}, data=body)
    SigV4Auth(gateway_key, "daypass", REGION).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    return answer.status_code, answer.content


AGES = (
    (timedelta(), False, 200),
    (timedelta(minutes=15), False, 200),
    (timedelta(minutes=15, seconds=1), False, 403),
    (timedelta(minutes=-15), False, 200),
    (timedelta(minutes=-15, seconds=-1), False, 403),
    (timedelta(days=7), True, 200),
    (timedelta(days=7, seconds=1), True, 403),
)


def test_an_old_signature_gives_no_key(
    server: RunningServer, name: str, gateway_key: Credentials, reader: Credentials
) -> None:
    """A recorded request is worth a key for 15 minutes, and as a presigned one for 7 days."""
    now = datetime.now(UTC).replace(microsecond=0)
    server.clock.freeze(now)
    try:
        for age, presigned, expected in AGES:
            status, content = ask(server, name, gateway_key, seen(reader, now - age, presigned=presigned))
            assert status == expected, (age, content)
            assert (b'"key"' in content) == (expected == 200)
    finally:
        server.clock.reset()


def test_the_answer_on_the_wire_has_no_secret(
    server: RunningServer, name: str, gateway_key: Credentials, reader: Credentials
) -> None:
    """Neither a caller's secret nor a sealing key is in the bytes, in any usual form."""
    status, content = ask(server, name, gateway_key, seen(reader, server.clock.now()))
    assert status == 200
    secret = reader.secret_key.encode()
    assert secret not in content
    assert base64.b64encode(secret) not in content
    assert set(msgspec.json.decode(content)) <= {
        "key",
        "notAfter",
        "caller",
        "documents",
        "dependencies",
        "revision",
        "maxAge",
    }


def test_the_key_of_a_gateway_opens_neither_sts_nor_iam(
    as_caller: ClientFactory, gateway_key: Credentials, root: RootKey
) -> None:
    """Its user has one permission. It cannot assume a role or read an account."""
    key = {"AccessKeyId": gateway_key.access_key, "SecretAccessKey": gateway_key.secret_key}
    with pytest.raises(ClientError, match="AccessDenied"):
        as_caller("iam", key).list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        as_caller("sts", key).assume_role(RoleArn=f"arn:aws:iam::{root.account}:role/any", RoleSessionName="attacker")


def test_a_derived_key_does_not_sign_for_sts(
    server: RunningServer, name: str, gateway_key: Credentials, reader: Credentials
) -> None:
    """The key of s3 makes a signature with the scope of sts that is wrong."""
    status, content = ask(server, name, gateway_key, seen(reader, server.clock.now()))
    assert status == 200
    granted = base64.b64decode(msgspec.json.decode(content)["key"])
    now = server.clock.now()
    genuine = signing_key(reader.secret_key, now.strftime("%Y%m%d"), REGION, "sts")
    assert granted == signing_key(reader.secret_key, now.strftime("%Y%m%d"), REGION, "s3").raw
    assert granted != genuine.raw
