"""API calls that the portal signs with the credentials of a session.

Its values need no escaping, so the canonical request is simple. The pipeline verifies the call like any other.
Source: IAM User Guide, "Create a signed AWS API request".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlencode

import msgspec

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.wire.http import HttpRequest

_ALGORITHM = "AWS4-HMAC-SHA256"
_FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class SigV4Credentials:
    """Credentials with the service, region and time of their signatures."""

    key_id: str
    secret: str
    token: str
    service: str
    region: str
    now: datetime

    def __repr__(self) -> str:
        return "<secret>"


def signed_call(
    sent: HttpRequest, parameters: Mapping[str, str], *, host: str, signer: SigV4Credentials
) -> HttpRequest:
    """Return a signed call with the parameters.

    It has the client address and user agent of `sent`.
    """
    body = urlencode(parameters).encode()
    stamp = signer.now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host, "x-amz-date": stamp, "x-amz-security-token": signer.token}
    headers = {name.encode(): value.encode() for name, value in signed.items()}
    headers |= {
        b"authorization": _authorization(body, signed, signer).encode(),
        b"content-type": _FORM,
        b"accept": b"application/json",
        b"user-agent": sent.header(b"user-agent") or b"",
    }
    return msgspec.structs.replace(sent, method="POST", path=b"/", query=b"", headers=tuple(headers.items()), body=body)


def _authorization(body: bytes, signed: Mapping[str, str], signer: SigV4Credentials) -> str:
    stamp, names = signed["x-amz-date"], ";".join(signed)
    lines = ["POST", "/", "", *(f"{name}:{value}" for name, value in signed.items()), "", names]
    canonical = "\n".join([*lines, sha256(body).hexdigest()])
    scope = f"{stamp[:8]}/{signer.region}/{signer.service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = signing_key(signer.secret, stamp[:8], signer.region, signer.service)
    credential = f"{signer.key_id}/{scope}"
    return f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={key.sign(to_sign.encode())}"
