"""Signed requests of a resource server to Daypass.

Owns the connection, the signature and the meaning of the answers' errors. Every method blocks, with a deadline.
"""

import ssl
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from daypass.errors import (
    AccessDenied,
    ExpiredToken,
    Fault,
    InvalidClientTokenId,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    Throttling,
)
from daypass.verify.remote_server.grant_json import GrantFormatError, read_json
from daypass.verify.remote_server.protocol import NAME_PARAMETER, SERVICE, RefusedAnswer

_CONNECT, _READ = 2.0, 5.0  # seconds
_CONNECTIONS = 16
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OK, _MISSING = 200, 404

# Refusals that the caller of the resource server caused. All others are faults of the resource server or the server.
_OF_CALLER: Mapping[str, type[Fault]] = {
    fault.code: fault for fault in (InvalidClientTokenId, ExpiredToken, SignatureDoesNotMatch, Throttling)
}


class BotocoreCredentials(Protocol):
    """BotocoreCredentials of botocore, refreshed as needed."""

    def get_frozen_credentials(self) -> Any:
        """Return the present key, secret and token."""
        ...


_REMEDY = "Write an access key of the resource server's user into ~/.aws/credentials, under that profile"


def load_credentials(profile: str = "") -> BotocoreCredentials:
    """Return the credentials of an AWS profile, or those of the environment.

    Raises ValueError if there are none.
    """
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        credentials: BotocoreCredentials | None = Session(profile=profile or None).get_credentials()
    except BotoCoreError as problem:
        raise ValueError(f"{problem}. {_REMEDY}") from problem
    if credentials is None:
        raise ValueError(f"the AWS profile {profile or 'default'} does not have credentials. {_REMEDY}")
    return credentials


class RegistrationRefusedError(ServiceUnavailable):
    """The server answered that this resource server may not ask it.

    Its registration was removed, or its own key or permission is not valid. `detail` is the server's reason.
    """


class ServerConnection:
    """Sends requests as the registered resource server `name`.

    `url` is the server's public URL: https, or http on loopback. `ca_bundle` is a file with the CAs of its certificate;
    by default those of botocore (Mozilla's) are trusted. Raises ValueError for another URL.
    """

    def __init__(
        self, url: str, name: str, credentials: BotocoreCredentials, *, region: str, ca_bundle: str = ""
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and (parts.scheme, parts.hostname in _LOOPBACK) != ("http", True):
            raise ValueError(f"{url!r} must begin with https://, because its answers contain signing keys")
        from botocore.httpsession import URLLib3Session

        self._url = url.rstrip("/")
        self._name = name
        self._credentials = credentials
        self._region = region
        self._session = URLLib3Session(
            verify=ca_bundle or True, timeout=(_CONNECT, _READ), max_pool_connections=_CONNECTIONS
        )

    def __repr__(self) -> str:
        return f"<connection to {self._url} as {self._name}>"

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def get(self, path: str, answer: Any, **parameters: str) -> Any:
        """Return the decoded answer to a GET, or None if the path is not found."""
        return self._send("GET", path, parameters, b"", answer)

    def post(self, path: str, body: bytes, answer: Any, **parameters: str) -> Any:
        """Return the decoded answer to a POST, or None if the path is not found."""
        return self._send("POST", path, parameters, body, answer)

    def _send(self, method: str, path: str, parameters: Mapping[str, str], body: bytes, answer: Any) -> Any:
        status, content = self._exchange(method, path, parameters, body)
        if status == _MISSING:
            return None
        try:
            if status == _OK:
                return read_json(content, answer)
            refusal: RefusedAnswer = read_json(content, RefusedAnswer)
        except GrantFormatError as problem:
            raise ServiceUnavailable(_AWAY, detail=f"status {status}: {problem}") from problem
        fault = _OF_CALLER.get(refusal.code)
        if fault is not None:
            raise fault(refusal.message)
        detail = f"the server refused: {refusal.code}: {refusal.message}"
        if refusal.code == AccessDenied.code:
            raise RegistrationRefusedError(_AWAY, detail=detail)
        raise ServiceUnavailable(_AWAY, detail=detail)

    def _exchange(self, method: str, path: str, parameters: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        query = urlencode({NAME_PARAMETER: self._name, **parameters})
        headers = {"content-type": "application/json"} if body else {}
        request = AWSRequest(method, f"{self._url}{path}?{query}", headers=headers, data=body)
        try:
            SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(request)
            response = self._session.send(request.prepare())
        except (HTTPClientError, BotoCoreError, ClientError, OSError, ssl.SSLError) as problem:
            raise ServiceUnavailable(_AWAY, detail=f"no answer from the server: {type(problem).__name__}") from problem
        return response.status_code, response.content


_AWAY = "The service is temporarily unavailable. Try again."
