"""Requests that no SDK sends, built by hand. botocore signs some of them."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from daypass.testing.server import RunningServer

FORM = "application/x-www-form-urlencoded; charset=utf-8"
WHO = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}


@dataclass(frozen=True)
class Answer:
    """The response to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as a string."""
        return self.body.decode()


def send(
    server: RunningServer,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    target: str = "/",
) -> Answer:
    """Send one request and return its response."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, target, body, {"Content-Type": FORM} if headers is None else dict(headers))
        answer = connection.getresponse()
        lower = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, lower, answer.read())
    finally:
        connection.close()


def signed(
    server: RunningServer,
    parameters: Mapping[str, str] | bytes = WHO,
    *,
    service: str = "sts",
    region: str = "us-east-1",
    extra: Mapping[str, str] | None = None,
) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a request that the root user signed."""
    body = parameters if isinstance(parameters, bytes) else urlencode(parameters).encode()
    request = AWSRequest("POST", server.url + "/", data=body, headers={"Content-Type": FORM, **(extra or {})})
    credentials = Credentials(server.root.access_key_id, server.root.secret_access_key)
    SigV4Auth(credentials, service, region).add_auth(request)
    return body, {**dict(request.headers.items()), "Host": server.url.removeprefix("http://")}
